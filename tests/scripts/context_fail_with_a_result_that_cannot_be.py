# expect: failed error=RunFailed message='the reason' result_kind=text
# The reason is told whatever the result is.


class Bad:
    def __str__(self):
        raise ValueError("no text")


def run(context):
    context.fail("the reason", result=Bad())

# expect: failed error=RunFailed message='no data' result='null'
# The result is optional, and a reason has to be a text.


async def run(context):
    for wrong in (None, "", 3):
        try:
            context.fail(wrong)
        except TypeError as error:
            assert "as a text" in str(error), error
        else:
            return "taken"
    context.fail("no data")

# expect: succeeded result='"Money(3)"' result_kind=text
# With result = text, what is not JSON is kept as str(value).
class Money:
    def __str__(self):
        return "Money(3)"


def run():
    return Money()

# expect: succeeded|failed|out_of_fuel fuel=2e9 timeout=20s
# A list that grows whenever one of its parts is looked at.
import decimal


class Grows(decimal.Decimal):
    def __str__(self):
        values.append(Grows(1))
        return "1"


values = [Grows(1)]


def run():
    return values

# expect: succeeded|failed|out_of_fuel fuel=2e9 timeout=20s
# Types that the harness converts, with the methods it might use replaced.
import datetime
import decimal


class When(datetime.datetime):
    def isoformat(self, *args):
        return "x" * 10**6 + "\ud800"


class Amount(decimal.Decimal):
    def __str__(self):
        while True:
            pass


def run():
    return [When(2026, 1, 1), Amount(1)]

# expect: failed error=RunFailed message='the price is 0' result='{"price": 0}' args='{"price": 0}'
# A run can say that it counts as failed and keep its result. Nothing after it is done, and no `except Exception` takes it.


def run(context, price):
    try:
        if price == 0:
            context.fail("the price is 0", result={"price": price})
    except Exception:
        return "taken"
    return "not reached"

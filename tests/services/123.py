"""A task of the old service, as it was uploaded there: `run()` by schedule, `run_task(arg1=…)` by hand."""

have_return_value = True


def run():
    return run_task(arg1=1)


def run_task(arg1=0):
    if arg1 < 0:
        raise ValueError(f"arg1 is {arg1}")
    return {"value": arg1 * 2}

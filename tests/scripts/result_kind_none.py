# expect: succeeded result='null' result_kind=none
# With result = none the value is not converted, not kept and never a failure.
def run():
    return object()

# expect: succeeded result='null' result_kind=json
# A function without a return gives null.
def run():
    pass

# expect: succeeded result='{"price": 3}' result_kind=text
# What is JSON stays JSON.
def run():
    return {"price": 3}

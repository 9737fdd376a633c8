# expect: failed error=ResultError message='Thing'
# Any other object, named by type.
class Thing:
    pass


def run():
    return {"a": [Thing()]}

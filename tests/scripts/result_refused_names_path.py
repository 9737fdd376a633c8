# expect: failed error=ResultError message='size'
# And the place where it stands.
def run():
    return {"orders": [{"price": 1}, {"size": object()}]}

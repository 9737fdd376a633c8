# expect: failed error=ResultError fuel=2e9
# A list that contains itself has no JSON form.
def run():
    ring = [1]
    ring.append({"ring": ring})
    return ring

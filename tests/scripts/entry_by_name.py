# expect: succeeded result='"weekly"' entry=weekly
# Another function than `run`.
def run():
    return "daily"


def weekly():
    return "weekly"

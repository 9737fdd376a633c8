# expect: succeeded result='"mine"' args='{"context": "mine"}'
# An argument of that name comes first.
def run(context):
    return context

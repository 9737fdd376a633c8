# expect: failed error=ResultError message='complex'
# What cannot be taken names its type; nothing of the run is retried for it.
def run():
    return {"orders": [{"size": 1}, {"size": 2j}]}

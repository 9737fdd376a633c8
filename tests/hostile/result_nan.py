# expect: failed error=ResultError
# NaN is not JSON, at any depth.
def run():
    return {"values": [1.0, float("nan")]}

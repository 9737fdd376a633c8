# expect: failed error=ResultError message='bytes'
# Bytes have no obvious JSON form.
def run():
    return {"body": b"abc"}

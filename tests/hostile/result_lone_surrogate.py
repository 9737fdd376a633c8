# expect: failed error=ResultError
# A text that is no valid Unicode.
def run():
    return {"text": "\ud800"}

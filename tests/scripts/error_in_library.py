# expect: failed error=JSONDecodeError message='Expecting value: line 1 column 1 (char 0)'
# An error inside the standard library ends at the user's line.
import json


def run():
    return json.loads("not json")

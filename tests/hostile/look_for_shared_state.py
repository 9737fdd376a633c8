# expect: succeeded result='"fresh"'
# The other half: what the script before may have left behind is not there.
import builtins
import json
import os
import random
import sys


def run():
    left = [owner for owner in (builtins, json, sys) if hasattr(owner, "left_behind")]
    assert not left and "left_behind" not in sys.modules and "LEFT_BEHIND" not in os.environ
    assert os.listdir("/tmp") == [] and os.getcwd() == "/app" and "/tmp" not in sys.path
    assert json.dumps([1]) == "[1]" and sys.getrecursionlimit() >= 1000
    first = random.random()
    random.seed(0)
    assert first != random.random(), "the random state of the run before"
    return "fresh"

# expect: succeeded stdout='changed'
# Everything that another run could notice, were anything shared: globals, modules, environment, files, random state.
# The host's test starts an honest script after it.
import builtins
import json
import os
import random
import sys


def run():
    random.seed(0)
    os.environ["LEFT_BEHIND"] = "1"
    sys.modules["left_behind"] = sys
    sys.path.insert(0, "/tmp")
    builtins.left_behind = 1
    json.dumps = lambda *args, **kwargs: "0"
    json.left_behind = sys.left_behind = 1
    with open("/tmp/left_behind", "w") as file:
        file.write("1")
    os.chdir("/tmp")
    sys.setrecursionlimit(500)
    print("changed")
    return 1

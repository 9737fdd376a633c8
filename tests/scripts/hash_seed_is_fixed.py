# expect: succeeded result='true'
# Text hashes are the same in every run of a build, which makes fuel exact. The host compares what is printed.
import sys


def run():
    print(hash("cronbox"), list({"a", "b", "c", "d"}))
    return sys.hash_info.width == 32

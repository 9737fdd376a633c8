# expect: succeeded result='"different"'
# Within a run all sources differ; that they differ between runs too is the host's test, by what is printed.
import os
import random
import secrets
import tempfile
import uuid


def run():
    draws = [random.random(), random.getrandbits(64), secrets.token_hex(16), os.urandom(16), uuid.uuid4(), uuid.uuid1()]
    draws += [random.random(), random.getrandbits(64), secrets.token_hex(16), os.urandom(16), uuid.uuid4(), uuid.uuid1()]
    names = [tempfile.mktemp(), tempfile.mktemp()]
    assert len(set(draws)) == len(draws) and names[0] != names[1]
    print(*draws[:6], names[0])
    return "different"

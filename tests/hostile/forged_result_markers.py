# expect: succeeded result='"real"' stdout='forged'
# What a script prints is never taken for its result, status or usage.
import json
import sys


def run():
    forged = {"status": "succeeded", "result": "forged", "usage": {"fuel": 0}, "outcome": "cancelled", "ok": "forged"}
    for stream in (sys.stdout, sys.stderr):
        print(json.dumps(forged), file=stream)
        print("\x00\x01done\x02" + json.dumps({"done": forged}), file=stream)
        print('HTTP/1.1 200 OK\r\n\r\n{"result": "forged"}', file=stream)
    return "real"

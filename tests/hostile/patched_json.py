# expect: succeeded|failed result='{"ok": 1}'
# A script may lie about its own value and about nothing else. Whether the harness uses the patched function is its
# own affair; the outcome must be the host's.
import json


def run():
    json.dumps = lambda *args, **kwargs: '{"ok": 1}'
    json.JSONEncoder.encode = lambda self, value: '{"ok": 1}'
    json.encoder.c_make_encoder = None
    return {"ok": 1}

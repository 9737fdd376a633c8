# /// script
# dependencies = ["simplejson<3.18"]
# ///
import decimal

import simplejson

assert simplejson.loads('{"a": [1.5, "é"]}', use_decimal=True) == {"a": [decimal.Decimal("1.5"), "é"]}
assert simplejson.dumps({"a": float("nan")}, ignore_nan=True) == '{"a": null}'

# /// script
# dependencies = ["pymongo"]
# ///
import datetime

import bson
from bson.json_util import dumps
from pymongo.uri_parser import parse_uri

value = {"at": datetime.datetime(2026, 1, 5), "rows": [1, 2.5, None, "é"], "id": bson.ObjectId("0123456789abcdef01234567")}
assert bson.decode(bson.encode(value)) == value
assert "0123456789abcdef01234567" in dumps(value)
assert parse_uri("mongodb://db.example:27018/prices")["nodelist"] == [("db.example", 27018)]

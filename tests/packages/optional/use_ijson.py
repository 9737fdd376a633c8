# /// script
# dependencies = ["ijson"]
# ///
import io

import ijson

assert list(ijson.items(io.BytesIO(b'{"rows": [{"a": 1}, {"a": 2}]}'), "rows.item.a")) == [1, 2]

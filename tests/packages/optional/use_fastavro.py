# /// script
# dependencies = ["fastavro"]
# ///
import io

import fastavro

schema = {"type": "record", "name": "Price", "fields": [{"name": "symbol", "type": "string"}, {"name": "price", "type": "double"}]}
rows = [{"symbol": "A", "price": 1.5}, {"symbol": "B", "price": 2.0}]
file = io.BytesIO()
fastavro.writer(file, fastavro.parse_schema(schema), rows, codec="deflate")
file.seek(0)
assert list(fastavro.reader(file)) == rows

# /// script
# dependencies = ["aiokafka"]
# ///
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1000)
builder.append(0, timestamp=1, key=b"k", value=b"price", headers=[])
batch = DefaultRecordBatch(builder.build())
assert batch.validate_crc()
assert [record.value for record in batch] == [b"price"]

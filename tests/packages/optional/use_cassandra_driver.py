# /// script
# dependencies = ["cassandra-driver"]
# ///
from cassandra.query import SimpleStatement, bind_params
from cassandra.util import uuid_from_time

assert SimpleStatement("SELECT 1").query_string == "SELECT 1"
assert uuid_from_time(0).version == 1

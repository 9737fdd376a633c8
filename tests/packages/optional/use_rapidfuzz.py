# /// script
# dependencies = ["rapidfuzz"]
# ///
from rapidfuzz import fuzz, process

assert fuzz.ratio("price", "prices") > 90
assert process.extractOne("tee", ["tea", "rice"])[0] == "tea"

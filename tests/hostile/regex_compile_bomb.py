# expect: out_of_memory memory=64MiB fuel=8e9 timeout=20s
# Nested repeats: a short pattern whose matching keeps a state for each of 200 ** 6 repetitions.
import re

pattern = re.compile("(?:" * 5 + "x{0,200}" + "){200}" * 5 + "y")
pattern.match("x" * 200)
raise AssertionError("matched at once")

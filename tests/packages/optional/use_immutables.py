# /// script
# dependencies = ["immutables"]
# ///
import immutables

one = immutables.Map(a=1)
two = one.set("b", 2)
assert dict(one) == {"a": 1} and dict(two) == {"a": 1, "b": 2}

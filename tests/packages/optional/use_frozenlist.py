# /// script
# dependencies = ["frozenlist<1.4"]
# ///
from frozenlist import FrozenList

some = FrozenList([1, 2])
some.append(3)
some.freeze()
assert list(some) == [1, 2, 3] and some.frozen

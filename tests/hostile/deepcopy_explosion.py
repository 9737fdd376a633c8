# expect: out_of_fuel memory=256MiB fuel=2e9 timeout=20s
# A deep copy without the shared parts doubles the list at every level.
import copy


class Fresh(list):
    def __deepcopy__(self, memo):
        return Fresh(copy.deepcopy(item, {}) for item in self)


level = Fresh()
for _ in range(40):
    level = Fresh([level, level])
copy.deepcopy(level)

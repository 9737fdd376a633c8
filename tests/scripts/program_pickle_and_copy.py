# expect: succeeded result='{"pickled": true, "shared": true, "deep": [[1, 9], [1]]}'
# Objects through pickle, shallow and deep copies.
import copy
import datetime
import pickle


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)


def run():
    shared = [Point(1, 2)]
    value = {"a": shared, "b": shared, "when": datetime.date(2026, 2, 3), "set": {1, 2}}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(value, protocol))
        assert again == value
    nested = [[1]]
    shallow, deep = copy.copy(nested), copy.deepcopy(nested)
    nested[0].append(9)
    return {"pickled": again["a"][0] == Point(1, 2), "shared": again["a"] is again["b"], "deep": [shallow[0], deep[0]]}

# expect: succeeded result='["class", "copy"]'
# `open` is a function of the interpreter: it does not become a method of a class that it is stored in, and can be copied.
import copy
import inspect
import io
import pickle


class Files:
    open = open
    of_io = staticmethod(io.open)


def run():
    with Files().open("/tmp/a", "w") as file:
        file.write("class")
    copied = copy.deepcopy({"open": open})["open"]
    with copied("/tmp/b", mode="w") as file:
        file.write("copy")
    assert pickle.loads(pickle.dumps(open)) == open == Files.of_io
    assert str(inspect.signature(open)).startswith("(file, mode='r', buffering=-1, encoding=None")
    return [Files().of_io("/tmp/a").read(), open("/tmp/b").read()]

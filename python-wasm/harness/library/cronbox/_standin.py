"""What the stand-ins for packages of native code share: they say of what they leave out that it is not here."""

import importlib
import sys


def parts_of(sentence):
    """A function that makes a package's `__getattr__` from its name and its parts: these are imported when they are
    asked for, everything else raises `sentence(name)`."""

    def part(package, parts):
        def __getattr__(name):
            if name in parts:
                return importlib.import_module(f"{package}.{name}")
            if name.startswith("__"):
                raise AttributeError(name)
            raise ImportError(sentence(f"{package}.{name}"), name=f"{package}.{name}")

        return __getattr__

    return part


def refuse_others(package, sentence):
    """Has an import of any module of the package that is not here raise `sentence(name)`."""

    class Finder:
        """The last one, so that it is asked only for what no other has."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            if name.startswith(package + "."):
                raise ModuleNotFoundError(sentence(name), name=name)
            return None

    sys.meta_path.append(Finder)

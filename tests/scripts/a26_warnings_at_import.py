# expect: succeeded result='[["a26_warnings_at_import.py", 14]]'
# Case A26: a warning that a module gives while it is imported belongs to the line that imports it.
import sys
import warnings


def run():
    sys.modules.pop("pkgutil", None)
    with open("/tmp/old.py", "w") as file:
        file.write("import warnings\nwarnings.warn('old is old', DeprecationWarning, stacklevel=2)\n")
    sys.path.insert(0, "/tmp")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        import old

        assert old
    return [[told[0].filename.rpartition("/")[2], told[0].lineno]]

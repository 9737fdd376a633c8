# expect: succeeded result='[]'
# Case A14: what Python no longer has says since when, and what to use.
import importlib

WANTED = {
    "imp": "removed from Python in 3.12; use importlib",
    "distutils.version": "removed from Python in 3.12",
    "cgi": "removed from Python in 3.13; use urllib.parse",
    "telnetlib": "standard-telnetlib",
    "asyncore": "removed from Python in 3.12; use asyncio",
    "pipes": "shlex.quote",
    "urllib2": "a module of Python 2; use urllib.request",
    "ConfigParser": "configparser",
}


def run():
    wrong = []
    for name, part in WANTED.items():
        try:
            importlib.import_module(name)
            wrong.append([name, "was imported"])
        except ModuleNotFoundError as error:
            if part not in str(error):
                wrong.append([name, str(error)])
    return wrong

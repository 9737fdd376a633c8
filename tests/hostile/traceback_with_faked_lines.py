# expect: failed error=ValueError message='from elsewhere' fuel=2e9
# Source lines of a traceback come from a cache that the script can write, with a loader that is hostile.
import linecache


class Loader:
    def get_source(self, name):
        raise SystemExit(0)


linecache.cache.clear()
code = compile("def f():\n    raise ValueError('from elsewhere')\n", "/etc/passwd", "exec")
scope = {"__name__": "elsewhere", "__loader__": Loader()}
exec(code, scope)
scope["f"]()

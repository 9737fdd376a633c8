# expect: failed error=Evil fuel=2e9
# Showing the exception asks for a successful end.
class Evil(Exception):
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__


raise Evil()

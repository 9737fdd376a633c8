# expect: failed error=Evil fuel=4e9
# The attributes that a traceback printer reads are all hostile.
class Evil(Exception):
    def __getattribute__(self, name):
        raise SystemExit(0)


raise Evil("hidden")

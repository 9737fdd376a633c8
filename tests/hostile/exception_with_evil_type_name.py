# expect: failed fuel=4e9 memory=64MiB
# The type's own name is a million characters long, with control characters, markup and line ends.
name = "\x1b[31m</script>\r\n" + "x" * 1_000_000
kind = type(name, (Exception,), {"__module__": "m\n" * 1000, "__qualname__": name})
raise kind("from a strange type")

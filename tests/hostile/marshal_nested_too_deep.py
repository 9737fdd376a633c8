# expect: failed memory=64MiB fuel=4e9
# marshal's own depth limit.
import marshal

marshal.loads(b"[\x01\x00\x00\x00" * 100_000)

# expect: out_of_memory memory=48MiB fuel=20e9 error=MemoryError
# 200 KB that unpack to 50 MB, at once.
import zlib

packer = zlib.compressobj(1)
bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(50)) + packer.flush()
zlib.decompress(bomb)

# expect: out_of_memory memory=64MiB error=MemoryError
# str.translate may put a long text in place of every character.
("x" * 100_000).translate({ord("x"): "y" * 100_000})

# expect: failed error=IndentationError message='too many levels of indentation' memory=64MiB
# 1,000 nested blocks of source.
source = "".join("  " * depth + "if 1:\n" for depth in range(1_000))
compile(source, "blocks", "exec")

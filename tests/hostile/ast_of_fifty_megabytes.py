# expect: out_of_memory memory=192MiB fuel=20e9 timeout=20s
# The syntax tree of a large source is many times larger than the text.
import ast

ast.parse("a=1\n" * 12_500_000)

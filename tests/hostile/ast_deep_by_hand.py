# expect: failed|crashed memory=128MiB fuel=10e9
# A tree that no parser made, nested too deep for the compiler.
# Which guard is met first, CPython's own or the end of the wasm stack, depends on how the optimiser laid out frames.
import ast

node = ast.Constant(1)
for _ in range(100_000):
    node = ast.UnaryOp(ast.USub(), node)
compile(ast.fix_missing_locations(ast.Expression(node)), "tree", "eval")

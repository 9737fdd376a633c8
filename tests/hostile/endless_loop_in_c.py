# expect: out_of_fuel fuel=2e9 timeout=20s
# The loop never comes back to the bytecode interpreter, so nothing that Python checks between bytecodes can end it.
import itertools

sum(itertools.repeat(0))

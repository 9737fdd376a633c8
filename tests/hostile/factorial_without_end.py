# expect: out_of_fuel memory=128MiB fuel=2e9 timeout=20s
# math.factorial multiplies large numbers in C without coming back to Python.
import math

math.factorial(50_000_000)

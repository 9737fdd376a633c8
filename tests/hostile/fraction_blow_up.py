# expect: out_of_fuel memory=128MiB fuel=2e9 timeout=20s
# Ten characters of text that ask for a number with a billion digits.
import fractions

fractions.Fraction("1e999999999")

# expect: succeeded result='{"harmonic": "7381/2520", "pi": "355/113", "third": true}'
# Exact rationals.
import fractions
import math


def run():
    harmonic = sum(fractions.Fraction(1, n) for n in range(1, 11))
    return {
        "harmonic": str(harmonic),
        "pi": str(fractions.Fraction(math.pi).limit_denominator(1000)),
        "third": fractions.Fraction("0.1") + fractions.Fraction(7, 30) == fractions.Fraction(1, 3),
    }

# expect: succeeded result='{"trace": 29, "determinant": -2, "slope": 2.0, "intercept": 1.0, "stdev": 2.138, "quartiles": [4.0, 4.5, 5.5], "gcd": 12}'
# Numbers: matrices by hand, regression, quantiles, math.
import fractions
import math
import statistics


def multiply(a, b):
    return [[math.sumprod(row, column) for column in zip(*b)] for row in a]


def determinant(rows):
    rows, sign, product = [[fractions.Fraction(x) for x in row] for row in rows], 1, fractions.Fraction(1)
    for i in range(len(rows)):
        pivot = next(j for j in range(i, len(rows)) if rows[j][i])
        if pivot != i:
            rows[i], rows[pivot], sign = rows[pivot], rows[i], -sign
        product *= rows[i][i]
        for j in range(i + 1, len(rows)):
            factor = rows[j][i] / rows[i][i]
            rows[j] = [x - factor * y for x, y in zip(rows[j], rows[i])]
    return int(sign * product)


def run():
    a = [[1, 2], [3, 4]]
    squared = multiply(a, a)
    assert squared == [[7, 10], [15, 22]] and math.isclose(math.hypot(3, 4), 5)
    line = statistics.linear_regression([0, 1, 2, 3], [1, 3, 5, 7])
    data = [2, 4, 4, 4, 5, 5, 7, 9]
    return {
        "trace": squared[0][0] + squared[1][1],
        "determinant": determinant(a),
        "slope": line.slope,
        "intercept": line.intercept,
        "stdev": round(statistics.stdev(data), 3),
        "quartiles": statistics.quantiles(data, method="inclusive"),
        "gcd": math.gcd(36, 60, 24),
    }

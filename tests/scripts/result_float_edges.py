# expect: succeeded result='[0.1, 1e+22, 5e-324, 1.7976931348623157e+308, -0.0, 3.0]'
# Floats keep every digit that matters.
def run():
    return [0.1, 1e22, 5e-324, 1.7976931348623157e308, -0.0, 3.0]

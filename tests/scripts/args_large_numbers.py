# expect: succeeded result='[9007199254740993, 123456789012345678901234567890, 0.1, -0.0, 1e+300]' args='[9007199254740993, 123456789012345678901234567890, 0.1, -0.0, 1e300]'
# Integers of any length arrive and leave digit by digit.
def run(*numbers):
    assert [type(number) for number in numbers] == [int, int, float, float, float]
    return list(numbers)

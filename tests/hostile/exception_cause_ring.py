# expect: failed error=ValueError message='second' fuel=4e9
# Two exceptions that are each other's cause and context.
first, second = ValueError("first"), ValueError("second")
first.__cause__, second.__cause__ = second, first
first.__context__, second.__context__ = second, first
raise second

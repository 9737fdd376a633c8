# expect: failed error=ValueError message='digits'
# Without lifting CPython's own limit the conversion is refused at once.
str(10**5000)

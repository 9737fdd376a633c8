# expect: failed error=ValueError message='lone' fuel=2e9
# A message that is no valid UTF-8.
raise ValueError("lone \ud800 surrogate \udfff and NUL \x00")

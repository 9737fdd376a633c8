# expect: failed error=BaseException message='not an Exception'
# What is no Exception is still a failure of the script.
raise BaseException("not an Exception")

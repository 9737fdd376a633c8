# expect: succeeded result='1' timeout=3s fuel=8e9
# help() without a terminal ends by itself.
def run():
    help(len)
    try:
        help()
    except EOFError:
        pass
    return 1

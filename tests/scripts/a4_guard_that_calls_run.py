# expect: succeeded result='{"n":1}'
# A guard that only calls `run()` means the same as the call, whose result is kept.
def run(n=1):
    return {"n": n}


if __name__ == "__main__":
    print(run())

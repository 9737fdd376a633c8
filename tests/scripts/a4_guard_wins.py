# expect: succeeded result='null' stdout='the real work'
# Case A4: a helper that is called `run` is not the entry of a file that says itself how it begins.
def run(cmd):
    raise AssertionError("the helper was called")


def main():
    print("the real work")


if __name__ == "__main__":
    main()

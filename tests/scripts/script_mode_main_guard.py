# expect: succeeded result='null' stdout='main was called'
# The usual guard works.
def main():
    print("main was called")


if __name__ == "__main__":
    main()

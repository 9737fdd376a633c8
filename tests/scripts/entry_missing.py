# expect: failed error=EntryError message='nightly' entry=nightly
# An entry that is not there is a failure that names it.
def run():
    return 1

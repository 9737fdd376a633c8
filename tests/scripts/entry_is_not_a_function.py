# expect: failed error=EntryError message='table' entry=table
# Neither can a value be called.
table = {"a": 1}

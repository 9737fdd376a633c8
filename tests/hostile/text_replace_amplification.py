# expect: out_of_memory memory=64MiB error=MemoryError
# One replacement multiplies the text by its own length.
text = "a" * 20_000
text.replace("a", text)

# expect: succeeded result='["é", "\ud83d\ude00", "", "line\nbreak", "quote\"", "\u0000"]' args='["é", "\ud83d\ude00", "", "line\nbreak", "quote\"", "\u0000"]'
# Texts pass unchanged: accents, characters beyond 16 bits, empty, line ends, quotes, NUL.
def run(*texts):
    assert [len(text) for text in texts] == [1, 1, 0, 10, 6, 1]
    return list(texts)

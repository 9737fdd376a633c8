def run():
    words = ("the quick brown fox jumps over the lazy dog " * 6_000).split()
    counts = {}
    for word in words:
        counts[word.upper().lower()] = counts.get(word, 0) + len(word)
    return " ".join(sorted(counts)).replace("o", "0").count("0")

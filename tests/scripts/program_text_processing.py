# expect: succeeded result='{"words": [["the", 3], ["fox", 2]], "wrapped": 3, "title": "Straße Nach Čáslav", "folded": true, "table": "name      |  7.50\ntotal     | 42.00"}'
# Words, wrapping, Unicode, format specifications.
import collections
import re
import textwrap
import unicodedata

TEXT = "The quick brown fox jumps over the lazy dog; the fox, however, sleeps."


def run():
    words = collections.Counter(re.findall(r"\w+", TEXT.lower()))
    folded = "STRASSE".casefold() == "straße".casefold() and unicodedata.normalize("NFC", "e\u0301") == "é"
    return {
        "words": words.most_common(2),
        "wrapped": len(textwrap.wrap(TEXT, 28)),
        "title": "straße nach čáslav".title(),
        "folded": folded,
        "table": "\n".join(f"{name:<10}|{amount:>6.2f}" for name, amount in (("name", 7.5), ("total", 42))),
    }

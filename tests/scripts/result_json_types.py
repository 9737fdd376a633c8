# expect: succeeded result='{"none": null, "yes": true, "no": false, "int": -7, "big": 1267650600228229401496703205376, "float": 2.5, "text": "naïve", "list": [1, [2]], "dict": {"a": {"b": null}}}'
# What is JSON already.
def run():
    return {
        "none": None,
        "yes": True,
        "no": False,
        "int": -7,
        "big": 2**100,
        "float": 2.5,
        "text": "naïve",
        "list": [1, [2]],
        "dict": {"a": {"b": None}},
    }

# expect: succeeded result='["Dear Ada, you owe $5.", "Dear $name"]'
# string.Template, str.format_map and a t-string.
import string


def run():
    template = string.Template("Dear $name, you owe $$$sum.")
    assert "{a[0]} {b.real}".format(a=[1], b=2) == "1 2"
    name = "Ada"
    parts = t"Dear {name}"
    assert parts.strings == ("Dear ", "") and parts.values == ("Ada",)
    return [template.substitute(name="Ada", sum=5), string.Template("Dear $name").safe_substitute()]

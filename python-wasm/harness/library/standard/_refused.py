"""Modules that can be imported, because packages do so without using them, and that refuse every use."""


def functions(module, names, sentence):
    """Puts functions of these names into a module; each raises the sentence."""

    def made(name):
        def function(*args, **kwargs):
            raise OSError(f"{module['__name__']}.{name}() does not work here: {sentence}")

        function.__name__ = function.__qualname__ = name
        function.__module__ = module["__name__"]
        return function

    for name in names.split():
        module[name] = made(name)

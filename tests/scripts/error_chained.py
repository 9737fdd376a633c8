# expect: failed error=RuntimeError message='no configuration'
# Causes are part of the traceback.
def load():
    try:
        return {}["path"]
    except KeyError as error:
        raise RuntimeError("no configuration") from error


def run():
    load()

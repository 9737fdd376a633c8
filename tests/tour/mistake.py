"""A script that fails: the traceback shows its own lines."""


def ratio(part, whole):
    return part / whole


def run(sold=3, stock=0):
    return {"sold": ratio(sold, stock)}

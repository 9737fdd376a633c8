"""A task without a return value (`have_return_value = False` in the old service)."""
# /// script
# [tool.cronbox]
# result = "none"
# ///


def run():
    return object()

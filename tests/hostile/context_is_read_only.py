# expect: succeeded result='"read-only"'
# What the host tells about the run cannot be changed from within.
def run(context):
    before = context.run_id, context.attempt
    for name in ("run_id", "attempt", "deadline", "labels", "cause", "new_name"):
        for change in (lambda: setattr(context, name, 0), lambda: delattr(context, name)):
            try:
                change()
            except (AttributeError, TypeError):
                continue
            raise AssertionError(f"context.{name} was changed")
    assert (context.run_id, context.attempt) == before
    return "read-only"

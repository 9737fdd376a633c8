# expect: succeeded result='"all there"'
# A parameter `context` that no argument fills gets the facts of the run.
import datetime


def run(context):
    for name in ("run_id", "script", "version", "schedule", "cause", "attempt", "lost_attempts", "labels", "timezone"):
        getattr(context, name)
    assert context.attempt == 1 and not context.lost_attempts
    assert context.script in (None, "context_fields"), context.script
    for name in ("fire_time", "scheduled_at", "started_at", "deadline"):
        value = getattr(context, name)
        assert value is None or value.utcoffset() is not None, f"{name} is naive"
    assert context.started_at is not None and context.deadline > context.started_at
    assert abs(context.now() - context.started_at) < datetime.timedelta(minutes=1)
    return "all there"

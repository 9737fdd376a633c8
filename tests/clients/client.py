"""Uses a client that openapi-python-client generated.

The arguments are the folder with the generated package `cronbox_client` and the address of a server. Each step raises when the
server's answer or the client's reading of it is not the right one.
"""

import datetime
import sys

sys.path.insert(0, sys.argv[1])

from cronbox_client import AuthenticatedClient, Client
from cronbox_client.api.access import create_token, delete_token
from cronbox_client.api.events import list_events
from cronbox_client.api.node import healthz, readyz
from cronbox_client.api.runs import get_output, get_run, list_runs, run_script, run_source
from cronbox_client.api.schedules import (
    create_schedule,
    delete_schedule,
    get_schedule,
    list_schedules,
    pause_schedule,
    preview_schedule,
    preview_trigger,
    resume_schedule,
)
from cronbox_client.api.scripts import get_script, put_script
from cronbox_client import models
from cronbox_client.types import UNSET

SOURCE = "def run(price=100):\n    print('asked for', price)\n    return {'price': price + 4.5}\n"


def same(found, right):
    """Raises when something is not as it has to be."""
    if found != right:
        raise AssertionError(f"{found!r} is not {right!r}")


def main(url):
    with Client(base_url=url, raise_on_unexpected_status=True) as client:
        same(healthz.sync(client=client), "ok\n")
        ready = readyz.sync(client=client)
        same(type(ready), models.Ready)
        scripts_and_runs(client)
        schedules(client)
        problems(client)
        events(client)
        created = create_token.sync(
            client=client, body=models.TokenRequest(name="python", scopes=[models.Scope.ADMIN, models.Scope.READ])
        )
        same((type(created), created.scopes), (models.Token, [models.Scope.READ, models.Scope.ADMIN]))
    # From the first token on, a request has to have one.
    with Client(base_url=url) as client:
        refused = list_runs.sync_detailed(client=client)
        same((refused.status_code, refused.parsed.code), (401, "unauthorized"))
    with AuthenticatedClient(base_url=url, token=created.token) as client:
        same(type(list_runs.sync(client=client)), models.RunPage)
        gone = delete_token.sync_detailed(created.id, client=client)
        same((gone.status_code, gone.parsed), (204, None))


def scripts_and_runs(client):
    body = models.ScriptRequest(source=SOURCE, title="Price")
    body.labels = models.SettingsRequestLabelsType0.from_dict({"team": "data"})
    uploaded = put_script.sync_detailed("price", client=client, body=body)
    same((uploaded.status_code, type(uploaded.parsed)), (201, models.Uploaded))
    script = get_script.sync("price", client=client)
    same((script.name, script.version, script.title, script.mode), ("price", 1, "Price", models.Mode.FUNCTION))

    request = models.RunRequest(args={"price": 100}, limits=models.LimitsRequest(timeout="30s"))
    run = run_script.sync("price", client=client, body=request, wait="30s")
    same((type(run), run.status, run.cause), (models.Run, models.RunStatus.SUCCEEDED, models.Cause.API))
    same((run.result, run.result_kind, run.error), ({"price": 104.5}, models.ResultKind.JSON, None))
    same((type(run.finished_at), run.schedule), (datetime.datetime, None))
    same((run.labels.additional_properties, run.stdout.text), ({"team": "data"}, "asked for 100\n"))
    # A run needs no body.
    same(run_script.sync("price", client=client, wait="30s").result, {"price": 104.5})

    again = get_run.sync(run.id, client=client)
    same((again.id, again.result, again.created_at), (run.id, run.result, run.created_at))
    output = get_output.sync(run.id, models.GetOutputStream.STDOUT, client=client)
    same(output, "asked for 100\n")
    failed = run_source.sync(client=client, body=models.SourceRequest(source="raise ValueError('no')"), wait="30s")
    same((failed.status, type(failed.error)), (models.RunStatus.FAILED, models.ScriptError))
    same((failed.error.type_, failed.error.message, failed.mode), ("ValueError", "no", models.Mode.SCRIPT))

    page = list_runs.sync(
        client=client, script="price", status=[models.RunStatus.SUCCEEDED, models.RunStatus.CRASHED], limit=1
    )
    same((type(page), len(page.items), type(page.next_cursor)), (models.RunPage, 1, str))
    page = list_runs.sync(client=client, script="price", result="/price>100", cursor=page.next_cursor)
    same(([item.id for item in page.items], page.next_cursor), ([run.id], None))
    page = list_runs.sync(client=client, cause=models.Cause.FIRE)
    same(page.items, [])


def schedules(client):
    body = models.ScheduleRequest(id="daily", script="price", trigger="0 9 * * * @ Europe/Berlin", args={"price": 7})
    body.overlap = models.Overlap.SKIP
    made = create_schedule.sync_detailed(client=client, body=body)
    same((made.status_code, type(made.parsed)), (201, models.Schedule))
    made = made.parsed
    same((made.id, made.state, made.overlap), ("daily", models.ScheduleState.ACTIVE, models.Overlap.SKIP))
    same((type(made.next_fire_at), made.last_run), (datetime.datetime, None))
    preview = preview_schedule.sync("daily", client=client, count=3, from_="2030-01-01T00:00:00Z")
    same([fire.at.isoformat() for fire in preview.fires][:2], ["2030-01-01T08:00:00+00:00", "2030-01-02T08:00:00+00:00"])
    other = preview_trigger.sync(client=client, body=models.PreviewRequest(trigger="every 2h", count=2))
    same(len(other.fires), 2)
    paused = pause_schedule.sync("daily", client=client)
    same((paused.state, paused.last_run), (models.ScheduleState.PAUSED, None))
    page = list_schedules.sync(client=client, state=models.ScheduleState.PAUSED)
    same([schedule.id for schedule in page.items], ["daily"])
    # Resuming needs no body.
    same(resume_schedule.sync("daily", client=client).state, models.ScheduleState.ACTIVE)
    gone = delete_schedule.sync_detailed("daily", client=client)
    same((gone.status_code, gone.parsed), (204, None))
    same(get_schedule.sync_detailed("daily", client=client).status_code, 404)


def problems(client):
    unknown = get_script.sync_detailed("pricee", client=client)
    same((unknown.status_code, type(unknown.parsed)), (404, models.Problem))
    same((unknown.parsed.code, unknown.parsed.status), ("no_such_script", 404))
    # It is about no field, so the field is left out.
    same(unknown.parsed.field, UNSET)
    wrong = create_schedule.sync(client=client, body=models.ScheduleRequest(script="price", trigger="every so often"))
    same((type(wrong), wrong.field), (models.Problem, "trigger"))


def events(client):
    feed = list_events.sync(client=client, limit=100)
    same(type(feed), models.Feed)
    happened = [event.type_ for event in feed.items]
    for right in (models.EventType.RUN_SUCCEEDED, models.EventType.SCHEDULE_PAUSED, models.EventType.SCHEDULE_DELETED):
        if right not in happened:
            raise AssertionError(f"{right} is not in {happened}")
    ended = next(event for event in feed.items if event.type_ == models.EventType.RUN_FAILED)
    same((ended.cause, ended.error.type_), (models.Cause.API, "ValueError"))
    page = list_events.sync(client=client, type_=[models.EventType.RUN_FAILED], limit=1)
    same([event.id for event in page.items], [ended.id])


main(sys.argv[2])

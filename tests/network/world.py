"""What the scripts beside this one know of the world: ports of servers on loopback, and what a refusal says."""

import json
import os
from types import SimpleNamespace

_told = json.loads(os.environ["WORLD"])
ports = SimpleNamespace(**_told["ports"])
certificate = _told["certificate"]


def refusal(port):
    shown = "denied.example" if port in (80, 443) else f"denied.example:{port}"
    return f'denied.example:{port} is not allowed for this script; add --allow-host {shown} (or allow = ["{shown}"])'


def raised(kind, function, *args, **kwargs):
    try:
        value = function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"{value!r} instead of {kind}")

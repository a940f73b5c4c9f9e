"""The first samples a person tries send an event that says when it happened, as they stand."""

import json
import re
import subprocess
import sys
import time
from types import ModuleType
from typing import Any

import pytest

from functions.domain.metering.values.cloudevents import parse_events
from functions.domain.metering.values.event import AcceptanceWindow
from functions.domain.metering.values.lanes import Lanes
from infra.local import farewell, paths
from infra.local.state import LocalStack

SENDING = (paths.REPOSITORY / "README.md").read_text().partition("## Send events")[2].partition("\n## ")[0]
# In place of curl: prints what it would send.
CURL = 'curl() { while [ $# -gt 0 ]; do if [ "$1" = -d ]; then printf %s "$2"; fi; shift; done; }\n'


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", SENDING, re.DOTALL)
    assert found is not None, language
    return found[1]


def farewell_sample() -> str:
    stack = LocalStack(**dict.fromkeys(LocalStack.__dataclass_fields__, "http://127.0.0.1"))  # type: ignore[arg-type]
    return next(each for each in farewell.commands_to_try(stack, "") if "204" in each)


def check(body: str) -> None:
    now = int(time.time())
    event = json.loads(body)
    assert "time" in event, "a resend of it would count twice after the look-back"
    taken = parse_events(
        body.encode(), "demo", Lanes(1, b"key of a test"), AcceptanceWindow(3_888_000, 3_600, 86_400), now
    )
    assert [abs(each.time - now) < 60 for each in taken] == [True]


@pytest.mark.parametrize("sample", [block("sh"), farewell_sample()], ids=["README", "farewell"])
def test_a_shell_sample_sends_an_event_of_now_that_is_taken(sample: str) -> None:
    done = subprocess.run(["bash", "-c", CURL + sample], capture_output=True, text=True, check=True)
    check(done.stdout)


def test_the_python_sample_sends_an_event_of_now_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    class Client:
        def __init__(self, **_: str) -> None:
            self.events = self

        def ingest_events(self, events: list[Any]) -> None:
            sent.extend(events)

    openmeter = ModuleType("openmeter")
    monkeypatch.setattr(openmeter, "Client", Client, raising=False)
    monkeypatch.setitem(sys.modules, "openmeter", openmeter)
    exec(block("python"), {"TOLLBOOTH_URL": "", "TOLLBOOTH_KEY": ""})
    (event,) = sent
    check(json.dumps(event))


def test_the_javascript_sample_says_when_it_happened() -> None:
    assert "time: new Date()" in block("js")

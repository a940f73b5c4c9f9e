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

FRONT_DOOR = (paths.REPOSITORY / "README.md").read_text().partition("## Send an event")[2].partition("\n## ")[0]
GUIDE = (paths.REPOSITORY / "functions" / "pages" / "guide" / "events.md").read_text()
# In place of curl: prints what it would send.
CURL = 'curl() { while [ $# -gt 0 ]; do if [ "$1" = -d ]; then printf %s "$2"; fi; shift; done; }\n'


def blocks(language: str, text: str = GUIDE) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found, language
    return found


def shell_samples() -> list[str]:
    """All that send one event; each is a command of its own, with any text around it."""
    shown = [*blocks("sh", FRONT_DOOR), *blocks("sh")]
    commands = [each for block in shown for each in re.split(r"\n(?=curl )|(?<=events\")\n", block)]
    return [each for each in commands if each.startswith("curl") and "cloudevents+json" in each]


@pytest.mark.parametrize("page", ["README.md", "functions/pages/guide/README.md"])
def test_an_answer_without_an_id_is_shown(page: str) -> None:
    (function,) = re.findall(r"^id_of\(\) .*?; }$", (paths.REPOSITORY / page).read_text(), re.DOTALL | re.MULTILINE)
    for answer, code, out, err in (
        ('{"id":"01A"}', 0, "01A\n", ""),
        ('{"status":409,"detail":"Taken."}', 1, "", '{"status": 409, "detail": "Taken."}\n'),
    ):
        command = ["bash", "-c", f"{function}\nid_of"]
        ran = subprocess.run(command, input=answer, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == (code, out, err)


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


def test_the_front_door_and_the_guide_show_how_to_send_one() -> None:
    assert [len([each for each in shell_samples() if f'"id":"{name}"' in each]) for name in ("req-1", "req-2")] == [
        1,
        1,
    ]


@pytest.mark.parametrize("sample", [*shell_samples(), farewell_sample()])
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
    monkeypatch.setenv("TOLLBOOTH_URL", "")
    monkeypatch.setenv("TOLLBOOTH_KEY", "")
    for sample in blocks("python"):
        sent.clear()
        exec(sample, {})
        (event,) = sent
        check(json.dumps(event))


def test_the_javascript_sample_says_when_it_happened() -> None:
    for sample in blocks("js"):
        assert sample.count("time: new Date()") == sample.count("source: ") == 1

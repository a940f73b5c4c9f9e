"""A scenario: a real Lambda payload in events/<handler>/<name>.json and, beside it, what must come of it.

    events/http_ingest/duplicate.json           the payload, as Lambda receives it
    events/http_ingest/duplicate.expect.json    {"seeds": ["ledger"], "answers": [{...}, {...}]}

`seeds` names what must be there before (see seeds.py). `answers` has one entry for each time the payload is delivered:
`payload` is a part of the answer, `log` a part of one line of the function's log, `told` a part of what CloudFormation
was told. A body that is JSON is compared as JSON.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local import paths

EVENTS = paths.REPOSITORY / "events"
EXPECT_SUFFIX = ".expect.json"


@dataclass(frozen=True)
class Answer:
    """Parts of what the function returns and logs; what is not said is not compared."""

    payload: Any = ...
    log: dict[str, Any] | None = None
    told: dict[str, Any] | None = None


@dataclass(frozen=True)
class Scenario:
    """One payload with its expectation."""

    handler: str
    name: str
    event: Any
    seeds: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.handler}/{self.name}"


def scenarios() -> list[Scenario]:
    files = sorted(file for file in EVENTS.glob("*/*.json") if not file.name.endswith(EXPECT_SUFFIX))
    return [_read(file) for file in files]


def _read(file: Path) -> Scenario:
    expected = json.loads((file.parent / f"{file.stem}{EXPECT_SUFFIX}").read_text())
    answers = tuple(Answer(**answer) for answer in expected["answers"])
    event = json.loads(file.read_text())
    return Scenario(file.parent.name, file.stem, event, tuple(expected.get("seeds", ())), answers)


def differences(expected: Any, found: Any, at: str = "answer") -> list[str]:
    """Where `found` lacks something of `expected`; what it has besides is its own affair."""
    if isinstance(expected, dict) and isinstance(found, str):
        found = _as_json(found)
    if isinstance(expected, dict) and isinstance(found, dict):
        missing = [f"{at}.{key} is missing" for key in expected if key not in found]
        present = [key for key in expected if key in found]
        return missing + [line for key in present for line in differences(expected[key], found[key], f"{at}.{key}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [line for n, (one, other) in pairs for line in differences(one, other, f"{at}[{n}]")]
    return [] if expected == found else [f"{at} is {found!r}, not {expected!r}"]


def log_lines(log: str) -> list[dict[str, Any]]:
    """The structured lines of a function's log."""
    lines = (_as_json(line) for line in log.splitlines() if line.startswith("{"))
    return [line for line in lines if isinstance(line, dict)]


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text

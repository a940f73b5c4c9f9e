"""What `make audit` prints, and when it says that there was nothing to audit."""

import io
import json
from typing import Any

import pytest

from infra.local import audit

ROW = dict.fromkeys(audit.COLUMNS, 0) | {"day": "2026-11-23", "commits": 0, "differences": []}


class Function:
    """Answers for each of its two lanes."""

    def __init__(self, **found: Any) -> None:
        self.found = found

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        lane = json.loads(Payload)["lane"]
        return {"Payload": io.BytesIO(json.dumps(ROW | {"lane": lane} | self.found).encode())}

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:
        return {"Environment": {"Variables": {"LANES": "2"}}}


def run(**found: Any) -> int:
    return audit.run(audit.Audited(Function(**found), "audit"), "2026-11-23")


def test_a_day_without_events_is_said_to_have_nothing_to_audit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert "Nothing was counted on 2026-11-23: these audits had nothing to compare." in capsys.readouterr().out


def test_a_day_with_events_says_of_how_many_lanes_it_is_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(commits=3, received=5) == 0
    shown = capsys.readouterr().out
    assert "2 of 2 lanes of 2026-11-23 are audited." in shown
    assert "Nothing" not in shown


def test_a_difference_fails(capsys: pytest.CaptureFixture[str]) -> None:
    difference = {"kind": "counter", "place": "acme", "expected": "3", "found": "4"}
    assert run(commits=3, differenceCount=1, differences=[difference]) == 1
    assert "lane 1: counter: acme: 3 expected, 4 found" in capsys.readouterr().out

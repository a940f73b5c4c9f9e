"""What `make repair-archive` asks of the function, says to the operator and ends with."""

import io
import json
from collections.abc import Sequence
from typing import Any

import pytest

from infra.local import repair_archive
from infra.local.audit import Audited
from infra.local.failure import StepFailed

EVENTS = [{"tenant": "acme", "id": "e1"}]
DAMAGE = {"key": "archive/one", "lines": 9, "aside": 2, "lost": 1, "events": EVENTS, "reason": ""}
BROKEN = DAMAGE | {"key": "archive/two", "events": [], "reason": "It is no gzip"}


class Function:
    """Answers one call after the other, and remembers what it was asked."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        self.asked.append(json.loads(Payload))
        return {"Payload": io.BytesIO(json.dumps(self.answers.pop(0)).encode())}


def answer(*damaged: dict[str, Any], objects: int = 5, after: str | None = None) -> dict[str, Any]:
    return {"objects": objects, "damaged": damaged, "nextAfter": after}


def run(function: Function, *, is_applied: bool, lanes: Sequence[int] = (3,)) -> int:
    return repair_archive.run(Audited(function, "audit"), lanes, "2026-11-20", is_applied=is_applied)


def test_without_apply_it_says_what_it_would_do_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    function = Function(answer(DAMAGE))
    assert run(function, is_applied=False) == 1
    assert function.asked == [{"repair": "archive", "lane": 3, "day": "2026-11-20", "apply": False}]
    shown = capsys.readouterr().out
    assert "of 9 lines the data of 2 would lie aside (acme/e1, ...), 1 would be left out" in shown
    assert "1 of 5 objects can be mended: run it again with APPLY=1." in shown


def test_applied_it_ends_well_and_says_where_the_bytes_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Function(answer(DAMAGE)), is_applied=True) == 0
    assert "their former bytes are under quarantine/" in capsys.readouterr().out


def test_a_day_without_damage_ends_well() -> None:
    assert run(Function(answer(), answer()), is_applied=False, lanes=(0, 1)) == 0


def test_it_goes_on_until_the_lane_is_done() -> None:
    function = Function(answer(DAMAGE, after="archive/one"), answer(objects=0))
    assert run(function, is_applied=True) == 0
    assert [each.get("after") for each in function.asked] == [None, "archive/one"]


def test_what_cannot_be_mended_fails_even_when_applied(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Function(answer(BROKEN)), is_applied=True) == 1
    assert "archive/two: cannot be mended. It is no gzip" in capsys.readouterr().out


def test_a_function_that_fails_says_of_which_lane() -> None:
    with pytest.raises(StepFailed, match="lane 3"):
        run(Function({"errorMessage": "no"}), is_applied=True)

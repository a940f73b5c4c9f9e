"""What `make audit` prints, and when it says that there was nothing to audit."""

import io
import json
from typing import Any

import pytest

from infra.local import audit, repair_archive
from infra.local.failure import StepFailed

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
    assert "Nothing was counted on 2026-11-23, and no event of it on another day" in capsys.readouterr().out


def test_a_day_whose_events_were_counted_on_another_is_not_said_to_be_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(recounted=40, cells=3) == 0
    shown = capsys.readouterr().out
    assert "No commit of 2026-11-23 was looked at" in shown
    assert "Nothing" not in shown


def test_a_day_with_events_says_of_how_many_lanes_it_is_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(commits=3, received=5) == 0
    shown = capsys.readouterr().out
    assert "2 of 2 lanes of 2026-11-23 are audited." in shown
    assert "Nothing" not in shown


def test_a_difference_fails(capsys: pytest.CaptureFixture[str]) -> None:
    difference = {"kind": "counter", "place": "acme", "expected": "3", "found": "4"}
    assert run(commits=3, differenceCount=1, differences=[difference]) == 1
    assert "lane 1: counter: acme: 3 expected, 4 found" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["gestern", "2026-13-01", "20261123", "2026-W01-1"])
def test_a_day_that_is_no_date_is_refused_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    for module in (audit, repair_archive):
        monkeypatch.setattr("sys.argv", ["it", "--day", text])
        assert module.main() == 1
        shown = "".join(capsys.readouterr())
        assert f"{text!r} is no date" in shown
        assert "DAY=2026-11-23" in shown
        assert "logs" not in shown


@pytest.mark.parametrize("argv", [["--day", ""], []])
def test_a_repair_needs_a_day(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["it", *argv])
    assert repair_archive.main() == 1
    assert "give DAY=2026-11-23" in "".join(capsys.readouterr())


def test_a_lane_that_there_is_not_is_refused_with_those_there_are() -> None:
    where = audit.Audited(Function(), "audit")
    assert list(repair_archive.lanes_of(where, None)) == [0, 1]
    assert list(repair_archive.lanes_of(where, 1)) == [1]
    with pytest.raises(StepFailed, match="no lane 2: there are 0 to 1"):
        repair_archive.lanes_of(where, 2)

"""The schedule audits what is left of yesterday, as far as its time goes."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from functions.adapters.memory.ledger import MemoryAuditResults
from functions.domain.errors import InvalidInput
from functions.domain.metering.ledger.audit import Kind, LaneDay
from functions.handlers import settings
from functions.handlers.metering import schedule_audit
from functions.handlers.wiring import base, metering


class FakeAuditor:
    def __init__(self, results: MemoryAuditResults) -> None:
        self.results = results
        self.seconds_a_lane = 1
        self.remaining = 900_000
        self.audited: list[int] = []

    def audit(self, lane: int, day: date, has_time: Callable[[], bool]) -> LaneDay:
        assert has_time() or self.audited
        self.audited.append(lane)
        self.remaining -= self.seconds_a_lane * 1_000
        result = LaneDay(lane, day.isoformat(), 1)
        if lane == 2:
            result.differ(Kind.COUNTER, "acme", 1, 2)
        self.results.put(result)
        return result

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining


class FailedBatches:
    def count(self) -> int:
        return 2


@pytest.fixture
def auditor(monkeypatch: pytest.MonkeyPatch) -> FakeAuditor:
    results = MemoryAuditResults()
    auditor = FakeAuditor(results)
    monkeypatch.setattr(metering, "audit_results", lambda: results)
    monkeypatch.setattr(metering, "auditor", lambda: auditor)
    monkeypatch.setattr(metering, "failed_batches", lambda: FailedBatches())
    monkeypatch.setattr(settings, "lanes", lambda: 4)
    return auditor


def run(auditor: FakeAuditor, payload: Any = None) -> Any:
    return schedule_audit.handler(payload or {}, auditor)


def test_every_lane_is_audited_once(auditor: FakeAuditor) -> None:
    found = run(auditor)
    assert (found["audited"], found["left"], found["differences"]) == (4, 0, 1)
    assert run(auditor)["audited"] == 0
    assert auditor.audited == [0, 1, 2, 3]


def test_a_call_ends_in_time_and_the_next_goes_on(auditor: FakeAuditor) -> None:
    auditor.seconds_a_lane = 300
    assert run(auditor)["left"] == 3
    auditor.remaining = 900_000
    run(auditor)
    assert auditor.audited == [0, 1]


def test_a_difference_is_a_metric(auditor: FakeAuditor, capsys: pytest.CaptureFixture[str]) -> None:
    run(auditor, {"lane": 2})
    assert '"AuditDifference":1' in capsys.readouterr().out
    assert [result.lane for result in auditor.results.of_day(_today())] == [2]


def test_batches_that_wait_are_told_by_the_schedule_and_not_by_who_asks_for_a_lane(
    auditor: FakeAuditor, capsys: pytest.CaptureFixture[str]
) -> None:
    run(auditor, {"lane": 0})
    assert "FailedBatches" not in capsys.readouterr().out
    run(auditor)
    assert '"FailedBatches":2' in capsys.readouterr().out


@pytest.mark.parametrize("payload", [{"lane": 4}, {"lane": "0"}, {"lane": True}, {"lane": 1, "day": "yesterday"}])
def test_a_lane_or_day_that_is_none_is_refused(auditor: FakeAuditor, payload: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        run(auditor, payload)
    assert auditor.audited == []


@pytest.mark.parametrize(
    "payload",
    [
        {"repair": "counters", "lane": 1},
        {"repair": "archive"},
        {"repair": "archive", "lane": 4},
        {"repair": "archive", "lane": 1, "day": "yesterday"},
        {"repair": "archive", "lane": 1, "apply": "yes"},
        {"repair": "archive", "lane": 1, "after": 7},
        {"repair": "archive", "lane": 1, "after": "k" * 300},
    ],
)
def test_a_repair_that_is_none_is_refused(
    auditor: FakeAuditor, payload: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metering, "repairer", lambda: auditor)
    with pytest.raises(InvalidInput):
        run(auditor, payload)
    assert auditor.audited == []


def _today() -> str:
    return base.clock().now().date().isoformat()

"""What one lane cannot take is that lane's: the others are counted, and no healthy record is rejected for it."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import pytest

from functions.adapters.memory.ledger import MemoryLedger
from functions.adapters.records import MARK, WIRE_VERSION, decode_record, encode_record
from functions.application.metering.ledger.aggregate_usage import REASONS, Delivered, Report
from functions.domain.errors import Unavailable
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.cells.pages import Page, PageKey
from functions.domain.metering.ledger.ledger import Commit, Reject
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import CloseMarker
from tests.application.metering.ledger.test_usage import LANES, NOW, Deployment, event

LEVEL = Meter("m9", "stored", "call", Aggregation.TIME_WEIGHTED_SUM, "$.n", since=1)
SECOND = int(NOW.timestamp())


class BrokenLedger(MemoryLedger):
    """Commits with events of `unstorable` cannot be encoded, pages of `unreadable` lanes not be read."""

    unstorable = ""
    unreadable: frozenset[int] = frozenset()
    undecodable = False

    def commit(self, lane: int, n: int) -> Commit | None:
        if self.undecodable:
            raise ValueError("written by a later release")
        return super().commit(lane, n)

    def put_commits(self, commits: Sequence[Commit]) -> list[Commit | None]:
        if any(delta.key.subject == self.unstorable for commit in commits for delta in commit.pages):
            raise OverflowError("can't serialize")
        return super().put_commits(commits)

    def read_pages(self, keys: Sequence[PageKey]) -> Iterable[Page]:
        if any(key.lane in self.unreadable for key in keys):
            raise ValueError("a cell that nobody understands")
        return super().read_pages(keys)


class Broken(Deployment):
    def __init__(self) -> None:
        super().__init__()
        self.ledger: BrokenLedger = BrokenLedger(self.ledger.table)
        self.writer = self.new_writer()

    def aggregate(self) -> Report:
        records = [Delivered(f"r{n}", encode_record(pack), SECOND) for n, pack in enumerate(self.stream.records)]
        return self.aggregator(decode_record).aggregate(records)


def subjects() -> list[str]:
    """One of each lane."""
    found = {LANES.lane_of("t", f"c{n}"): f"c{n}" for n in range(100)}
    return [found[lane] for lane in range(LANES.count)]


def test_a_commit_that_cannot_be_stored_leaves_the_other_lanes_alone() -> None:
    deployment = Broken()
    bad, *good = subjects()
    deployment.ledger.unstorable = bad
    deployment.send([event(f"e{n}", NOW, subject, n=1) for n, subject in enumerate([bad, *good])])
    report = deployment.aggregate()
    assert (report.counts.accepted, report.counts.rejected, report.rejected_records) == (len(good), 1, 0)
    (reject,) = deployment.ledger.rejects("t")
    assert (reject.code, reject.event and reject.event.subject) == ("uncountable_event", bad)
    # What was raised goes to the aggregator's log, not to the tenant.
    assert reject.reason == REASONS["uncountable_event"]
    assert [type(each.error) for each in report.rejected] == [OverflowError]


def test_an_event_that_cannot_even_be_listed_is_kept_as_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Broken()
    bad, *good = subjects()
    deployment.ledger.unstorable = bad
    real = deployment.ledger.put_rejects

    def put_rejects(rejects: Sequence[Reject]) -> None:
        if any(each.event for each in rejects):
            raise ValueError("a text nobody can store")
        real(rejects)

    monkeypatch.setattr(deployment.ledger, "put_rejects", put_rejects)
    deployment.send([event(f"e{n}", NOW, subject, n=1) for n, subject in enumerate([bad, *good])])
    report = deployment.aggregate()
    assert (report.counts.accepted, report.rejected_records, len(deployment.rejected)) == (len(good), 1, 1)
    (reject,) = deployment.ledger.rejects("t")
    assert (reject.code, reject.event) == ("uncountable_record", None)
    assert reject.object_key


def test_a_commit_that_cannot_be_applied_is_nobodys_fault_and_comes_again() -> None:
    deployment = Broken()
    bad, *good = subjects()
    deployment.ledger.unreadable = frozenset([0])
    deployment.send([event(f"e{n}", NOW, subject, n=1) for n, subject in enumerate([bad, *good])])
    for _ in range(3):  # the stream delivers again
        with pytest.raises(RuntimeError, match=r"The pages of lanes \[.*0.*\] cannot be written"):
            deployment.aggregate()
    assert deployment.rejected == {}
    deployment.ledger.unreadable = frozenset()
    report = deployment.aggregate()
    assert (report.counts.duplicates, report.rejected_records) == (1 + len(good), 0)
    (row,) = deployment.ask()
    assert row.value == 1 + len(good)


def test_no_record_is_rejected_for_a_commit_that_cannot_be_read() -> None:
    deployment = Broken()
    deployment.send([event("e1", NOW, n=1)])
    deployment.aggregate()
    deployment.writer, deployment.ledger.undecodable = deployment.new_writer(), True
    deployment.send([event("e2", NOW, n=1)])
    with pytest.raises(RuntimeError, match="cannot be brought"):
        deployment.aggregate()
    assert deployment.rejected == {}


def test_levels_beyond_64_bits_are_counted_to_the_last_digit() -> None:
    deployment = Broken()
    deployment.ledger.put_meter_set("t", MeterSet(1, (LEVEL,)))
    end = NOW - timedelta(seconds=1)
    value = -(10**13 - 1)
    deployment.send([event(f"e{n}", end, "c1", n=value) for n in range(1_200)])
    assert deployment.aggregate().counts.accepted == 1_200
    (row,) = deployment.ask(LEVEL, period_from=NOW - timedelta(hours=1), period_to=NOW)
    assert row.value * 3_600 == value * 1_200 * 1  # all of them lasted a second of these hours


def test_a_marker_that_comes_twice_is_one() -> None:
    deployment = Broken()
    deployment.stream.put([CloseMarker(0, "run-1", SECOND)] * 2)
    deployment.aggregate()
    commit = deployment.ledger.commit(0, 1)
    assert commit is not None
    assert commit.markers == ["run-1"]


def test_a_record_of_a_newer_version_waits_and_is_never_rejected() -> None:
    """While a deployment goes on, or goes back, its sender may be ahead of its reader."""
    deployment = Broken()
    deployment.send([event("1", NOW, subjects()[0], n=5)])
    newer = MARK + bytes((WIRE_VERSION + 1,)) + encode_record(CloseMarker(0, "m", SECOND))
    (pack,) = deployment.stream.records
    delivered = [Delivered("r1", encode_record(pack), SECOND), Delivered("r2", newer, SECOND)]
    with pytest.raises(Unavailable, match="wire version 2"):
        deployment.aggregator(decode_record).aggregate(delivered)
    assert deployment.ledger.rejects("t") == []
    assert deployment.rejected == {}
    report = deployment.aggregator(lambda body: decode_record(body[body.index(b"\x28\xb5\x2f\xfd") :])).aggregate(
        delivered
    )
    assert (report.counts.accepted, report.rejected) == (1, [])

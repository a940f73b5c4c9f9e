"""A heartbeat says that what came before it in its lane is counted, and nothing else: it makes no commit."""

import pytest

from functions.adapters.records import decode_record, encode_record
from functions.application.metering.ledger.aggregate_usage import Delivered, Report
from functions.application.metering.ledger.close_lanes import close_lanes, count_lanes
from functions.application.metering.ledger.heartbeat_age import heartbeat_age
from functions.domain.metering.values.event import HEARTBEAT, CloseMarker
from tests.application.metering.ledger.test_poison import Broken, subjects
from tests.application.metering.ledger.test_usage import LANES, NOW, Deployment, event

SECOND = int(NOW.timestamp())
EVERY_LANE = dict.fromkeys(range(LANES.count), SECOND)


def beat(deployment: Deployment, at: int = SECOND) -> None:
    close_lanes(deployment.stream, HEARTBEAT, LANES.count, at)


def aggregate(deployment: Deployment, *more: bytes) -> Report:
    bodies = [*map(encode_record, deployment.stream.records), *more]
    deployment.stream.records = []
    records = [Delivered(f"r{n}", body, SECOND) for n, body in enumerate(bodies)]
    return deployment.aggregator(decode_record).aggregate(records)


def commits(deployment: Deployment) -> list[int]:
    return [deployment.ledger.last_commit_number(lane) for lane in range(LANES.count)]


def test_heartbeats_are_told_and_make_no_commit() -> None:
    deployment = Deployment()
    beat(deployment)
    report = aggregate(deployment)
    assert (report.heartbeats, report.is_of_heartbeats_alone) == (EVERY_LANE, True)
    assert commits(deployment) == [0] * LANES.count
    assert count_lanes(deployment.ledger, HEARTBEAT, LANES.count) == {}


def test_the_newest_of_a_delivery_is_told_once_what_came_before_is_counted() -> None:
    deployment = Deployment()
    beat(deployment, SECOND - 60)
    deployment.send([event(f"e{n}", NOW, subject, n=1) for n, subject in enumerate(subjects())])
    beat(deployment)
    report = aggregate(deployment)
    assert (report.counts.accepted, report.heartbeats) == (LANES.count, EVERY_LANE)
    assert not report.is_of_heartbeats_alone
    assert [deployment.ledger.head(lane) for lane in range(LANES.count)] == [1] * LANES.count


def test_a_delivery_of_which_a_part_cannot_be_applied_tells_of_none() -> None:
    """The stream delivers it again: the heartbeats of the healthy lanes wait for the others of their shard."""
    deployment = Broken()
    deployment.ledger.unreadable = frozenset([0])
    deployment.send([event(f"e{n}", NOW, subject, n=1) for n, subject in enumerate(subjects())])
    beat(deployment)
    with pytest.raises(RuntimeError, match="cannot be written"):
        aggregate(deployment)


def test_what_nobody_can_read_is_no_heartbeat_and_hinders_none() -> None:
    deployment = Deployment()
    beat(deployment)
    report = aggregate(deployment, b"neither zstandard nor one of ours", encode_record(CloseMarker(99, HEARTBEAT, 1)))
    assert (report.heartbeats, report.rejected_records, report.is_of_heartbeats_alone) == (EVERY_LANE, 2, False)


def test_an_event_our_code_cannot_take_does_not_hold_up_the_heartbeat_behind_it() -> None:
    deployment = Broken()
    deployment.ledger.unstorable = subjects()[0]
    deployment.send([event("e", NOW, subjects()[0], n=1)])
    beat(deployment)
    report = aggregate(deployment)
    assert (report.counts.rejected, report.heartbeats) == (1, EVERY_LANE)


def test_to_a_version_that_does_not_know_it_a_heartbeat_is_any_close_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes a commit of it, as for a billing run: no record is refused while one version takes over from another."""
    monkeypatch.setattr(CloseMarker, "is_heartbeat", False)
    deployment = Deployment()
    beat(deployment)
    report = aggregate(deployment)
    assert (report.rejected, report.heartbeats) == ([], {})
    assert count_lanes(deployment.ledger, HEARTBEAT, LANES.count) == dict.fromkeys(range(LANES.count), 1)


def test_the_worst_lane_decides_and_none_may_be_missing() -> None:
    assert heartbeat_age({0: 100, 1: 40, 2: 70}, 3, 110) == 70
    assert heartbeat_age({0: 100, 1: 90}, 3, 110) is None
    assert heartbeat_age({}, 1, 110) is None


def test_a_heartbeat_from_the_future_has_no_age() -> None:
    assert heartbeat_age({0: 200}, 1, 110) == 0


def test_a_lane_of_heartbeats_alone_is_loaded_as_for_events() -> None:
    """What a dead writer left is finished first: a heartbeat behind it must not be told before."""
    deployment = Broken()
    deployment.send([event(f"e{n}", NOW, subject, n=1) for n, subject in enumerate(subjects())])
    aggregate(deployment)
    deployment.ledger.undecodable = True
    deployment.writer = deployment.new_writer()
    beat(deployment)
    with pytest.raises(RuntimeError, match="cannot be brought"):
        aggregate(deployment)

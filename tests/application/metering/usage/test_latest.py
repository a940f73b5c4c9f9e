"""Of the events of one second the later one is the latest in every count: live, from the log, in histories."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from functions.adapters.memory.ledger import MemoryAuditResults
from functions.application.metering.audit.audit_lane import LaneAuditor
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.ledger.audit import LaneDay
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import AcceptanceWindow, Event
from tests.application.metering.ledger.test_usage import LANES, METERS, NOW, Deployment, event
from tests.application.metering.meters.test_backfill import Filling, new_meter

# Many deployments, each recounted.
pytestmark = pytest.mark.large

LATEST = Meter("m4", "level", "call", Aggregation.LATEST, "$.n", {"model": "$.model"}, since=1)
PEAK = Meter("m5", "peak", "call", Aggregation.MAX, "$.n", {"model": "$.model"}, since=1)
SECOND = NOW - timedelta(minutes=50)
# The largest value is neither the first nor the last; two are of one microsecond.
MICROS = {"a": (10, 5), "b": (20, 9), "c": (999_999, 2), "d": (999_999, 1)}
ORDERS = list(permutations("abcd"))


def of_one_second(names: Sequence[str]) -> list[Event]:
    return [
        event(name, SECOND + timedelta(microseconds=micros), n=n, model="m")
        for name, (micros, n) in ((each, MICROS[each]) for each in names)
    ]


def splits(events: Sequence[Event]) -> Iterator[list[Sequence[Event]]]:
    """Together, one by one, and cut once at each place."""
    yield [events]
    yield [[each] for each in events]
    for cut in range(1, len(events)):
        yield [events[:cut], events[cut:]]


def answers(deployment: Deployment, meter: Meter = LATEST) -> set[Any]:
    """Of one subject and of all, from counters, from the log and counted again."""
    asked: list[dict[str, Any]] = [
        {"period_from": NOW - timedelta(hours=1), "period_to": NOW},
        {"period_from": SECOND, "period_to": SECOND + timedelta(seconds=1)},
        {"is_exact": True},
    ]
    found = set[Any]()
    for each in asked:
        for subjects in ((), ("c1",)):
            found |= {row.value for row in deployment.ask(meter, subjects=subjects, **each)}
    return found


def audited(deployment: Deployment) -> LaneDay:
    auditor = LaneAuditor(
        deployment.ledger, deployment.archive, MemoryAuditResults(), LANES, AcceptanceWindow(), deployment.clock,
        lambda _: None,
    )  # fmt: skip
    return auditor.audit(LANES.lane_of("t", "c1"), SECOND.date())


@pytest.mark.parametrize("order", ORDERS, ids="".join)
def test_the_later_microsecond_wins_in_every_order_and_batch(order: Sequence[str]) -> None:
    for batches in splits(of_one_second(order)):
        deployment = Deployment(MeterSet(1, (LATEST, PEAK)))
        for batch in batches:
            deployment.send(batch)
            deployment.deliver()
        assert answers(deployment) == {2}
        assert answers(deployment, PEAK) == {9}
        assert audited(deployment).differences == []


@pytest.mark.parametrize("gone", ["c", "cd", "cdb", "d", "a"])
def test_without_voided_events_the_next_later_one_wins(gone: str) -> None:
    left = max(MICROS[each] for each in MICROS if each not in gone)
    filling = Filling(MeterSet(1, (LATEST,)))
    events = dict(zip(MICROS, of_one_second([*MICROS]), strict=True))
    filling.send(list(events.values()))
    filling.deliver()
    filling.void([events[each] for each in gone])
    filling.deliver()
    assert answers(filling) == {left[1]}
    assert audited(filling).differences == []


@pytest.mark.parametrize("gone", ["", "c", "cd"])
def test_a_history_has_the_later_microsecond_too(gone: str) -> None:
    meter = new_meter(Aggregation.LATEST, NOW - timedelta(days=1))
    left = max(MICROS[each] for each in MICROS if each not in gone)
    filling = Filling()
    events = dict(zip(MICROS, of_one_second([*MICROS]), strict=True))
    for each in events.values():
        filling.send([each])
        filling.deliver()
    filling.create(meter)
    filling.fill()
    assert answers(filling, meter) == {2}
    filling.void([events[each] for each in gone])
    filling.deliver()
    assert answers(filling, meter) == {left[1]}
    assert audited(filling).differences == []


def test_events_without_a_fraction_are_the_first_of_their_second() -> None:
    deployment = Deployment(MeterSet(1, (LATEST,)))
    deployment.send([event("whole", SECOND, n=100, model="m"), *of_one_second("a")])
    deployment.deliver()
    assert answers(deployment) == {5}


def test_values_that_need_a_closer_look_are_ordered_as_well() -> None:
    deployment = Deployment(MeterSet(1, (*METERS.meters, LATEST)))
    texts = [("x", 10, "1.5"), ("y", 30, "1e-30"), ("z", 20, "1e30")]
    deployment.send([event(name, SECOND + timedelta(microseconds=at), n=n, model="m") for name, at, n in texts])
    deployment.deliver()
    assert answers(deployment) == {0}

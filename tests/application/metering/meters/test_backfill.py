"""A meter's history and its counters together hold every event once, also those in flight when the meter came."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.application.metering.ledger.close_lanes import close_lanes, count_lanes
from functions.application.metering.meters import fill_history
from functions.application.metering.meters.end_backfill import end_backfill
from functions.application.metering.meters.fill_history import HistoryFiller
from functions.application.metering.meters.plan_backfill import plan_backfill
from functions.application.step_failure import INTERNAL
from functions.domain.errors import Unavailable
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.cells.tally import Tally
from functions.domain.metering.ledger import history
from functions.domain.metering.ledger.history import SPAN_SECONDS, Backfill, HistoryWork, Status
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import UsageRow
from functions.domain.metering.values.event import Event, Pack, Void
from functions.domain.metering.values.group_values import short
from tests.application.metering.ledger.test_usage import LANES, METERS, NOW, START, Deployment, event
from tests.application.metering.usage.naive import divided

# Many deployments, each recounted.
pytestmark = pytest.mark.large

FROM = START + timedelta(days=10, minutes=17)


def new_meter(aggregation: Aggregation, event_from: datetime = FROM) -> Meter:
    path = "$.n" if aggregation.needs_value else None
    second = int(event_from.timestamp())
    return Meter("m9", "new", "call", aggregation, path, {"model": "$.model"}, 2, event_from=second, history_since=2)


class Filling(Deployment):
    """A deployment where a meter with a history is created and filled."""

    def create(self, meter: Meter, run: int = 1) -> Backfill:
        assert meter.event_from is not None
        self.meter = meter
        self.ledger.put_meter_set("t", MeterSet(2, (*METERS.meters, meter)))
        before = self.ledger.backfill("t", meter.id)
        self.run = Backfill(
            tenant="t",
            meter_id=meter.id,
            event_from=datetime.fromtimestamp(meter.event_from, UTC),
            run=run,
            status=Status.RUNNING,
            started_at=NOW,
        )
        assert self.ledger.begin_backfill(self.run, before)
        close_lanes(self.stream, self.run.run_id, LANES.count, int(NOW.timestamp()))
        return self.run

    def void(self, events: Sequence[Event]) -> None:
        for one in events:
            void = Void(one.fingerprint, one.time, one.id, one.source, one.subject, f"v{one.id}")
            pack = Pack("t", LANES.lane_of("t", one.subject), f"p{one.id}", int(NOW.timestamp()), [], voids=[void])
            self.stream.put([pack])

    def plan(self) -> list[HistoryWork]:
        assert len(count_lanes(self.ledger, self.run.run_id, LANES.count)) == LANES.count
        return plan_backfill(self.run, self.run.run_id, LANES.count, 3_600, log=self.ledger, histories=self.ledger)

    def filler(self) -> HistoryFiller:
        return HistoryFiller(self.ledger, self.archive, self.ledger, LANES.value_fingerprint)

    def work(self, work: HistoryWork) -> HistoryWork:
        """One call of a worker, late at once; a retry begins with the same."""
        return self.filler().fill("t", self.meter.id, self.run.run, work, lambda: True)

    def fill(self) -> Backfill:
        self.deliver()
        for work in self.plan():
            while not work.is_done:
                work = self.work(work)
        ended = end_backfill("t", self.meter.id, self.run.run, None, histories=self.ledger, clock=self.clock)
        assert ended is not None
        return ended

    def parts(self) -> dict[Any, bytes]:
        table = self.ledger.table
        return {key: table.get(key) for key in table.keys("history")}


def calls(count: int, start: datetime, step: timedelta, prefix: str = "e") -> list[Event]:
    return [event(f"{prefix}{i}", start + i * step, f"c{i % 3}", n=i, model=f"m{i % 2}") for i in range(count)]


def recount(events: Sequence[Event], meter: Meter) -> dict[tuple[str, str], Decimal]:
    """By subject and model, of the distinct events from the beginning of the history on."""
    if meter.aggregation.is_level:
        return value_hours(events)
    tallies: dict[tuple[str, str], Tally] = defaultdict(lambda: Tally(meter.aggregation))
    for one in {(one.subject, one.id): one for one in events}.values():
        data = msgspec.json.decode(one.data)
        if one.time >= (meter.event_from or 0):
            value, mark = data["n"] if meter.value_property else 1, LANES.value_fingerprint(str(data["n"]))
            tallies[one.subject, data["model"]].add_value(value, mark, one.time, one.micros)
    return {key: tally.answer(Decimal(95)) for key, tally in tallies.items()}


def value_hours(events: Sequence[Event]) -> dict[tuple[str, str], Decimal]:
    """Each change times the seconds since, until now."""
    changes: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for one in {(one.subject, one.id): one for one in events}.values():
        data = msgspec.json.decode(one.data)
        changes[one.subject, data["model"]].append((data["n"], int(NOW.timestamp()) - one.time))
    hours = {key: sum(n * seconds for n, seconds in found) for key, found in changes.items()}
    return {
        key: divided(Decimal(hours[key]), 3_600)
        for key, found in changes.items()
        if hours[key] or sum(n for n, _ in found)
    }


def by_subject(rows: Sequence[UsageRow]) -> dict[tuple[str, str], Decimal]:
    return {(row.subject or "", row.group_by["model"] or ""): row.value for row in rows}


@pytest.fixture
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    _cut_small(monkeypatch)


def _cut_small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fill_history, "COMMITS_AT_ONCE", 1)
    patch.setattr(fill_history, "STRETCH_EVENTS", 4)
    patch.setattr(history, "PART_BYTES", 150)
    patch.setattr(history, "ROW_VALUES", 2)


drafts = st.tuples(
    st.one_of(st.integers(0, 30 * 86_400 - 1), st.sampled_from((86_417, 5 * 86_400))),
    st.sampled_from((0, 1, 999_999)),
    st.sampled_from(("c1", "c2", "ü")),
    st.one_of(st.integers(-5, 5), st.sampled_from((10**18, 2**63, -(2**64), 10**30, 1 - 10**31))),
    st.sampled_from(("a", "b")),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(drafts, min_size=4, max_size=40),
    st.sampled_from(list(Aggregation)),
    st.randoms(use_true_random=False),
)
def test_history_and_counters_are_a_recount(sent: list[Any], aggregation: Aggregation, chance: Any) -> None:
    events = [
        event(str(i), START + timedelta(seconds=second, microseconds=micros), subject, n=n, model=model)
        for i, (second, micros, subject, n, model) in enumerate(sent)
    ]
    # What came later is counted live at any age, and of a level it still matters behind the beginning of the history.
    beginnings = [0] if aggregation.is_level else [0, 5 * 86_400, 86_417]
    meter = new_meter(aggregation, START + timedelta(seconds=chance.choice(beginnings)))
    with pytest.MonkeyPatch.context() as patch:
        _cut_small(patch)
        filling = Filling()
        created = chance.randint(0, len(events))
        for one in _batches(events[:created] + chance.sample(events, len(events) // 3), chance):
            filling.send(one)
            if chance.random() < 0.7:
                filling.deliver()
        voided = chance.sample(events, len(events) // 4)
        early, later, last = (voided[start::3] for start in range(3))
        filling.void(early)
        if chance.random() < 0.5:
            filling.deliver()
        filling.create(meter)
        filling.void(later)
        for one in _batches(events[created:], chance):
            filling.send(one)
            if chance.random() < 0.5:
                filling.deliver()
        filling.deliver()
        pending = filling.plan()
        if chance.random() < 0.5:
            filling.void(last)
            filling.deliver()
        _work_in_any_order(filling, pending, chance)
    filling.void(last)
    filling.deliver()

    whole = filling.ask(meter, period_from=_of(meter.event_from), subjects=("c1", "c2", "ü"), group_by=("model",))
    expected = recount([one for one in events if one not in voided], meter)
    found = by_subject(whole)
    if aggregation is Aggregation.SUM:  # of which everything was voided is 0, or absent
        found, expected = ({key: value for key, value in each.items() if value} for each in (found, expected))
    assert found == expected
    if aggregation in (Aggregation.SUM, Aggregation.COUNT):
        rows: Sequence[UsageRow | None] = filling.ask(meter, period_from=_of(meter.event_from)) or [None]
        (all_subjects,) = rows
        assert (all_subjects.value if all_subjects else 0) == sum(map(Fraction, expected.values()))


def _of(second: int | None) -> datetime:
    return datetime.fromtimestamp(second or 0, UTC)


def _batches(events: Sequence[Event], chance: Any) -> Iterator[Sequence[Event]]:
    while events:
        cut = chance.randint(1, len(events))
        yield events[:cut]
        events = events[cut:]


def _work_in_any_order(filling: Filling, pending: list[HistoryWork], chance: Any) -> None:
    """Workers take turns; some calls are made twice, by a retry or a zombie, at once or at the end."""
    calls: list[HistoryWork] = []
    while pending:
        work = pending.pop(chance.randrange(len(pending)))
        calls.append(work)
        left = filling.work(work)
        if chance.random() < 0.3:
            left = filling.work(work)
        if not left.is_done:
            pending.append(left)
    for work in chance.sample(calls, len(calls) // 3):
        filling.work(work)
    ended = end_backfill("t", "m9", 1, None, histories=filling.ledger, clock=filling.clock)
    assert ended is not None
    assert ended.status is Status.DONE


def test_an_event_in_flight_when_the_meter_was_created_is_counted_once() -> None:
    filling = Filling()
    filling.send(calls(5, FROM + timedelta(hours=1), timedelta(minutes=1)))
    filling.create(new_meter(Aggregation.COUNT))
    filling.send(calls(7, FROM + timedelta(hours=1), timedelta(minutes=1), "later"))
    filling.deliver()
    assert filling.fill().status is Status.DONE
    assert [row.value for row in filling.ask(filling.meter)] == [12]


@pytest.mark.parametrize("aggregation", Aggregation)
@pytest.mark.parametrize("moment", ["before the meter", "with the meter", "while it fills", "afterwards"])
def test_an_event_voided_at_any_moment_is_in_no_answer(aggregation: Aggregation, moment: str) -> None:
    filling = Filling()
    events = calls(6, FROM + timedelta(hours=1), timedelta(minutes=20))
    gone = [events[5], events[0]]
    filling.send(events)
    filling.deliver()
    moments = iter(("before the meter", "with the meter", "while it fills", "afterwards"))

    def happens() -> None:
        if next(moments) == moment:
            filling.void(gone)

    happens()
    filling.deliver()
    filling.create(new_meter(aggregation))
    happens()
    filling.deliver()
    first, *others = filling.plan()
    filling.work(first)
    happens()
    filling.deliver()
    for work in (first, *others):
        while not work.is_done:
            work = filling.work(work)
    happens()
    filling.deliver()
    expected = recount([one for one in events if one not in gone], filling.meter)
    rows = filling.ask(filling.meter, subjects=("c0", "c1", "c2"), group_by=("model",))
    assert by_subject(rows) == expected
    exact = filling.ask(filling.meter, group_by=("model",), is_exact=aggregation is not Aggregation.PERCENTILE)
    whole = filling.ask(filling.meter, group_by=("model",))
    assert [row.value for row in exact] == [row.value for row in whole]


@pytest.mark.parametrize("gone", [(4,), (5, 31), (0, 8, 9, 30)])
def test_a_level_before_the_range_leaves_out_what_was_voided_in_the_history(gone: tuple[int, ...]) -> None:
    filling = Filling()
    old = calls(30, FROM + timedelta(hours=1), timedelta(hours=6))
    filling.send(old)
    filling.deliver()
    filling.create(new_meter(Aggregation.TIME_WEIGHTED_SUM))
    new = calls(7, FROM + timedelta(hours=1, minutes=2), timedelta(days=1), "new")
    filling.send(new)
    filling.fill()
    filling.void([(old + new)[place] for place in gone])
    filling.deliver()
    left = [one for place, one in enumerate(old + new) if place not in gone]
    start = FROM + timedelta(days=8, hours=3, minutes=17)
    assert int(start.timestamp()) > max(one.time for one in old + new)
    level = sum(msgspec.json.decode(one.data)["n"] for one in left)
    (row,) = filling.ask(filling.meter, period_from=start, period_to=start + timedelta(hours=10))
    assert row.value == 10 * level
    rows = filling.ask(filling.meter, period_from=start, subjects=("c0", "c1", "c2"), group_by=("model",))
    whole = filling.ask(filling.meter, subjects=("c0", "c1", "c2"), group_by=("model",))
    before = filling.ask(filling.meter, period_to=start, subjects=("c0", "c1", "c2"), group_by=("model",))
    summed = {key: by_subject(rows)[key] + by_subject(before)[key] for key in by_subject(whole)}
    assert summed == pytest.approx(by_subject(whole), abs=Decimal("1e-20"))


def test_edges_and_exact_answers_hold_old_events_too() -> None:
    filling = Filling()
    start = FROM.replace(minute=0) + timedelta(hours=2)
    filling.send(calls(60, start, timedelta(minutes=1)))
    filling.deliver()
    filling.create(new_meter(Aggregation.COUNT))
    filling.send(calls(60, start + timedelta(seconds=30), timedelta(minutes=1), "new"))
    filling.deliver()
    filling.fill()
    asked = {"period_from": start + timedelta(minutes=7), "period_to": start + timedelta(minutes=52)}
    assert [row.value for row in filling.ask(filling.meter, **asked)] == [90]
    assert [row.value for row in filling.ask(filling.meter, **asked, is_exact=True)] == [90]
    assert [row.value for row in filling.ask(filling.meter, **asked, window="MINUTE")] == [2] * 45


def test_what_happened_before_event_from_is_left_out_to_the_second() -> None:
    filling = Filling()
    filling.send([event("1", FROM - timedelta(seconds=1), n=1), event("2", FROM, n=2), event("3", FROM, n=4)])
    filling.deliver()
    filling.create(new_meter(Aggregation.SUM))
    filling.fill()
    assert [row.value for row in filling.ask(filling.meter)] == [6]
    assert [row.value for row in filling.ask(filling.meter, is_exact=True)] == [6]


def test_subjects_and_values_of_the_history_are_listed() -> None:
    filling = Filling()
    filling.send(calls(4, FROM + timedelta(hours=1), timedelta(days=1)))
    filling.deliver()
    filling.create(new_meter(Aggregation.SUM))
    query = UsageQuery("t", filling.meter, FROM, FROM + timedelta(days=3))
    assert filling.reader.subjects(query, "").subjects == []
    filling.fill()
    assert filling.reader.subjects(query, "").subjects == ["c0", "c1", "c2"]
    assert filling.reader.group_values(query, "model", 10) == ["m0", "m1"]


def test_a_run_that_is_not_done_says_partial_and_billing_waits() -> None:
    filling = Filling()
    filling.send(calls(4, FROM + timedelta(hours=1), timedelta(days=1)))
    filling.deliver()
    query = UsageQuery("t", new_meter(Aggregation.SUM))
    assert filling.reader.is_partial(query)
    filling.create(query.meter)
    filling.deliver()
    with pytest.raises(Unavailable):
        filling.reader.require_whole(query)
    filling.fill()
    assert not filling.reader.is_partial(query)
    assert not filling.reader.is_partial(UsageQuery("t", METERS.meters[0]))


def test_a_failed_run_is_started_again_and_writes_the_same(small_stretches: None) -> None:
    filling = Filling()
    for each in range(6):
        filling.send(calls(9, FROM + timedelta(hours=1), timedelta(hours=3), f"b{each}-"))
        filling.deliver()
    filling.create(new_meter(Aggregation.UNIQUE_COUNT))
    filling.deliver()
    first, *_ = filling.plan()
    filling.work(first)
    end_backfill("t", "m9", 1, {"Error": "Boom"}, histories=filling.ledger, clock=filling.clock)
    failed = filling.ledger.backfill("t", "m9")
    assert failed is not None
    assert (failed.status, failed.reason) == (Status.FAILED, INTERNAL.message)
    before = filling.parts()
    filling.create(filling.meter, run=2)
    filling.send(calls(30, FROM + timedelta(hours=1), timedelta(hours=1), "after"))
    filling.deliver()
    done = filling.fill()
    assert done.status is Status.DONE
    assert before.items() <= filling.parts().items()
    assert len(filling.parts()) > len(before) > 1


def test_a_span_of_many_stretches_is_counted_whole(small_stretches: None) -> None:
    filling = Filling()
    events = [calls(9, FROM + timedelta(hours=1), timedelta(minutes=3), f"b{each}-") for each in range(12)]
    for batch in events:
        filling.send(batch)
        filling.deliver()
    filling.create(new_meter(Aggregation.AVG))
    filling.fill()
    spans = {key[5:7] for key in filling.parts() if key[3] == "c0"}
    assert len(spans) > 12 > len({span for span, _ in spans})
    rows = filling.ask(filling.meter, subjects=("c0", "c1", "c2"), group_by=("model",))
    assert by_subject(rows) == recount([one for batch in events for one in batch], filling.meter)


def test_a_deleted_meter_stops_its_workers() -> None:
    filling = Filling()
    filling.send(calls(9, FROM + timedelta(hours=1), timedelta(hours=3)))
    filling.deliver()
    filling.create(new_meter(Aggregation.SUM))
    filling.deliver()
    work = filling.plan()
    filling.ledger.put_meter_set("t", MeterSet(3, METERS.meters))
    assert all(filling.work(each).is_done for each in work)
    assert filling.parts() == {}


def test_a_worker_of_an_older_run_does_nothing() -> None:
    filling = Filling()
    filling.send(calls(9, FROM + timedelta(hours=1), timedelta(hours=3)))
    filling.deliver()
    old = filling.create(new_meter(Aggregation.SUM))
    filling.deliver()
    work = filling.plan()
    end_backfill("t", "m9", 1, {"Error": "Boom"}, histories=filling.ledger, clock=filling.clock)
    filling.create(filling.meter, run=2)
    for each in work:
        filling.filler().fill("t", "m9", old.run, each, lambda: False)
    filling.ledger.finish_work(old, 0)
    now = filling.ledger.backfill("t", "m9")
    assert now is not None
    assert (now.run, now.done, now.total) == (2, 0, 0)


def test_a_lost_piece_of_work_is_a_failure() -> None:
    filling = Filling()
    filling.send(calls(9, FROM + timedelta(hours=1), timedelta(days=1)))
    filling.deliver()
    filling.create(new_meter(Aggregation.SUM))
    filling.deliver()
    filling.plan()
    ended = end_backfill("t", "m9", 1, None, histories=filling.ledger, clock=filling.clock)
    assert ended is not None
    assert ended.status is Status.FAILED


def test_every_span_has_one_worker_and_there_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    filling = Filling()
    filling.send(calls(60, START, timedelta(hours=7)))
    filling.deliver()
    filling.create(new_meter(Aggregation.SUM, START))
    filling.deliver()
    for most in (1_000, 12):
        monkeypatch.setattr("functions.application.metering.meters.plan_backfill.MAX_PIECES", most)
        work = filling.plan()
        assert len(work) <= most
        assert [each.number for each in work] == list(range(len(work)))
        spans = [(each.lane, span) for each in work for span in range(each.span, each.last_span + 1)]
        assert len(spans) == len(set(spans))
        assert min(span for _, span in spans) == int(START.timestamp()) // SPAN_SECONDS


def test_long_groups_keep_their_identity_in_whole_windows_and_at_edges() -> None:
    filling = Filling()
    at = FROM.replace(minute=0) + timedelta(hours=3)
    filling.send([event(str(i), at + timedelta(minutes=i), n=1, model=f"{i}" * 2_000) for i in range(5)])
    filling.deliver()
    filling.create(new_meter(Aggregation.SUM))
    filling.deliver()
    filling.fill()
    for minutes in (30, 20):
        rows = filling.ask(
            filling.meter, period_from=at, period_to=at + timedelta(minutes=minutes), group_by=("model",)
        )
        assert {row.group_by["model"]: row.value for row in rows} == {short(f"{i}" * 2_000): 1 for i in range(5)}

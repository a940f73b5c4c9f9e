"""Whose values take whose room: one subject's inventions are its own, and counters, log and audit agree about them."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from functions.application.billing.measure_usage import MeasuredUsage
from functions.application.metering.audit.recount import TenantRecount, stored_cells
from functions.application.metering.usage.current_pages import CurrentPages
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.catalog.pricing import Needs
from functions.domain.errors import TooLarge
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.ledger import counting
from functions.domain.metering.ledger.history import SPAN_SECONDS
from functions.domain.metering.ledger.voiding import countable
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import Event, Pack, Void
from functions.domain.metering.values.group_values import MAX_CODE_LENGTH, SHORT_LENGTH, fitting, short
from functions.domain.metering.values.holding import held_ever
from functions.domain.period import Period
from tests.application.metering.ledger.test_usage import LANES, NOW, Deployment, event

CALLS = Meter("m2", "calls", "call", Aggregation.COUNT, None, {"model": "$.model"}, since=1)
AT = NOW - timedelta(hours=2)
EDGE = AT - timedelta(seconds=1)


def same_lane(count: int) -> list[str]:
    return [name for name in (f"c{n}" for n in range(1_000)) if LANES.lane_of("t", name) == 0][:count]


def answers(deployment: Deployment, **asked: object) -> dict[str, int]:
    """The counters' answer, which must be the log's as well."""
    whole, cut = (
        {
            (row.group_by["model"] or ""): int(row.value)
            for row in deployment.ask(CALLS, group_by=("model",), period_from=start, **asked)
        }
        for start in (None, EDGE)
    )
    assert whole == cut
    return whole


def counters_equal_a_recount(deployment: Deployment) -> None:
    ledger, archive = deployment.ledger, deployment.archive
    for lane in range(LANES.count):
        recount = TenantRecount(ledger.codes("t", lane), ledger.meter_set("t"), LANES.value_fingerprint)
        numbers = [(n, 0) for n in range(ledger.last_commit_number(lane), 0, -1)]
        lines = [line for _, found in archive.lines_of(lane, numbers) for line in found or ()]
        for line in countable(lines):
            recount.add(line)
        span = int(AT.timestamp()) // SPAN_SECONDS
        for subject in recount.subjects():
            stored = dict(stored_cells(CurrentPages(ledger, "t"), lane, subject, span, False))
            assert {place: cell for place, cell in stored.items() if cell} == recount.cells(subject)


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setattr(counting, "MAX_SUBJECT_CODES", 3)
    monkeypatch.setattr(counting, "MAX_LANE_CODES", 8)
    monkeypatch.setattr(counting, "SURE_CODES", 2)
    monkeypatch.setattr(counting, "MONTH_SECONDS", 4 * 86_400)  # twelve steps of three days lie inside the window
    return Deployment(MeterSet(1, (CALLS,)))


def send(deployment: Deployment, subject: str, *models: str) -> list[Event]:
    events = []
    for model in models:
        deployment.ids += 1
        events.append(event(f"e{deployment.ids}", AT, subject, model=model))
    deployment.send(events)
    return events


def test_one_subjects_inventions_leave_others_their_room(deployment: Deployment) -> None:
    junk, honest = same_lane(2)
    send(deployment, junk, *(f"junk-{n}" for n in range(50)))
    deployment.deliver()
    send(deployment, honest, "small", "large")
    deployment.deliver()
    assert answers(deployment, subjects=(honest,)) == {"small": 1, "large": 1}
    assert answers(deployment, subjects=(junk,)) == {"junk-0": 1, "junk-1": 1, "junk-2": 1, "__other__": 47}


def test_room_that_is_nearly_used_up_is_told_with_its_meter(deployment: Deployment) -> None:
    (subject,) = same_lane(1)
    told = []
    for model in "abcd":
        send(deployment, subject, model)
        deployment.deliver()
        told.append(dict(deployment.writer.room_used))
    # The third is the last of three; the fourth has no room.
    place = ("t", CALLS.id)
    assert told == [{}, {}, {place: 100}, {place: 100}]
    send(deployment, subject, "a")
    deployment.deliver()
    assert deployment.writer.room_used == {}


def test_many_inventive_subjects_leave_each_other_the_sure_room(deployment: Deployment) -> None:
    *junk, honest = same_lane(6)
    for number, subject in enumerate(junk):
        send(deployment, subject, *(f"junk-{number}-{n}" for n in range(9)))
        deployment.deliver()
    send(deployment, honest, "small", "large", "huge")
    deployment.deliver()
    assert answers(deployment, subjects=(honest,)) == {"small": 1, "large": 1, "__other__": 1}


def test_room_comes_back_with_the_next_month(deployment: Deployment) -> None:
    (subject,) = same_lane(1)
    send(deployment, subject, *"abcde")
    deployment.deliver()
    deployment.clock.time += timedelta(days=5)
    send(deployment, subject, *"vwxyz")
    deployment.deliver()
    assert answers(deployment, subjects=(subject,)) == dict.fromkeys("abcvwx", 1) | {"__other__": 4}


def test_an_event_stays_where_it_was_counted_when_its_value_gets_a_code_later(deployment: Deployment) -> None:
    junk, honest = same_lane(2)
    late = send(deployment, junk, "a", "b", "c", "small")
    deployment.deliver()
    send(deployment, honest, "small")
    deployment.deliver()
    assert answers(deployment) == {"a": 1, "b": 1, "c": 1, "__other__": 1, "small": 1}
    counters_equal_a_recount(deployment)
    gone = late[-1]
    void = Void(gone.fingerprint, gone.time, gone.id, gone.source, gone.subject, "v1")

    deployment.stream.records.append(Pack("t", 0, "p-void", int(NOW.timestamp()), [], [void]))
    deployment.deliver()
    assert {name: value for name, value in answers(deployment).items() if value} == dict.fromkeys("abc", 1) | {
        "small": 1
    }
    counters_equal_a_recount(deployment)


def test_what_one_subject_has_no_room_for_is_other_for_all_of_the_same_commit(deployment: Deployment) -> None:
    junk, honest = same_lane(2)
    send(deployment, junk, "a", "b", "c", "small")
    send(deployment, honest, "small")
    deployment.deliver()
    assert answers(deployment) == {"a": 1, "b": 1, "c": 1, "__other__": 2}
    counters_equal_a_recount(deployment)


@pytest.mark.parametrize("seed", range(8))
def test_counters_log_and_recount_agree_for_any_subjects_and_values(deployment: Deployment, seed: int) -> None:
    chance, subjects = Random(seed), same_lane(5)
    sent = 0
    for _ in range(12):
        for _ in range(chance.randint(1, 4)):
            models = [chance.choice("abcdefghijkl") for _ in range(chance.randint(1, 6))]
            sent += len(send(deployment, chance.choice(subjects), *models))
        if chance.random() < 0.3:
            deployment.clock.time += timedelta(days=3)
        if chance.random() < 0.3:
            deployment.writer = deployment.new_writer()
        deployment.deliver()
    assert sum(answers(deployment).values()) == sent
    counters_equal_a_recount(deployment)


def test_a_long_value_keeps_its_identity(deployment: Deployment) -> None:
    (subject,) = same_lane(1)
    long, other = "https://example.com/" + "x" * 1_100, "https://example.com/" + "x" * 1_099 + "y"
    send(deployment, subject, long, long, other)
    deployment.deliver()
    assert answers(deployment) == {short(long): 2, short(other): 1}
    assert answers(deployment, filters={"model": (long,)}) == {short(long): 2}
    assert answers(deployment, filters={"model": (short(other),)}) == {short(other): 1}
    counters_equal_a_recount(deployment)


def test_once_a_lanes_codes_hold_much_text_new_values_are_shortened_sooner(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.domain.metering.ledger.ledger.MAX_LONG_TEXTS", 500)
    early, late, junk = same_lane(3)
    values = [f"https://example.com/{n}/" + "x" * 280 for n in range(4)]
    send(deployment, early, values[0], values[1])
    deployment.deliver()
    send(deployment, late, values[0], values[2])
    deployment.deliver()
    deployment.writer = deployment.new_writer()
    send(deployment, junk, values[1], values[2], values[3], *"abcdef")
    deployment.deliver()
    assert answers(deployment) == {
        values[0]: 2,
        values[1]: 2,
        short(values[2]): 2,
        short(values[3]): 1,
        "a": 1,
        "b": 1,
        "__other__": 4,
    }
    assert answers(deployment, filters={"model": (values[2],)}) == {short(values[2]): 2}
    assert answers(deployment, filters={"model": (values[1],)}) == {values[1]: 2}
    counters_equal_a_recount(deployment)


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        (("a", "b"), lambda fitted: fitted == ("a", "b")),
        (("x" * 1_024,), lambda fitted: fitted == ("x" * 1_024,)),
        (("x" * 1_025,), lambda fitted: fitted == (short("x" * 1_025),)),
        (("a", "x" * 700, "y" * 600), lambda fitted: fitted == ("a", short("x" * 700), "y" * 600)),
        (("é" * 5_000, "\ud800" * 5_000), lambda fitted: [*map(len, fitted)] == [SHORT_LENGTH] * 2),
        (("z" * 110,) * 10, lambda fitted: sum(map(len, fitted)) <= MAX_CODE_LENGTH and len({*fitted}) == 2),
    ],
)
def test_only_as_many_values_are_shortened_as_it_takes(
    values: tuple[str, ...], fits: Callable[[tuple[str, ...]], bool]
) -> None:
    assert fits(fitting(values))


AGGREGATIONS = [each for each in Aggregation if not each.is_level]
BY_BOTH = {"model": "$.model", "url": "$.url"}


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("start", [EDGE.replace(minute=0, second=0), EDGE])
def test_a_bill_by_groups_knows_those_that_counters_do_not(
    deployment: Deployment, aggregation: Aggregation, start: datetime
) -> None:
    meter = Meter("m3", "paid", "call", aggregation, "$.n" if aggregation.needs_value else None, BY_BOTH, since=1)
    crowded = crowded_by_urls(meter)
    assert any("__other__" in code.groups.values() for code in crowded.ledger.codes("t", 0))
    measured = MeasuredUsage(crowded.reader, crowded.ledger, crowded.clock)
    period, (subject,) = Period(start, NOW), same_lane(1)
    found = {
        model: measured.usage(UsageQuestion("t", "paid", held_ever([subject]), filters, period))[0]
        for model, filters in (
            ("big", {"model": ("big",)}),
            ("not small", {"model": {"$ne": "small"}}),
            ("small", {"model": ("small",)}),
            ("all", {}),
        )
    }
    alone = {model: alone_in(aggregation, values, period) for model, values in VALUES.items()}
    assert found == alone
    if aggregation.is_divisible:
        parts = measured.parts(
            UsageQuestion("t", "paid", held_ever([subject]), {}, period), Needs(dimensions=("model",))
        )
        assert {group.values[0]: value for group, value in parts.items()} == {m: alone[m] for m in ("big", "small")}
    windows = measured.windows(UsageQuestion("t", "paid", held_ever([subject]), {"model": ("big",)}, period), 100)
    assert [each.quantity for each in windows.windows] == [alone["big"]]


def test_a_level_by_groups_that_counters_do_not_know_is_refused_with_the_remedy(deployment: Deployment) -> None:
    meter = Meter("m3", "paid", "call", Aggregation.TIME_WEIGHTED_SUM, "$.n", BY_BOTH, since=1)
    found = crowded_by_urls(meter)
    measured, period = MeasuredUsage(found.reader, found.ledger, found.clock), Period(EDGE, NOW)
    with pytest.raises(TooLarge, match="more combinations of model, url"):
        measured.usage(UsageQuestion("t", "paid", held_ever(same_lane(1)), {"model": ("big",)}, period))
    assert measured.usage(UsageQuestion("t", "paid", held_ever(same_lane(1)), {}, period))[0] > 0


VALUES = {"big": range(20), "small": range(20, 30), "not small": range(20), "all": range(30)}


def crowded_by_urls(meter: Meter) -> Deployment:
    """Every event has a url of its own: of one subject three have a code."""
    deployment = Deployment(MeterSet(1, (meter,)))
    (subject,) = same_lane(1)
    for first in range(0, 30, 10):
        events = [
            event(f"e{n}", AT, subject, model="big" if n < 20 else "small", url=f"/{n}", n=n)
            for n in range(first, first + 10)
        ]
        deployment.send(events)
        deployment.deliver()
    return deployment


def alone_in(aggregation: Aggregation, values: Iterable[int], period: Period) -> Decimal:
    """The same events where nothing is grouped."""
    meter = Meter("m4", "alone", "call", aggregation, "$.n" if aggregation.needs_value else None, {}, since=1)
    deployment = Deployment(MeterSet(1, (meter,)))
    (subject,) = same_lane(1)
    deployment.send([event(f"e{n}", AT, subject, n=n) for n in values])
    deployment.deliver()
    measured = MeasuredUsage(deployment.reader, deployment.ledger, deployment.clock)
    return measured.usage(UsageQuestion("t", "alone", held_ever([subject]), {}, period))[0]

"""How long a level was how high: read by the second from counters and log, and billed by prorated tiers."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.application.billing.explain_line import explained_line
from functions.application.billing.measure_usage import MeasuredUsage
from functions.application.billing.rate_billables import Rater
from functions.application.metering.usage.query_usage import UsageReader
from functions.application.metering.usage.usage_bounds import Bounds
from functions.domain.billing.line import InvoiceLine
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.errors import TooLarge, Unbillable
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import Event, Pack, Void
from functions.domain.metering.values.holding import Holding, held_ever
from functions.domain.period import Period
from functions.domain.subscriptions.billables_within import billables_within
from functions.domain.subscriptions.lineage import Lineages
from tests.application.metering.ledger.test_usage import LANES, Deployment, event
from tests.domain import builders
from tests.domain.builders import edit, phase, plan, subscription, unit

SEATS = Meter("m1", "seats", "seat", Aggregation.TIME_WEIGHTED_SUM, "$.n", {"region": "$.region"}, since=1)
CALLS = Meter("m2", "calls", "call", Aggregation.COUNT, None, since=1)
NOW = datetime(2026, 11, 20, 12, 10, tzinfo=UTC)
HOUR, DAY = 3_600, 86_400


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}+00:00")


OCTOBER = Period(at("10-10T00:00"), at("11-10T00:00"))


def change(when: str | datetime, seats: Any, subject: str = "c1", name: str = "", region: str = "eu") -> Event:
    instant = at(when) if isinstance(when, str) else when
    return event(name or f"{when} {seats} {subject}", instant, subject, "seat", n=str(seats), region=region)


def deployed(*events: Event, now: datetime = NOW) -> Deployment:
    deployment = Deployment(MeterSet(1, (SEATS, CALLS)), now)
    deployment.send(events)
    deployment.deliver()
    return deployment


def levels(
    deployment: Deployment, start: str, end: str, held: Sequence[Holding] = held_ever(["c1"]), **filters: Any
) -> tuple[dict[Decimal | int, int], Decimal | int]:
    found = measured(deployment).levels(UsageQuestion("t", "seats", held, filters, Period(at(start), at(end))))
    return dict[Decimal | int, int](found.seconds.items()), found.last


def measured(deployment: Deployment) -> MeasuredUsage:
    return MeasuredUsage(deployment.reader, deployment.ledger, deployment.clock)


def holding(subject: str, held_from: str | None, held_to: str | None) -> Holding:
    since, until = at(held_from) if held_from else None, at(held_to) if held_to else None
    return Holding.model_validate({"subject": subject, "from": since, "to": until})


def test_a_level_of_long_ago_is_there_all_the_time() -> None:
    deployment = deployed(change("10-10T00:00", 5))
    assert levels(deployment, "11-01T00:00", "11-02T00:00") == ({5: DAY}, 5)


def test_changes_are_placed_to_the_second_wherever_the_range_begins_and_ends() -> None:
    deployment = deployed(
        change("11-01T00:00:07", 2), change("11-01T00:10:00", 3), change("11-01T00:29:59", -1), change("11-01T05:00", 1)
    )
    assert levels(deployment, "11-01T00:00:05", "11-01T00:30:01") == ({2: 593, 5: 1199, 4: 2}, 4)
    assert levels(deployment, "11-01T00:10:01", "11-01T00:10:03") == ({5: 2}, 5)
    assert levels(deployment, "11-01T00:29:00", "11-01T00:29:59") == ({5: 59}, 5), "what happens then is not in it"
    assert levels(deployment, "11-01T00:00:00", "11-01T00:00:07") == ({}, 0)


def test_what_goes_up_and_down_in_one_second_is_nothing_and_below_zero_is_none() -> None:
    deployment = deployed(
        change("11-01T00:00", 2),
        change("11-01T01:00", 7, name="up"),
        change("11-01T01:00", -7, name="down"),
        change("11-01T02:00", -5),
        change("11-01T03:00", "3.5"),
    )
    assert levels(deployment, "11-01T00:00", "11-01T04:00") == ({2: 2 * HOUR, Decimal("0.5"): HOUR}, Decimal("0.5"))
    assert levels(deployment, "11-01T00:00", "11-01T02:30") == ({2: 2 * HOUR}, 0)


def test_subjects_stand_on_each_other_and_count_while_they_are_held() -> None:
    deployment = deployed(change("11-01T00:00", 2), change("11-01T06:00", 3, "c2"), change("11-01T12:00", 1, "c2"))
    both = held_ever(["c1", "c2"])
    assert levels(deployment, "11-01T00:00", "11-02T00:00", both) == ({2: 6 * HOUR, 5: 6 * HOUR, 6: 12 * HOUR}, 6)
    left = (*held_ever(["c1"]), holding("c2", None, "11-01T18:00"))
    assert levels(deployment, "11-01T00:00", "11-02T00:00", left) == (
        {2: 12 * HOUR, 5: 6 * HOUR, 6: 6 * HOUR},
        2,
    )
    came = (*held_ever(["c1"]), holding("c2", "11-01T18:00", None))
    assert levels(deployment, "11-01T00:00", "11-02T00:00", came) == ({2: 18 * HOUR, 6: 6 * HOUR}, 6)
    gone = (holding("c1", None, "11-01T03:00"),)
    assert levels(deployment, "11-01T00:00", "11-02T00:00", gone) == ({2: 3 * HOUR}, 0)
    assert levels(deployment, "11-01T00:00", "11-02T00:00", ()) == ({}, 0)


def test_filters_choose_what_makes_the_level() -> None:
    deployment = deployed(change("11-01T00:00", 2), change("11-01T06:00", 3, region="us"))
    assert levels(deployment, "11-01T00:00", "11-02T00:00", region=("us",)) == ({3: 18 * HOUR}, 3)


def test_nobody_knows_of_a_level_beyond_now() -> None:
    deployment = deployed(change("11-20T11:10", 3), change("11-20T12:20", 100))
    assert levels(deployment, "11-20T11:00", "11-25T00:00") == ({3: HOUR}, 3)
    assert levels(deployment, "11-21T00:00", "11-25T00:00") == ({}, 0)


def test_late_and_voided_changes_are_in_the_answer() -> None:
    first = change("11-01T00:10", 4)
    deployment = deployed(first)
    deployment.send([change("11-01T12:00", 2)])
    deployment.deliver()
    assert levels(deployment, "11-01T00:00", "11-02T00:00") == ({4: 12 * HOUR - 600, 6: 12 * HOUR}, 6)
    void = Void(first.fingerprint, first.time, first.id, "s", "c1", "v1")
    deployment.stream.put([Pack("t", LANES.lane_of("t", "c1"), "p", int(NOW.timestamp()), [], voids=[void])])
    deployment.deliver()
    assert levels(deployment, "11-01T00:00", "11-02T00:00") == ({2: 12 * HOUR}, 2)
    assert levels(deployment, "11-03T00:00", "11-04T00:00") == ({2: DAY}, 2)


def test_a_meter_that_measures_no_level_is_refused() -> None:
    with pytest.raises(Unbillable, match="TIME_WEIGHTED_SUM") as refused:
        measured(deployed()).levels(UsageQuestion("t", "calls", held_ever(["c1"]), {}, OCTOBER))
    assert refused.value.code == "meter_without_level"


def test_a_level_that_changes_too_often_is_refused_with_the_remedy() -> None:
    deployment = deployed(*(change(at("11-01T00:00") + timedelta(seconds=n), 1) for n in range(30)))
    deployment.reader = UsageReader(deployment.ledger, deployment.archive, LANES, Bounds(rows=20))
    with pytest.raises(TooLarge, match="a shorter billing cadence, change the level less often"):
        levels(deployment, "11-01T00:00", "11-02T00:00")
    deployment.reader = UsageReader(deployment.ledger, deployment.archive, LANES, Bounds(events=20))
    with pytest.raises(TooLarge, match="a shorter billing cadence"):
        levels(deployment, "11-01T00:00", "11-02T00:00")


SECOND = st.integers(0, 2 * DAY)
SUBJECTS = ["c1", "c2", "c3"]


@settings(max_examples=150, deadline=None)
@given(
    happened=st.lists(
        st.tuples(SECOND, st.decimals(-4, 6, places=1), st.sampled_from(SUBJECTS)), min_size=1, max_size=12
    ),
    held=st.lists(st.tuples(st.sampled_from(SUBJECTS), SECOND, SECOND), max_size=4),
    range_of=st.tuples(SECOND, SECOND).map(sorted),
)
def test_any_path_is_what_a_walk_through_it_gives(
    happened: list[tuple[int, Decimal, str]], held: list[tuple[str, int, int]], range_of: list[int]
) -> None:
    """Also where subjects come and go; the value-hours are those that the counters answer with."""
    zero = int(at("11-01T00:00").timestamp())
    deployment = deployed(
        *(
            change(datetime.fromtimestamp(zero + second, UTC), value, subject, str(n))
            for n, (second, value, subject) in enumerate(happened)
        )
    )
    holdings = without_overlap(held)
    start, end = (datetime.fromtimestamp(zero + second, UTC) for second in range_of)
    held_by = tuple(as_holding(zero, *each) for each in holdings)
    asked = UsageQuestion("t", "seats", held_by, {}, Period(start, end))

    found = measured(deployment).levels(asked)

    expected = walked(happened, holdings, *range_of)
    assert (dict(found.seconds), found.last) == (expected.seconds, expected.last)
    if not below_zero(happened, holdings, *range_of):
        assert found.value_hours == measured(deployment).usage(asked)[0]


def without_overlap(held: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Of a subject only what does not meet what it has already; the rest of the time it is somebody else's."""
    kept: list[tuple[str, int, int]] = []
    for subject, since, until in held:
        if since < until and all(subject != other or until <= low or since >= high for other, low, high in kept):
            kept.append((subject, since, until))
    return kept


def as_holding(zero: int, subject: str, since: int, until: int) -> Holding:
    low, high = (datetime.fromtimestamp(zero + second, UTC) for second in (since, until))
    return Holding.model_validate({"subject": subject, "from": low, "to": high})


def height(happened: list[tuple[int, Decimal, str]], held: list[tuple[str, int, int]], second: int) -> Decimal:
    """In that second: all changes up to it of the subjects that are held in it."""
    there = {subject for subject, since, until in held if since <= second < until}
    return sum((value for when, value, subject in happened if subject in there and when <= second), Decimal(0))


def turns_of(happened: Any, held: Any, start: int, end: int) -> list[int]:
    seconds = {start, end, *(when for when, *_ in happened), *(each for _, *both in held for each in both)}
    return sorted(second for second in seconds if start <= second <= end)


def walked(happened: Any, held: Any, start: int, end: int) -> LevelTimes:
    found: dict[Decimal, int] = {}
    for low, high in pairwise(turns_of(happened, held, start, end)):
        level = height(happened, held, low)
        if level > 0:
            found[level] = found.get(level, 0) + high - low
    last = height(happened, held, end - 1) if start < end else Decimal(0)
    return LevelTimes(found, max(last, Decimal(0)))


def below_zero(happened: Any, held: Any, start: int, end: int) -> bool:
    return any(height(happened, held, turn) < 0 for turn in turns_of(happened, held, start, end))


TIERS = [{"upToAmount": "3", "unitPrice": {"amount": "10"}}, {"unitPrice": {"amount": "5"}}]
PRORATED = {"type": "tiered", "mode": "graduated", "prorated": True, "tiers": TIERS}


def bill(deployment: Deployment, price: dict[str, Any], *, renamed: bool = False) -> list[InvoiceLine]:
    """A month from 10 October on (31 days) of the seats, by the way every bill takes."""
    card = unit() | {"price": price}
    of = subscription(plan(phase(card)), "2026-10-10")
    if renamed:
        of = edit(of, {"op": "add_item", "phaseKey": "main", "rateCard": card | {"name": "Again"}}, at="2026-10-20")
    feature = builders.TOKENS.model_copy(update={"meter_slug": "seats"})
    of = of.with_items(lambda _, item: item.model_copy(update={"feature": feature}))
    rater = Rater("t", held_ever(["c1", "c2"]), measured(deployment), Lineages([of]))
    return rater.lines(of, billables_within(of, OCTOBER), NOW)


SOLD = [change("10-10T00:00", 4), change("10-12T00:00", 1, "c2"), change("10-25T12:00", 1)]


def test_seats_are_billed_by_the_second_from_the_events_to_the_line() -> None:
    """Four seats, a fifth after two of 31 days, a sixth for the second half of them."""
    deployment = deployed(*SOLD)
    (line,) = bill(deployment, PRORATED)

    assert [(each.name, each.quantity, each.amount_minor) for each in line.charges] == [
        ("Average units in tier 1", 3, 30_00),
        ("Average units in tier 2", Decimal("2.435483871"), 12_18),
    ]
    assert line.usage is not None and line.usage.by_level
    assert line.usage.quantity == (4 * 31 + 29) * 24 + Decimal("15.5") * 24, "value-hours"
    assert line.working is not None and line.working.metered == line.usage.quantity

    (line,) = bill(deployment, PRORATED | {"mode": "volume"})
    assert [(each.name, each.quantity, each.amount_minor) for each in line.charges] == [
        ("Average units at tier 2", Decimal("5.435483871"), 27_18),
    ]


def test_a_line_is_explained_by_the_levels_there_are_now() -> None:
    deployment = deployed(*SOLD)
    (line,) = bill(deployment, PRORATED)
    invoice: Any = SimpleNamespace(currency="USD")

    def difference() -> Decimal:
        found = explained_line("t", invoice, line, measured(deployment)).remeasured
        assert found is not None
        assert sum(each.quantity for each in found.windowed.windows) == found.quantity
        return found.difference

    assert difference() == 0
    deployment.send([change("11-09T12:00", 2, name="late")])
    deployment.deliver()
    assert difference() == 24
    found = explained_line("t", invoice, line, measured(deployment)).remeasured
    assert found is not None
    assert found.levels == [
        (Decimal(level), Decimal(value_hours))
        for level, value_hours in [(6, 6 * 360), (5, 5 * 324), (4, 4 * 48), (8, 8 * 12)]
    ]
    assert (found.part_count, found.level_at_end) == (4, Decimal(8))


def test_a_period_cut_by_an_edit_costs_the_same_from_events_on() -> None:
    deployment = deployed(*SOLD)
    lines = bill(deployment, PRORATED, renamed=True)

    # Ten of 31 days: three units at 10.00, one for two days and two for eight at 5.00.
    assert [line.total_minor for line in lines] == [9_68 + 2_90, 42_18 - 12_58]
    assert [line.total_minor for line in bill(deployment, PRORATED | {"mode": "volume"}, renamed=True)] == [27_18]

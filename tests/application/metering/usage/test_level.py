"""TIME_WEIGHTED_SUM by hand: what a person would write down on paper for gigabytes, seats and machines."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

import pytest

from functions.adapters.archive import ArchivedEvent
from functions.application.billing.measure_usage import MeasuredUsage
from functions.application.metering.usage.query_usage import UsageReader
from functions.application.metering.usage.usage_bounds import Bounds
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.catalog.pricing import Group, Needs
from functions.domain.errors import TooLarge
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.ledger.hour_index import HourEntry
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.values.event import Event, Pack, Void
from functions.domain.metering.values.holding import held_ever
from functions.domain.period import Period
from tests.application.metering.ledger.test_usage import LANES, Deployment, event

STORED = Meter(
    "m1", "stored", "volume", Aggregation.TIME_WEIGHTED_SUM, "$.gb", {"region": "$.region", "tier": "$.tier"}, since=1
)
NOW = datetime(2026, 11, 20, 12, 10, tzinfo=UTC)
DAY = timedelta(days=1)
BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}+00:00")


def change(when: str, gb: Any, subject: str = "c1", region: str = "eu", name: str = "") -> Event:
    return event(name or f"{when} {gb} {subject} {region}", at(when), subject, "volume", gb=gb, region=region)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment(MeterSet(1, (STORED,)), NOW)


def counted(deployment: Deployment, *events: Event) -> Deployment:
    deployment.send(events)
    deployment.deliver()
    return deployment


def ask(deployment: Deployment, now: datetime = NOW, **query: Any) -> list[Decimal]:
    return [row.value for row in rows(deployment, now, **query)]


def rows(deployment: Deployment, now: datetime = NOW, **query: Any) -> Any:
    return deployment.reader.rows(UsageQuery("t", STORED, **query), now)


def between(start: str, end: str) -> dict[str, Any]:
    return {"period_from": at(start), "period_to": at(end)}


# What happened, what is asked, the answers.
TABLE: list[tuple[str, list[tuple[str, Any]], dict[str, Any], list[str]]] = [
    ("ten hours", [("11-10T00:00", 100), ("11-10T10:00", -100)], between("11-10T00:00", "11-11T00:00"), ["1000"]),
    ("in any order", [("11-10T10:00", -100), ("11-10T00:00", 100)], between("11-10T00:00", "11-11T00:00"), ["1000"]),
    ("one second", [("11-10T00:00:00", 3600), ("11-10T00:00:01", -3600)], {}, ["1"]),
    ("to the second", [("11-10T00:10:00", 3600)], between("11-10T00:09:59", "11-10T00:10:07"), ["7"]),
    ("from in the middle of it", [("11-10T00:10:00", 3600)], between("11-10T00:10:05", "11-10T00:10:07"), ["2"]),
    ("a level of long ago", [("10-10T00:00", 2)], between("11-10T00:00", "11-10T05:00"), ["10"]),
    ("fractions", [("11-10T00:00", "0.000000000000000001")], between("11-10T00:00", "11-10T02:00"), ["2E-18"]),
    ("thirds", [("11-10T00:00", 1)], between("11-10T00:00", "11-10T00:20"), ["0.3333333333333333333333333333333333"]),
    ("below zero", [("11-10T00:00", -4), ("11-10T01:00", 4)], between("11-10T00:00", "11-11T00:00"), ["-4"]),
    ("nothing left", [("11-09T00:00", 5), ("11-09T01:00", -5)], between("11-10T00:00", "11-11T00:00"), []),
    ("up and down at once", [("11-10T00:07", 5), ("11-10T00:07", -5)], between("11-10T00:00", "11-11T00:00"), []),
    (
        "zero in sum, but not nothing",
        [("11-10T00:00", 5), ("11-10T01:00", -10)],
        between("11-10T00:00", "11-10T02:00"),
        ["0"],
    ),
    (
        "days without events",
        [("11-10T12:00", 1), ("11-13T06:00", -1)],
        {**between("11-10T00:00", "11-16T00:00"), "window": "DAY"},
        ["12", "24", "24", "6"],
    ),
    (
        "25 hours when summer time ends",
        [("10-20T00:00", 1)],
        {**between("10-23T22:00", "10-26T23:00"), "window": "DAY", "time_zone": BERLIN},
        ["24", "25", "24"],
    ),
    (
        "minutes",
        [("11-10T00:00:30", 120)],
        {**between("11-10T00:00", "11-10T00:03"), "window": "MINUTE"},
        ["1", "2", "2"],
    ),
    ("until now", [("11-20T10:10", 3)], {}, ["6"]),
    ("not beyond now", [("11-20T10:10", 3)], between("11-20T00:00", "11-30T00:00"), ["6"]),
    ("what comes later is not there", [("11-20T11:10", 3), ("11-20T12:20", 100), ("11-20T12:40", 7)], {}, ["3"]),
    ("all of it later", [("11-20T12:20", 100)], {}, []),
    ("a range that has not begun", [("11-20T10:10", 3)], between("11-21T00:00", "11-22T00:00"), []),
]  # fmt: skip


@pytest.mark.parametrize(("happened", "query", "answers"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
@pytest.mark.parametrize("way", ["all subjects", "one subject", "exact"])
def test_value_hours(
    deployment: Deployment, happened: list[tuple[str, Any]], query: dict[str, Any], answers: list[str], way: str
) -> None:
    counted(deployment, *(change(when, gb, name=str(n)) for n, (when, gb) in enumerate(happened)))
    more = {"subjects": ("c1",)} if way == "one subject" else {"is_exact": way == "exact"}
    assert ask(deployment, **query, **more) == [Decimal(each) for each in answers]


def test_the_range_shown_ends_now(deployment: Deployment) -> None:
    counted(deployment, change("11-20T10:10", 3))
    (row,) = rows(deployment, period_from=at("11-20T00:00"), period_to=at("12-01T00:00"))
    assert (row.window_start, row.window_end) == (at("11-20T00:00"), NOW)


def test_every_group_has_a_level_of_its_own(deployment: Deployment) -> None:
    counted(deployment, change("11-01T00:00", 2), change("11-02T00:00", 3, region="us"), change("11-03T00:00", -2))
    asked = {**between("11-10T00:00", "11-11T00:00"), "group_by": ("region",)}
    assert [(row.group_by["region"], row.value) for row in rows(deployment, **asked)] == [("us", 72)]
    assert ask(deployment, **between("11-02T00:00", "11-03T00:00"), filters={"region": ("eu",)}) == [48]


def test_late_and_voided_changes_change_every_later_window(deployment: Deployment) -> None:
    first = change("10-25T00:10", 10)
    counted(deployment, first)
    days = {**between("11-18T00:00", "11-20T00:00"), "window": "DAY"}
    assert ask(deployment, **days) == [240, 240]
    counted(deployment, change("10-30T00:00", -4))
    assert ask(deployment, **days) == [144, 144]
    void = Void(first.fingerprint, first.time, first.id, "s", "c1", "v1")
    deployment.stream.put([Pack("t", LANES.lane_of("t", "c1"), "p", int(NOW.timestamp()), [], voids=[void])])
    deployment.deliver()
    assert ask(deployment, **days) == [-96, -96]
    assert ask(deployment, **days, is_exact=True) == [-96, -96]
    assert ask(deployment, **days, subjects=("c1",)) == [-96, -96]


def test_subjects_are_listed_while_they_have_a_level_or_change_it(deployment: Deployment) -> None:
    counted(deployment, change("11-01T00:00", 2), change("11-02T00:00", 3, "gone"), change("11-03T00:00", -3, "gone"))
    counted(deployment, change("11-10T00:00", 3, "new", "us"))

    def listed(start: str, end: str) -> list[str]:
        query = UsageQuery("t", STORED, at(start), at(end), group_by=("subject",))
        return deployment.reader.subjects(query, "").subjects

    assert listed("11-02T00:00", "11-03T00:00") == ["c1", "gone"]
    assert listed("11-04T00:00", "11-05T00:00") == ["c1"]
    assert listed("11-10T00:00", "11-11T00:00") == ["c1", "new"]
    values = UsageQuery("t", STORED, at("11-04T00:00"), at("11-05T00:00"))
    assert deployment.reader.group_values(values, "region", 10) == ["eu"]


def test_an_invoice_takes_the_value_hours_of_its_period(deployment: Deployment) -> None:
    counted(deployment, change("11-01T00:00", 1), change("11-02T00:00", 2, "c2", "us"), change("11-03T12:00", -1))
    usage = MeasuredUsage(deployment.reader, deployment.ledger, deployment.clock)
    period = Period(at("11-03T00:00"), at("11-04T00:00"))
    assert usage.usage(UsageQuestion("t", "stored", held_ever(["c1", "c2"]), {}, period))[0] == 12 + 48
    parts = usage.parts(UsageQuestion("t", "stored", held_ever(["c1", "c2"]), {}, period), Needs(("region",), None))
    assert parts == {Group(("eu",), None): 12, Group(("us",), None): 48}
    windowed = usage.windows(UsageQuestion("t", "stored", held_ever(["c1", "c2"]), {}, period), 24)
    assert [each.quantity for each in windowed.windows] == [3] * 12 + [2] * 12
    running = Period(at("11-20T11:00"), at("12-20T11:00"))
    assert usage.usage(UsageQuestion("t", "stored", held_ever(["c2"]), {}, running))[0] == Context(prec=34).divide(
        Decimal(7), Decimal(3)
    )


def test_windows_without_events_are_bounded_as_rows(deployment: Deployment) -> None:
    counted(deployment, change("11-01T00:00", 1))
    deployment.reader = UsageReader(deployment.ledger, deployment.archive, LANES, Bounds(rows=20))
    assert len(ask(deployment, **between("11-02T00:00", "11-02T20:00"), window="HOUR")) == 20
    with pytest.raises(TooLarge, match="more than 20 rows"):
        ask(deployment, **between("11-02T00:00", "11-02T21:00"), window="HOUR")


def test_a_live_question_opens_only_commits_from_beyond_now(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The running half hour comes from counters; otherwise every dashboard would read the log."""
    counted(deployment, change("11-20T12:01", 6))
    opened: list[tuple[int, int]] = []
    events_of = deployment.archive.events_of

    def watched(lane: int, commits: Sequence[tuple[int, int]]) -> Iterator[ArchivedEvent]:
        opened.extend(commits)
        return events_of(lane, commits)

    monkeypatch.setattr(deployment.archive, "events_of", watched)
    assert ask(deployment, period_from=at("11-20T00:00")) == [Decimal("0.9")]
    assert opened == []
    counted(deployment, change("11-20T12:29", 1_000))
    assert ask(deployment, period_from=at("11-20T00:00")) == [Decimal("0.9")]
    assert [n for n, _ in opened] == [2]


@pytest.mark.parametrize("subjects", [(), ("c1",)])
def test_what_is_counted_while_a_level_is_read_is_not_deducted_from_it(
    deployment: Deployment, subjects: tuple[str, ...]
) -> None:
    """The range ends inside a half hour: what is behind its end comes from the log, which is read after counters."""
    behind = change("11-20T10:20", 5)
    counted(deployment, change("11-20T10:00", 3), behind)
    asked = {**between("11-20T10:00", "11-20T10:10"), "subjects": subjects}
    void = Void(behind.fingerprint, behind.time, behind.id, "s", "c1", "v1")

    def more() -> None:
        counted(deployment, change("11-20T10:25", 100), change("11-20T10:05", 6, name="late"))

    def fewer() -> None:
        deployment.stream.put([Pack("t", LANES.lane_of("t", "c1"), "p", int(NOW.timestamp()), [], voids=[void])])
        deployment.deliver()

    assert asked_meanwhile(deployment, more, asked) == [1]
    assert asked_meanwhile(deployment, fewer, asked) == [1]


def asked_meanwhile(deployment: Deployment, happens: Callable[[], None], asked: dict[str, Any]) -> list[Decimal]:
    """The answer when something happens between the counters and the log."""
    index_of_hours = deployment.ledger.index_of_hours

    def later(lane: int, hours: Collection[int]) -> Iterator[HourEntry]:
        deployment.ledger.index_of_hours = index_of_hours  # type: ignore[method-assign]
        happens()
        return index_of_hours(lane, hours)

    deployment.ledger.index_of_hours = later  # type: ignore[method-assign]
    return ask(deployment, **asked)

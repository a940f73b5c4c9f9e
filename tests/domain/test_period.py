from calendar import monthrange
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.errors import InvalidInput
from functions.domain.period import Cadence, Period, known_zone, period_at, recurrence_at
from tests.domain.builders import at


@pytest.mark.parametrize("text", ["PT1H0.5S", "P0.123456789D", "P1M0.00001D"])
def test_a_cadence_that_ends_inside_a_second_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="whole seconds"):
        Cadence.parse(text)


@pytest.mark.parametrize("text", ["PT1H", "PT90S", "P0.5D", "PT1.5H", "P1Y0.5D"])
def test_fractions_that_give_whole_seconds_are_cadences(text: str) -> None:
    assert not Cadence.parse(text).rest.microseconds


@pytest.mark.parametrize(
    "text",
    [
        "P99999999999Y",
        "P9999999D",
        "P7990Y",
        "P101Y",
        "P1201M",
        "P36526D",
        "P100Y1D",
        "P600M36000D",
        "PT99999999999999999999H",
        "P" + "9" * 30 + "Y",
    ],
)
def test_a_cadence_of_more_than_a_hundred_years_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="longer"):
        Cadence.parse(text)


@pytest.mark.parametrize("cadence", ["P1200M", "P36525D", "P600M18262D"])
@pytest.mark.parametrize("anchor", ["1970-01-01", "2199-12-31"])
def test_the_longest_cadence_stays_inside_the_calendar_from_every_accepted_anchor(anchor: str, cadence: str) -> None:
    now = at("2026-05-01")

    period = period_at(now, at(anchor), Cadence.parse(cadence))

    assert now in period
    assert period.end < at("2200-01-01")


# What starts on the anchor and recurs: the instants at which the first periods end.
RECURRENCES = [
    ("2026-01-29", "P1M", ["2026-02-28", "2026-03-29", "2026-04-29"]),
    ("2026-01-30", "P1M", ["2026-02-28", "2026-03-30", "2026-04-30"]),
    ("2026-01-31", "P1M", ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
    ("2024-01-29", "P1M", ["2024-02-29", "2024-03-29"]),
    ("2024-01-30", "P1M", ["2024-02-29", "2024-03-30"]),
    ("2024-01-31", "P1M", ["2024-02-29", "2024-03-31"]),
    ("2024-02-29", "P1M", ["2024-03-29", "2024-04-29"]),
    ("2025-11-30", "P3M", ["2026-02-28", "2026-05-30", "2026-08-30"]),
    ("2025-11-29", "P3M", ["2026-02-28", "2026-05-29"]),
    ("2026-08-31", "P3M", ["2026-11-30", "2027-02-28", "2027-05-31"]),
    ("2023-11-30", "P3M", ["2024-02-29", "2024-05-30"]),
    ("2024-02-29", "P1Y", ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
    ("2096-02-29", "P1Y", ["2097-02-28", "2098-02-28", "2099-02-28", "2100-02-28", "2101-02-28"]),
    ("2026-02-28", "P1Y", ["2027-02-28", "2028-02-28"]),
    ("2026-12-31", "P1W", ["2027-01-07", "2027-01-14"]),
    ("2024-02-26", "P1W", ["2024-03-04", "2024-03-11"]),
    # Clocks change on 2026-03-29 and 2026-10-25 in Europe, 2026-03-08 and 2026-11-01 in America: UTC does not.
    ("2026-03-28T23:00:00", "P1D", ["2026-03-29T23:00:00", "2026-03-30T23:00:00"]),
    ("2026-03-22T23:00:00", "P1W", ["2026-03-29T23:00:00", "2026-04-05T23:00:00"]),
    ("2026-02-28T23:00:00", "P1M", ["2026-03-28T23:00:00", "2026-04-28T23:00:00"]),
    ("2026-10-24T22:00:00", "P1D", ["2026-10-25T22:00:00", "2026-10-26T22:00:00"]),
    ("2026-03-08T07:30:00", "PT1H", ["2026-03-08T08:30:00", "2026-03-08T09:30:00"]),
]


@pytest.mark.parametrize(("anchor", "cadence", "ends"), RECURRENCES)
def test_periods_end_where_the_calendar_says_and_never_drift(anchor: str, cadence: str, ends: list[str]) -> None:
    of = Cadence.parse(cadence)
    bounds = [at(anchor), *map(at, ends)]

    assert [of.after(at(anchor), n) for n in range(len(bounds))] == bounds
    for n, (start, end) in enumerate(pairwise(bounds)):
        assert period_at(start, at(anchor), of) == Period(start, end)
        assert period_at(end - timedelta(seconds=1), at(anchor), of) == Period(start, end)
        assert recurrence_at(start, at(anchor), of) == n


@pytest.mark.parametrize(
    ("instant", "anchor", "start", "end"),
    [
        ("2026-02-10", "2026-05-31", "2026-01-31", "2026-02-28"),
        ("2026-02-28", "2026-05-31", "2026-02-28", "2026-03-31"),
        ("2024-02-29", "2026-05-30", "2024-02-29", "2024-03-30"),
        ("2026-05-30T23:59:59", "2026-05-31", "2026-04-30", "2026-05-31"),
    ],
)
def test_an_anchor_that_lies_ahead_counts_backwards_alike(instant: str, anchor: str, start: str, end: str) -> None:
    assert period_at(at(instant), at(anchor), Cadence.parse("P1M")) == Period(at(start), at(end))


def test_an_instant_of_another_zone_is_the_same_instant_when_its_clocks_change() -> None:
    before, after = (
        datetime.fromisoformat(f"2026-{day}T00:00:00{zone}") for day, zone in (("03-01", "+01:00"), ("04-01", "+02:00"))
    )

    end = Cadence.parse("P1M").after(at("2026-02-28T23:00:00"), 1)
    assert before == at("2026-02-28T23:00:00")
    assert (end, after) == (at("2026-03-28T23:00:00"), at("2026-03-31T22:00:00"))


FIRST, LAST = (at(day).replace(tzinfo=None) for day in ("1971-01-01", "2199-01-01"))
DAYS = st.datetimes(FIRST, LAST).map(lambda day: day.replace(microsecond=0))


@given(DAYS, DAYS, st.sampled_from(["P1D", "P1W", "P1M", "P3M", "P1Y", "P1M3D", "PT6H"]))
def test_every_instant_is_in_exactly_one_period_and_periods_touch(one: datetime, other: datetime, text: str) -> None:
    anchor, instant, cadence = at(one.isoformat()), at(other.isoformat()), Cadence.parse(text)
    period = period_at(instant, anchor, cadence)

    assert instant in period
    assert period_at(period.end, anchor, cadence).start == period.end
    assert period_at(period.start - timedelta(seconds=1), anchor, cadence).end == period.start
    if not cadence.rest:
        last = monthrange(period.end.year, period.end.month)[1]
        assert period.end.day == min(anchor.day, last)


def ends(anchor: str, duration: str, zone: str, counts: range) -> list[str]:
    cadence = Cadence.parse(duration, zone)
    found = [cadence.after(at(anchor), n) for n in counts]
    assert all(each.utcoffset() == timedelta(0) for each in found)
    return [f"{each.astimezone(ZoneInfo(zone)):%y-%m-%dT%H:%M}" for each in found]


@pytest.mark.parametrize(
    ("anchor", "duration", "zone", "expected"),
    [
        # From 1 December in Berlin to 1 January, not to 31 December.
        ("2025-11-30T23:00:00", "P1M", "Europe/Berlin", ["25-12-01T00:00", "26-01-01T00:00", "26-02-01T00:00"]),
        # Across both changes of the clocks.
        ("2026-02-28T23:00:00", "P1M", "Europe/Berlin", ["26-03-01T00:00", "26-04-01T00:00", "26-05-01T00:00"]),
        ("2026-10-24T22:00:00", "P1D", "Europe/Berlin", ["26-10-25T00:00", "26-10-26T00:00", "26-10-27T00:00"]),
        ("2026-03-22T23:00:00", "P1W", "Europe/Berlin", ["26-03-23T00:00", "26-03-30T00:00", "26-04-06T00:00"]),
        # The 31st and leap years.
        ("2025-12-30T15:00:00", "P1M", "Asia/Tokyo", ["25-12-31T00:00", "26-01-31T00:00", "26-02-28T00:00"]),
        ("2028-01-31T05:00:00", "P1M", "America/New_York", ["28-01-31T00:00", "28-02-29T00:00", "28-03-31T00:00"]),
        ("2024-02-29T11:00:00", "P1Y", "Pacific/Auckland", ["24-03-01T00:00", "25-03-01T00:00", "26-03-01T00:00"]),
        # Half past two does not exist on 29 March in Berlin, and exists twice on 25 October.
        ("2026-02-28T01:30:00", "P29D", "Europe/Berlin", ["26-02-28T02:30", "26-03-29T03:30", "26-04-27T02:30"]),
        ("2026-09-25T00:30:00", "P1M", "Europe/Berlin", ["26-09-25T02:30", "26-10-25T02:30", "26-11-25T02:30"]),
        # Hours are hours, also when clocks change.
        ("2026-03-29T00:30:00", "PT30M", "Europe/Berlin", ["26-03-29T01:30", "26-03-29T03:00", "26-03-29T03:30"]),
        ("2026-03-28T23:00:00", "PT6H", "Europe/Berlin", ["26-03-29T00:00", "26-03-29T07:00", "26-03-29T13:00"]),
    ],
)
def test_months_and_days_are_those_of_the_zones_calendar(
    anchor: str, duration: str, zone: str, expected: list[str]
) -> None:
    assert ends(anchor, duration, zone, range(3)) == expected


@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe"]),
    duration=st.sampled_from(["P1D", "P1W", "P1M", "P1Y", "P1M3D", "PT6H", "PT1H", "P1DT1H"]),
    anchor=DAYS.map(lambda each: each.replace(year=2010 + each.year % 20, day=min(each.day, 28), tzinfo=UTC)),
    seconds=st.integers(-(10**8), 10**8),
)
def test_every_instant_is_in_one_period_of_its_zone(zone: str, duration: str, anchor: datetime, seconds: int) -> None:
    cadence, instant = Cadence.parse(duration, zone), anchor + timedelta(seconds=seconds)
    found = period_at(instant, anchor, cadence)

    assert instant in found
    assert period_at(found.end, anchor, cadence).start == found.end


@pytest.mark.parametrize("name", ["Berlin", "Europe/Nowhere", "../etc/passwd", "", "CET+5"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        known_zone(name)

"""Windows cover all time without overlap, also when a zone changes its clocks."""

from datetime import UTC, datetime
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.domain.metering.values.windows import Windows, WindowSize

ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"),
    *("America/Havana", "America/Santiago", "Asia/Beirut", "Pacific/Apia", "America/St_Johns", "Pacific/Chatham"),
    *("Africa/Monrovia", "Africa/Casablanca", "Antarctica/Troll", "Europe/Dublin"),
)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def shown(window: tuple[int, int], zone: str = "UTC") -> list[str]:
    return [datetime.fromtimestamp(second, ZoneInfo(zone)).isoformat() for second in window]


@settings(max_examples=1_000)
@given(st.integers(0, at("2199-12-31")), st.sampled_from(ZONES), st.sampled_from(list(WindowSize)))
def test_every_second_is_in_one_window(second: int, zone: str, size: WindowSize) -> None:
    windows = Windows(size, zone)
    start, end = windows.containing(second)
    assert start <= second < end
    assert windows.containing(start) == windows.containing(end - 1) == (start, end)
    assert windows.containing(end)[0] == end
    assert windows.containing(start - 1)[1] == start


@given(
    st.lists(st.integers(at("2011-12-01"), at("2012-01-31")) | st.integers(at("2026-10-24"), at("2026-11-02"))),
    st.sampled_from(ZONES),
    st.sampled_from(list(WindowSize)),
)
def test_what_was_asked_before_changes_no_answer(seconds: list[int], zone: str, size: WindowSize) -> None:
    windows = Windows(size, zone)
    assert [windows.containing(second) for second in seconds] == [
        Windows(size, zone).containing(second) for second in seconds
    ]


def test_a_day_is_computed_once_for_all_of_its_half_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    days = Windows(WindowSize.DAY, "Europe/Berlin")
    midnight = Mock(wraps=days._midnight)
    monkeypatch.setattr(days, "_midnight", midnight)
    start = at("2026-08-18T22:00")
    assert len({days.containing(start + n * 1_800) for n in range(48)}) == 1
    assert midnight.call_count <= 3


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("year", [1987, 2011, 2026])
def test_every_change_of_the_clocks_falls_between_windows_or_inside_a_day(zone: str, year: int) -> None:
    windows = Windows(WindowSize.HOUR, zone)
    for start, end in windows.between(at(f"{year}-01-01"), at(f"{year + 1}-01-01")):
        first, last = (datetime.fromtimestamp(second, ZoneInfo(zone)) for second in (start, end - 1))
        assert first.utcoffset() == last.utcoffset()
        assert (first.date(), first.hour) == (last.date(), last.hour)
        assert end - start <= 3_600


@pytest.mark.parametrize(
    ("zone", "second", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T12:00:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00:00", 25),
        ("Australia/Lord_Howe", "2026-04-04T16:00:00", 24.5),
        ("Australia/Lord_Howe", "2026-10-03T16:00:00", 23.5),
        ("America/Havana", "2026-11-01T12:00:00", 25),
        ("America/Santiago", "2026-09-06T12:00:00", 23),
    ],
)
def test_a_day_is_as_long_as_its_clocks_make_it(zone: str, second: str, hours: float) -> None:
    start, end = Windows(WindowSize.DAY, zone).containing(at(second))
    assert (end - start) / 3_600 == hours


def test_the_half_hour_of_lord_howe_is_a_window_of_its_own() -> None:
    hours = Windows(WindowSize.HOUR, "Australia/Lord_Howe").between(at("2026-04-04T14:00"), at("2026-04-04T16:30"))
    assert [shown(window, "Australia/Lord_Howe") for window in hours] == [
        ["2026-04-05T01:00:00+11:00", "2026-04-05T01:30:00+10:30"],
        ["2026-04-05T01:30:00+10:30", "2026-04-05T02:00:00+10:30"],
        ["2026-04-05T02:00:00+10:30", "2026-04-05T03:00:00+10:30"],
    ]


def test_a_day_that_never_was_has_no_window() -> None:
    days = Windows(WindowSize.DAY, "Pacific/Apia").between(at("2011-12-29T12:00"), at("2011-12-31T12:00"))
    assert [shown(window, "Pacific/Apia")[0][:10] for window in days] == ["2011-12-29", "2011-12-31", "2012-01-01"]


@pytest.mark.parametrize(
    ("size", "start", "end"),
    [
        ("MINUTE", "2026-08-19T13:45:00", "2026-08-19T13:46:00"),
        ("HOUR", "2026-08-19T13:00:00", "2026-08-19T14:00:00"),
        ("DAY", "2026-08-19T00:00:00", "2026-08-20T00:00:00"),
        ("WEEK", "2026-08-17T00:00:00", "2026-08-24T00:00:00"),
        ("MONTH", "2026-08-01T00:00:00", "2026-09-01T00:00:00"),
        ("QUARTER", "2026-07-01T00:00:00", "2026-10-01T00:00:00"),
        ("YEAR", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
    ],
)
def test_sizes_begin_where_calendars_do(size: str, start: str, end: str) -> None:
    assert shown(Windows(WindowSize(size), "UTC").containing(at("2026-08-19T13:45:59"))) == [
        f"{start}+00:00",
        f"{end}+00:00",
    ]


def test_hours_of_half_hour_zones_begin_at_their_full_hours() -> None:
    hour = Windows(WindowSize.HOUR, "Asia/Kolkata").containing(at("2026-08-19T13:45:59"))
    assert shown(hour, "Asia/Kolkata") == ["2026-08-19T19:00:00+05:30", "2026-08-19T20:00:00+05:30"]

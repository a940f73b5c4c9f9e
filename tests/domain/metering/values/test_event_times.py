"""The time of an event: its second, the microseconds in it, and a clean answer to everything that is no time."""

import json

import msgspec
import pytest

from functions.domain.errors import InvalidInput
from functions.domain.metering.values.cloudevents import parse_events, parse_partially
from functions.domain.metering.values.event import AcceptanceWindow, Event
from functions.domain.metering.values.lanes import Lanes

NOW = 1_790_000_000  # 2026-09-21T14:13:20Z
LANES = Lanes(8, b"a key of the test")
GOOD = {"id": "1", "source": "s", "type": "t", "subject": "c"}


def parse(*times: object) -> list[Event]:
    body = [GOOD if time is None else GOOD | {"time": time} for time in times]
    return parse_events(json.dumps(body).encode(), "default", LANES, AcceptanceWindow(), NOW)


@pytest.mark.parametrize(
    ("time", "second", "micros"),
    [
        (None, NOW, 0),
        ("2026-09-21T14:13:20Z", NOW, 0),
        ("2026-09-21t14:13:20z", NOW, 0),
        ("2026-09-21T14:13:20.1Z", NOW, 100_000),
        ("2026-09-21T14:13:20.000001Z", NOW, 1),
        ("2026-09-21T14:13:20.123456789Z", NOW, 123_457),
        ("2026-09-21T14:13:20.999999Z", NOW, 999_999),
        ("2026-09-21T14:13:19.5+00:00", NOW - 1, 500_000),
        ("2026-09-21T16:13:20.25+02:00", NOW, 250_000),
        ("2026-09-22T14:12:20+23:59", NOW, 0),
        ("2026-09-20T14:14:20-23:59", NOW, 0),
        ("2026-09-21T14:13:20.000000000000000000001Z", NOW, 0),
    ],
)
def test_micros_are_what_is_left_of_the_second(time: str | None, second: int, micros: int) -> None:
    for each in parse(time, time):
        assert (each.time, each.micros) == (second, micros)


@pytest.mark.parametrize("digits", ["9999999", "999999500", "999999999999999"])
@pytest.mark.parametrize("zone", ["Z", "+00:00", "z"])
@pytest.mark.parametrize("second", [59, 0, 1, 9])
def test_a_fraction_never_rounds_into_the_next_second(digits: str, zone: str, second: int) -> None:
    late = f"2026-08-31T23:59:{second:02d}.{digits}{zone}"
    (_, event, _) = parse("2026-09-21T14:13:20Z", late, "2026-09-21T14:13:00Z")
    assert (event.time % 60, event.micros) == (second, 999_999)
    assert parse(late)[0] == event
    body = json.dumps([GOOD | {"time": late}]).encode()
    assert parse_partially(body, "default", LANES, AcceptanceWindow(), NOW)[0].event == event


def test_data_that_looks_like_such_a_fraction_stays_as_it_is() -> None:
    body = json.dumps([GOOD | {"time": "2026-09-21T14:13:00Z", "data": {"t": "23:59:59.9999999Z"}}]).encode()
    (event,) = parse_events(body, "default", LANES, AcceptanceWindow(), NOW)
    assert json.loads(event.data) == {"t": "23:59:59.9999999Z"}


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ("9999-12-31T23:59:59Z", "too_new"),
        ("9999-12-31T23:59:59-23:59", "too_new"),
        ("9999-12-31T23:59:59.9999999Z", "too_new"),
        ("0001-01-01T00:00:00+23:59", "too_old"),
        ("0000-01-01T00:00:00Z", "invalid"),
        ("2026-09-21T14:13:60Z", "invalid"),
        ("2026-06-30T23:59:60.5Z", "invalid"),
        ("2026-09-21T24:00:00Z", "invalid"),
        ("2026-02-30T00:00:00Z", "invalid"),
        ("2026-09-21T14:13:20+24:00", "invalid"),
        ("2026-09-21T14:13:20", "no_time_zone"),
        ("2026-09-21T14:13:20.", "invalid"),
        ("2026-09-21T14:13:20,5Z", "invalid"),
        ("1790000000", "invalid"),
        (1_790_000_000, "invalid"),
        ("", "invalid"),
        ("\u0662026-09-21T14:13:20Z", "invalid"),
    ],
)
def test_what_is_no_time_in_the_window_is_named_by_its_index(time: object, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(None, time, None)
    assert [(error.field, error.code) for error in refused.value.fields] == [("[1].time", code)]


def test_a_leap_second_is_told_what_to_write_instead() -> None:
    with pytest.raises(InvalidInput, match="leap second"):
        parse("2026-06-30T23:59:60Z")


def test_a_record_of_before_microseconds_is_read_as_whole_seconds() -> None:
    old = msgspec.msgpack.encode([5, NOW, "1", "s", "t", "c", b'{"n":1}', b""])
    event = msgspec.msgpack.decode(old, type=Event)
    assert (event.fingerprint, event.time, event.data, event.micros) == (5, NOW, b'{"n":1}', 0)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([5, NOW, "1", "s", "t", "c"]), type=Event).micros == 0


def test_a_record_of_today_has_the_microseconds_last() -> None:
    (event,) = parse("2026-09-21T14:13:20.75Z")
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(event))
    assert (len(fields), fields[-1]) == (9, 750_000)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event


def test_the_fingerprint_knows_nothing_of_the_time() -> None:
    assert len({event.fingerprint for event in parse("2026-09-21T14:13:20.5Z", "2026-09-21T14:13:21Z", None)}) == 1

"""What a request body may hold, and how everything else is refused: by name, without losing its neighbours' errors."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.errors import InvalidInput, TooLarge
from functions.domain.metering.values.cloudevents import parse_events, parse_partially
from functions.domain.metering.values.event import AcceptanceWindow, Event
from functions.domain.metering.values.event_checker import MAX_EVENT_BYTES
from functions.domain.metering.values.lanes import Lanes, hash_key

NOW = 1_790_000_000
LANES = Lanes(8, b"a key of the test")
GOOD: dict[str, Any] = {"id": "1", "source": "api", "type": "call", "subject": "c1", "data": {"tokens": 5}}


def parse(body: object, now: int = NOW) -> list[Event]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_events(raw, "default", LANES, AcceptanceWindow(), now)


def reject(body: object) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        parse(body)
    return refused.value


def test_one_event_and_a_batch_are_read_alike() -> None:
    assert parse(GOOD) == parse([GOOD])
    event = parse(GOOD)[0]
    assert (event.id, event.source, event.type, event.subject) == ("1", "api", "call", "c1")
    assert (event.time, event.data) == (NOW, b'{"tokens": 5}')


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("2026-09-21T14:13:20Z", NOW),
        ("2026-09-21T14:13:20.999Z", NOW),
        ("2026-09-21T16:13:20+02:00", NOW),
        (None, NOW),
    ],
)
def test_time_is_utc_and_cut_to_the_second(time: str | None, seconds: int) -> None:
    assert parse(GOOD | {"time": time})[0].time == seconds


@pytest.mark.parametrize("data", [{}, None])
def test_no_data_is_allowed(data: object) -> None:
    assert parse(GOOD | {"data": data})[0].data in (b"", b"{}")


def test_extension_attributes_are_kept() -> None:
    event = parse([GOOD, GOOD | {"id": "2", "traceid": "abc", "attempt": 3}])[1]
    assert json.loads(event.extensions) == {"traceid": "abc", "attempt": 3}


def test_data_keeps_its_exact_digits_on_one_line() -> None:
    body = (
        b'{"id":"1","source":"s","type":"t","subject":"c","data":{\n "n": 0.10000000000000000000000001,\n "m": 1e5 }}'
    )
    assert parse(body)[0].data == b'{"n":0.10000000000000000000000001,"m":1e5}'


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"id": ""}, "id", "required"),
        ({"id": 5}, "id", "invalid"),
        ({"id": "x" * 257}, "id", "too_long"),
        ({"id": "a\u0000b"}, "id", "control_character"),
        ({"subject": "a\u0085b"}, "subject", "control_character"),
        ({"subject": "\U0001f600" * 251}, "subject", "too_long"),
        ({"source": ""}, "source", "required"),
        ({"type": "a\nb"}, "type", "control_character"),
        ({"time": "yesterday"}, "time", "invalid"),
        ({"time": "2026-09-21T14:13:20"}, "time", "no_time_zone"),
        ({"time": "2026-09-21T16:13:20Z"}, "time", "too_new"),
        ({"time": "2026-07-21T16:13:20Z"}, "time", "too_old"),
        ({"time": "0001-01-01T00:00:00Z"}, "time", "too_old"),
        ({"time": "9999-12-31T23:59:59Z"}, "time", "too_new"),
        ({"specversion": "0.3"}, "specversion", "unsupported"),
        ({"datacontenttype": "application/xml"}, "datacontenttype", "unsupported"),
        ({"data": "text"}, "data", "not_an_object"),
        ({"data": [1]}, "data", "not_an_object"),
        ({"data": {"x": "y" * MAX_EVENT_BYTES}}, "data", "too_large"),
        ({"Foo": 1}, "Foo", "unknown_field"),
        ({"data_base64": "aGk="}, "data_base64", "data_twice"),
        ({"x" * 65: 1}, "x" * 40, "unknown_field"),
        ({"traceId": "1"}, "traceId", "unknown_field"),
        ({"datacontenttype": "application/jsonp"}, "datacontenttype", "unsupported"),
        ({"datacontenttype": "text/plain; x=application/json"}, "datacontenttype", "unsupported"),
        ({"traceid": {"a": 1}}, "traceid", "invalid"),
    ],
)
def test_each_wrong_field_is_named(change: dict[str, Any], field: str, code: str) -> None:
    error = reject([GOOD, GOOD | {"id": "2"} | change])
    assert [(f.field, f.code) for f in error.fields] == [(f"[1].{field}", code)]
    assert "none was accepted" in error.detail


def test_all_invalid_events_are_listed_with_their_index() -> None:
    without_subject = {name: value for name, value in GOOD.items() if name != "subject"}
    error = reject([without_subject, GOOD, GOOD | {"time": "?"}, 17])
    assert [f.field for f in error.fields] == ["[0].subject", "[2].time", "[3]"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[",
        b"nonsense",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"id":NaN}',
        b"[" * 50_000,
        b'{"a":' * 9_999,
    ],
)
def test_what_is_no_event_is_refused(body: bytes) -> None:
    assert reject(body).detail.startswith("invalid event") or "none was accepted" in reject(body).detail


def test_too_many_events_are_refused_as_too_large() -> None:
    with pytest.raises(TooLarge):
        parse([GOOD] * 10_001)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    try:
        parse(body)
    except (InvalidInput, TooLarge):
        return


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
        max_leaves=8,
    ),
    st.sampled_from([*GOOD, "time", "extra"]),
)
def test_no_json_value_in_any_field_raises_anything_else(value: object, field: str) -> None:
    with suppress(InvalidInput):
        assert len(parse([GOOD | {field: value}])) == 1


def test_the_fingerprint_tells_tenant_subject_source_and_id_apart() -> None:
    of = LANES.fingerprint
    prints = {of("t", "s", "a", "bc"), of("t", "s", "ab", "c"), of("t", "sa", "b", "c"), of("u", "s", "a", "bc")}
    assert len(prints) == 4
    assert of("t", "s", "a", "bc") == Lanes(8, b"a key of the test").fingerprint("t", "s", "a", "bc")
    assert of("t", "s", "a", "bc") != Lanes(8, b"another key").fingerprint("t", "s", "a", "bc")


def test_lanes_slice_the_hash_space_evenly() -> None:
    middles = [int(hash_key(lane, 8)) for lane in range(8)]
    assert middles == sorted(middles)
    assert {middle * 4 // 2**128 for middle in middles} == {0, 1, 2, 3}


@given(st.lists(st.sampled_from([GOOD, GOOD | {"id": ""}, GOOD | {"time": "x"}, 7, {}, GOOD | {"a": "b"}]), min_size=1))
def test_partial_and_whole_judge_alike(batch: list[Any]) -> None:
    body = json.dumps(batch).encode()
    judged = parse_partially(body, "default", LANES, AcceptanceWindow(), NOW)
    assert len(judged) == len(batch)
    assert all((each.event is None) == bool(each.errors) for each in judged)
    for index, (each, sent) in enumerate(zip(judged, batch, strict=True)):
        assert all(error.field.startswith(f"[{index}]") for error in each.errors)
        try:
            assert parse([sent]) == [each.event]
        except InvalidInput as refused:
            alone = [(error.field.removeprefix("[0]"), error.code) for error in refused.fields]
            assert alone == [(error.field.removeprefix(f"[{index}]"), error.code) for error in each.errors]


NO_NUMBER = "NaN and Infinity are not JSON: send null or leave the property out"


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_literal_that_is_no_number_is_named_with_its_event_and_the_remedy(literal: bytes) -> None:
    good = json.dumps(GOOD).encode()
    wrong = good.replace(b"5", literal)
    alone = reject(wrong)
    assert NO_NUMBER in alone.detail
    assert [(each.field, each.code) for each in alone.fields] == [("[0]", "malformed_json")]
    among = reject(b"[%b, %b, %b]" % (good, wrong, good))
    assert [(each.field, each.code) for each in among.fields] == [("[1]", "malformed_json")]
    assert NO_NUMBER in among.fields[0].message
    assert NO_NUMBER in reject(b"[%b, %b" % (good, wrong)).detail, "an array that never ends"
    (judged,) = parse_partially(b"[%b]" % wrong, "default", LANES, AcceptanceWindow(), NOW)
    assert NO_NUMBER in judged.errors[0].message


@pytest.mark.parametrize(
    "wrong", [b'{"note": "NaN", "a": }', b'{"a": NaNa', b'{"Infinity": x}', b'{"a": -}', b"N", b""]
)
def test_what_is_no_such_literal_gets_no_such_advice(wrong: bytes) -> None:
    assert "NaN and" not in reject(wrong).detail

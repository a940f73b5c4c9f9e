"""What an event's JSON may hold: every reader reads what is taken, and the rest is refused by its index and a code."""

import json
import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions.domain.errors import InvalidInput
from functions.domain.metering.meters.values import decode_data
from functions.domain.metering.values import event_json
from functions.domain.metering.values.cloudevents import Judged, parse_events, parse_partially
from functions.domain.metering.values.event import AcceptanceWindow, Event
from functions.domain.metering.values.event_json import MAX_DEPTH, MAX_NUMBER_LENGTH
from functions.domain.metering.values.lanes import Lanes

NOW = 1_790_000_000
LANES = Lanes(8, b"a key of the test")
GOOD = b'{"id":"1","source":"s","type":"t","subject":"c","data":{"n":1}}'


def event(data: bytes = b'{"n":1}', more: bytes = b"", event_id: bytes = b"1") -> bytes:
    return b'{"id":"%b","source":"s","type":"t","subject":"c","data":%b%b}' % (event_id, data, more)


def batch(*events: bytes) -> bytes:
    return b"[%b]" % b",".join(events)


def parse(body: bytes) -> list[Event]:
    return parse_events(body, "default", LANES, AcceptanceWindow(), NOW)


def judge(body: bytes) -> list[Judged]:
    return parse_partially(body, "default", LANES, AcceptanceWindow(), NOW)


def refused(body: bytes) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as error:
        parse(body)
    return [(field.field, field.code) for field in error.value.fields]


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """Data of so many levels, itself included."""
    return b'{"k":' + opening * (levels - 1) + closing * (levels - 1) + b"}"


WRONG = {
    "one level too deep": (nested(MAX_DEPTH + 1), "too_deep"),
    "objects one level too deep": (b'{"k":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "too_deep"),
    "as deep as our parser goes": (nested(990), "too_deep"),
    "objects as deep as that": (b'{"k":' * 990 + b"1" + b"}" * 990, "too_deep"),
    "a byte that is not UTF-8": (b'{"k":"\xff"}', "invalid_utf8"),
    "a name that is not UTF-8": (b'{"\xff":1}', "invalid_utf8"),
    "a slash in two bytes": (b'{"k":"\xc0\xaf"}', "invalid_utf8"),
    "a NUL in two bytes": (b'{"k":"\xc0\x80"}', "invalid_utf8"),
    "an emoji in six bytes": (b'{"k":"\xed\xa0\xbd\xed\xb8\x80"}', "invalid_utf8"),
    "half an emoji in three bytes": (b'{"k":"\xed\xa0\xbd"}', "invalid_utf8"),
    "a character cut off": (b'{"k":"\xe2\x82"}', "invalid_utf8"),
    "a character beyond Unicode": (b'{"k":"\xf4\x90\x80\x80"}', "invalid_utf8"),
    "deep inside": (b'{"k":[{"l":[{"m":"\xff"}]}]}', "invalid_utf8"),
    "5,000 digits": (b'{"k":%b}' % (b"9" * 5_000), "number_too_long"),
    "a digit too many": (b'{"k":%b}' % (b"9" * (MAX_NUMBER_LENGTH + 1)), "number_too_long"),
    "a fraction too long": (b'{"k":0.%b}' % (b"1" * MAX_NUMBER_LENGTH), "number_too_long"),
    "beyond doubles": (b'{"k":1e400}', "number_out_of_range"),
    "just beyond doubles": (b'{"k":-1.8e308}', "number_out_of_range"),
    "digits and an exponent together": (b'{"k":%be99}' % (b"9" * 250), "number_out_of_range"),
    "nearer to zero than doubles": (b'{"k":[1e-309]}', "number_out_of_range"),
    "an exponent of twenty digits": (b'{"k":0e99999999999999999999}', "number_out_of_range"),
    "an exponent with zeros before it": (b'{"k":1E+0000000309}', "number_out_of_range"),
    "a name twice": (b'{"k":1,"k":2}', "duplicate_key"),
    "a name twice inside": (b'{"a":[{"k":1,"k":1}],"b":"x:y"}', "duplicate_key"),
    "a name twice, once escaped": (b'{"k":1,"\\u006b":2}', "duplicate_key"),
    "a name twice beside an escaped colon": (b'{"k" :1,"k":2,"l":"\\u003a"}', "duplicate_key"),
    "NaN": (b'{"k":NaN}', "malformed_json"),
    "Infinity": (b'{"k":-Infinity}', "malformed_json"),
    "a form feed between tokens": (b'{"k":\x0c1}', "malformed_json"),
    "a next line (U+0085) between tokens": (b'{"k":\xc2\x851}', "malformed_json"),
    "a tab in a text": (b'{"k":"\t"}', "malformed_json"),
    "an unknown escape": (b'{"k":"\\x"}', "malformed_json"),
    "deeper than any parser": (nested(50_000), "too_deep"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_some_reader_could_not_read_is_refused_by_its_index(name: str) -> None:
    data, code = WRONG[name]
    errors = refused(batch(GOOD, event(data), GOOD))
    assert [(field.partition(".")[0], found) for field, found in errors] == [("[1]", code)]


@pytest.mark.parametrize("name", WRONG)
def test_its_neighbours_are_taken_of_a_partial_batch(name: str) -> None:
    judged = judge(batch(event(event_id=b"a"), event(WRONG[name][0], event_id=b"b"), event(event_id=b"c")))
    assert [each.event and each.event.id for each in judged] == ["a", None, "c"]
    assert [error.code for error in judged[1].errors] == [WRONG[name][1]]


READABLE = {
    "as deep as may be": nested(MAX_DEPTH),
    "many arrays beside each other": b'{"k":[%b[]]}' % (b"[[],{}]," * 200),
    "brackets in a text": b'{"k":"%b"}' % (b"[{" * 200),
    "escaped quotes before brackets": b'{"k":"\\"%b\\\\"}' % (b"[" * 200),
    "a number as long as may be": b'{"k":%b}' % (b"9" * MAX_NUMBER_LENGTH),
    "whole numbers beyond 64 bits beside colons": b'{"k":[-%b,%b],"l":"x:y"}' % (b"9" * 20, b"9" * 40),
    "the largest double": b'{"k":1.7976931348623157e308}',
    "nearly the smallest double": b'{"k":1e-308}',
    "exponents": b'{"k":[1e5,1E-7,2e+10,0e0,1e100]}',
    "digits in a text": b'{"k":"%b"}' % (b"9" * 5_000),
    "an exponent in a text": b'{"k":"1e999999, 1e-999"}',
    "a hexadecimal id": b'{"k":"5e12345e-0001"}',
    "colons in texts": b'{"k":"a:b:c","l:m":{"n":"\\":"}}',
    "an escaped colon": b'{"k":"\\u003a","l":"\\u003A"}',
    "NUL": b'{"k":"a\\u0000b","\\u0000":1}',
    "line separators": '{"k":"\u2028\u2029\u0085"}'.encode(),
    "no characters": b'{"k":"\\uffff\\ufffe\\ufdd0"}',
    "an empty name": b'{"":1}',
    "10,000 names": b"{%b}" % b",".join(b'"k%d":%d' % (n, n) for n in range(10_000)),
    "names that differ in case or form": '{"k":1,"K":2,"\u00e9":3,"e\u0301":4}'.encode(),
    "one name in several objects": b'{"a":{"k":1},"b":{"k":2},"c":[{"k":3},{"k":4}]}',
    "every kind of value": b'{"k":[true,false,null,-0,0.0,"",{},[]]}',
    "delete": b'{"k":"\x7f"}',
}


@pytest.mark.parametrize("name", READABLE)
def test_what_every_reader_reads_is_taken_as_it_is(name: str) -> None:
    for body in (event(READABLE[name]), batch(GOOD, event(READABLE[name]))):
        taken = parse(body)[-1]
        assert taken.data == READABLE[name]
        assert_readable(taken)


def assert_readable(taken: Event) -> None:
    for part in filter(None, (taken.data, taken.extensions)):
        text = part.decode()  # strict
        assert b"\n" not in part and b"\r" not in part
        read = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        json.dumps(read, ensure_ascii=False).encode()  # no half surrogate pairs
        assert msgspec.json.decode(part) == read
        assert not event_json.is_deeper(part, MAX_DEPTH)
        assert decode_data(part).keys() == read.keys()
    for text in (taken.id, taken.source, taken.type, taken.subject):
        text.encode()


def _no_constant(text: str) -> None:
    raise AssertionError(text)


def _finite(text: str) -> float:
    Decimal(text)
    number = float(text)
    assert abs(number) != float("inf")
    return number


def test_deep_data_is_refused_alone_too() -> None:
    assert refused(event(nested(MAX_DEPTH + 1))) == [("[0].data", "too_deep")]
    assert refused(event(nested(50_000))) == [("[0]", "too_deep")]
    assert judge(event(nested(50_000)))[0].errors[0].code == "too_deep"


def test_a_deep_extension_is_no_extension() -> None:
    assert refused(batch(GOOD, event(more=b',"deep":' + nested(70)))) == [("[1].deep", "invalid")]
    assert refused(batch(GOOD, event(more=b',"deep":' + nested(50_000)))) == [("[1]", "too_deep")]


@pytest.mark.parametrize(
    ("more", "field", "code"),
    [
        (b',"trace":"\xff"', "[1].trace", "invalid_utf8"),
        (b',"tra\xff":1', "[1]", "invalid_utf8"),
        (b',"attempt":%b' % (b"9" * 400), "[1]", "number_too_long"),
        (b',"attempt":1e999', "[1]", "number_out_of_range"),
    ],
)
def test_extensions_are_read_by_everybody_too(more: bytes, field: str, code: str) -> None:
    assert refused(batch(GOOD, event(more=more))) == [(field, code)]


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "dataschema"])
def test_an_attribute_that_is_not_utf8_is_named(name: str) -> None:
    wrong = json.dumps({**json.loads(GOOD), name: "?"}).encode().replace(b"?", b"\xe9")
    assert refused(batch(GOOD, wrong)) == [(f"[1].{name}", "invalid_utf8")]


HALVES = {
    b"\\ud83d": "\ufffd",
    b"\\uDE00": "\ufffd",
    b"a\\ud83db": "a\ufffdb",
    b"\\ud83d\\ude00": "\U0001f600",
    b"\\uD83D\\uDE00\\ud83d": "\U0001f600\ufffd",
    b"\\ud83d\\ud83d\\ude00": "\ufffd\U0001f600",
    b"\\ude00\\ud83d": "\ufffd\ufffd",
    b"\\ud83d\\u0041": "\ufffdA",
    b"\\\\ud83d": "\\ud83d",
    b"\\\\\\ud83d": "\\\ufffd",
    b"\\ud83d\\\\ude00": "\ufffd\\ude00",
    b"\\ud83d\\n\\ude00": "\ufffd\n\ufffd",
}


@pytest.mark.parametrize("escaped", HALVES)
def test_half_a_surrogate_pair_becomes_one_replacement_character(escaped: bytes) -> None:
    for body in (event(b'{"k":"%b"}' % escaped), batch(GOOD, event(b'{"k":"%b"}' % escaped))):
        taken = parse(body)[-1]
        assert decode_data(taken.data) == {"k": HALVES[escaped]}
        assert_readable(taken)


def test_half_a_pair_is_replaced_in_every_text_of_an_event() -> None:
    body = (
        b'[{"id":"i\\ud83d","source":"s\\ud83d","type":"t\\ud83d","subject":"c\\ud83d","trace":"x\\ude00",'
        b'"dataschema":"d\\ud83d","data":{"k\\ud83d":[{"l":"\\ude00"}]}},%b]' % GOOD
    )
    taken, other = parse(body)
    assert (taken.id, taken.source, taken.type, taken.subject) == ("i\ufffd", "s\ufffd", "t\ufffd", "c\ufffd")
    assert decode_data(taken.data) == {"k\ufffd": [{"l": "\ufffd"}]}
    assert json.loads(taken.extensions) == {"trace": "x\ufffd", "dataschema": "d\ufffd"}
    assert [each.event for each in judge(body)] == [taken, other]


def test_names_that_only_differ_in_halves_are_one_name_twice() -> None:
    assert refused(event(b'{"\\ud83d":1,"\\ud83e":2}')) == [("[0].data", "duplicate_key")]


def test_an_attribute_that_comes_twice_counts_as_it_came_last() -> None:
    twice = GOOD[:-1] + b',"data":{"n":2},"id":"2"}'
    (taken,) = parse(twice)
    assert (taken.id, taken.data) == ("2", b'{"n":2}')
    assert parse(batch(twice)) == [taken]


def test_lines_inside_of_data_are_no_lines_of_the_archive() -> None:
    (taken,) = parse(event(b'{\r\n "k": [1,\r 2],\n "l": "a\\nb"\n}'))
    assert taken.data == b'{"k":[1,2],"l":"a\\nb"}'


@pytest.mark.parametrize(
    "body",
    [b"[%b" % GOOD, b"[%b]]" % event(b'{"k":NaN}'), b"[%b] x" % event(b'{"k":NaN}'), b'[%b,{"id":"]' % GOOD, b"[1}"],
)
def test_an_array_that_does_not_end_is_refused_whole(body: bytes) -> None:
    for way in (parse, judge):
        with pytest.raises(InvalidInput, match="invalid event"):
            way(body)


def test_an_array_is_cut_where_its_elements_end() -> None:
    tricky = [event(b'{"k":"],[{\\""}'), b"17", b'"a,b"', event(b'{"k":[1,[2,{"l":3}]]}'), b"", event(b'{"k":NaN}')]
    judged = judge(b" [ %b ] " % b" ,\n".join(tricky))
    codes = [each.errors[0].code if each.errors else "taken" for each in judged]
    assert codes == ["taken", "not_an_object", "not_an_object", "taken", "malformed_json", "malformed_json"]


PIECES = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\xff", b"\xed\xa0\xbd", b"\\ud83d", b"\\ude00", b"\\u0000",
    b"1e400", b"1e-400", b"9" * 301, b"NaN", b"\n", b"\r", b"\x0c", b"\xc2\x85", b"\xe2\x80\xa8", b'"n":1,',
    b"[" * 70, b"]" * 70, b"null", b"-0", b'{"a":1}', b"\xf0\x9f\x98\x80", b"\x00",
]  # fmt: skip


@pytest.mark.large
def test_every_event_that_is_taken_of_a_damaged_body_is_readable() -> None:
    """Seeded: 3,000 bodies with bytes flipped, cut out and put in."""
    draw = random.Random(20261128)
    seeds = [event(data, event_id=b"e") for data in READABLE.values() if len(data) < 2_000]
    taken_of_damaged = 0
    for _ in range(3_000):
        middle = damaged(draw, draw.choice(seeds))
        body = batch(event(event_id=b"first"), middle, event(event_id=b"last"))
        for taken in outcome(body):
            assert_readable(taken)
        for taken in outcome(middle):
            taken_of_damaged += 1
            assert_readable(taken)
    assert taken_of_damaged > 200


def outcome(body: bytes) -> list[Event]:
    """What is taken of a body; both ways of asking must agree, and no neighbour be lost."""
    try:
        judged = judge(body)
    except InvalidInput:
        with pytest.raises(InvalidInput):
            parse(body)
        return []
    taken = [each.event for each in judged if each.event is not None]
    assert all((each.event is None) == bool(each.errors) for each in judged)
    wrong = {index for index, each in enumerate(judged) if each.errors}
    if wrong:
        assert {int(field[1 : field.index("]")]) for field, _ in refused(body)} == wrong
    else:
        assert parse(body) == taken
    if len(judged) == 3:
        assert {judged[0].id, judged[2].id} == {"first", "last"}
        assert judged[0].event and judged[2].event
    return taken


def damaged(draw: random.Random, body: bytes) -> bytes:
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(body))
        kind = draw.randrange(4)
        if kind == 0:
            body = body[:at] + bytes([body[at] ^ (1 << draw.randrange(8))]) + body[at + 1 :]
        elif kind == 1:
            body = body[:at] + body[at + draw.randrange(1, 9) :]
        else:
            body = body[:at] + draw.choice(PIECES) + body[at:]
    return body


def test_damage_in_many_events_at_once_is_found_in_each() -> None:
    draw = random.Random(7)
    names = list(WRONG)
    chosen = [draw.choice([*names, None, None, None]) for _ in range(300)]
    events = [event(WRONG[name][0] if name else b'{"n":1}') for name in chosen if name != "deeper than any parser"]
    expected: list[Any] = [WRONG[name][1] if name else None for name in chosen if name != "deeper than any parser"]
    judged = judge(batch(*events))
    assert [each.errors[0].code if each.errors else None for each in judged] == expected

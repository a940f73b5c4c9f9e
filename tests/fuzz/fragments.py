"""Pieces of JSON and of what is none, as producers and attackers send them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

NOW = datetime(2026, 11, 28, 12, 34, 56, tzinfo=UTC)
PAST, AHEAD = timedelta(days=45), timedelta(hours=1)
SUBJECTS = ("acme", "globex", "initech", "umbrella", "hooli", "stark")
TYPES = ("call", "call", "call", "page", "nobody-counts-this")

Fragment = Callable[[Random], bytes]

NO_UTF8 = (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xc0\x80", b"\xfe\xfe\xff\xff")
ESCAPES = (b"\\ud800", b"\\udc00\\ud800", b"\\ud83d", b"\\u0000", b"\\u2028", b"\\x41", b"\\u12", b"\\", b"\\uFFFF")
TEXTS = (
    b"\xe2\x80\xa8",
    b"\xf0\x9f\x98\x80",
    b"\x00",
    b"\r\n",
    b"\x7f",
    b"\xc2\x85",
    b"\xef\xbb\xbf",
    b'"',
    b"%_\\\\%",
)
WORDS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"nan",
    b"undefined",
    b"None",
    b"True",
    b"'a'",
    b"",
    b"-",
    b"+1",
    b"01",
    b".5",
)


def time_text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def integer(chance: Random) -> bytes:
    digits = chance.choice((1, 13, 14, 19, 20, 31, 100, 299, 301, 4_299, 4_301, 6_000))
    return chance.choice((b"", b"-")) + str(chance.randint(1, 9)).encode() * digits


def fraction(chance: Random) -> bytes:
    exponent = chance.choice(
        ("", "", "e2", "E-19", "e-300", "e307", "e400", "e-9999", "e99999999", "e99999999999999999999")
    )
    digits = chance.choice(("0", "5", "123456789012345678901", "0" * 3_000))
    return f"{chance.randint(-99, 99)}.{digits}{exponent}".encode()


def nested(chance: Random) -> bytes:
    depth = chance.choice((1, 5, 32, 62, 63, 64, 65, 100, 127, 128, 129, 500, 950, 975, 985, 990, 1_100, 5_000))
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")))
    depth = depth // 2 if len(closing) == 2 else depth
    inner = chance.choice((b"1", b"{}", b"[]", b'"x"', b"1" if chance.random() < 0.9 else b"\xff"))
    missing = chance.choice((0, 0, 0, 0, 1))
    return opening * depth + inner + closing * (depth - missing)


def text(chance: Random) -> bytes:
    odd = chance.choice(chance.choice((NO_UTF8, ESCAPES, TEXTS)))
    return b'"' + chance.choice((b"", b"a")) + odd + chance.choice((b"", b"z" * chance.choice((1, 40)))) + b'"'


def long_text(chance: Random) -> bytes:
    letter = chance.choice((b"x", b"0", b"%", b"\\n", "ü".encode(), "😀".encode()))
    return b'"' + letter * chance.choice((255, 257, 1_024, 1_025, 30_000)) + b'"'


def many_keys(chance: Random) -> bytes:
    count = chance.choice((20, 1_000, 10_000))
    return b"{" + b",".join(b'"k%d":%d' % (number, number) for number in range(count)) + b"}"


def same_keys(chance: Random) -> bytes:
    name = chance.choice((b'"n"', b'"model"', b'"a"'))
    other = chance.choice((name, name, name[:1] + b"\\u%04x" % name[1] + name[2:]))
    return b"{%b:1,%b:%b}" % (name, other, chance.choice((b"2", b'"x"', b"[]")))


def word(chance: Random) -> bytes:
    return chance.choice(WORDS)


ODD: tuple[Fragment, ...] = (integer, fraction, nested, nested, text, text, long_text, many_keys, same_keys, word)


def odd(chance: Random) -> bytes:
    return chance.choice(ODD)(chance)


def usual_data(chance: Random) -> bytes:
    data: dict[str, object] = {"n": chance.choice((1, 7, 250, 0.25, "1.5", "12", -3, 0))}
    if chance.random() < 0.8:
        data["model"] = chance.choice(("small", "large", "größer", "a" * 50, 7, None, True))
    if chance.random() < 0.3:
        data["usage"] = {"in": [chance.randint(0, 9) for _ in range(3)], "by": {"region": chance.choice(("eu", "us"))}}
    if chance.random() < 0.1:
        data["n"] = chance.choice(("many", None, [1], {}, True, "NaN", 10**13, "1e-19"))
    if chance.random() < 0.1:
        data.pop("n")
    return json.dumps(data, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, None, 2))).encode()


def usual_time(chance: Random) -> datetime:
    if chance.random() < 0.1:
        edge = chance.choice((NOW - PAST, NOW + AHEAD))
        return edge + timedelta(seconds=chance.choice((-1, 0, 1)))
    return NOW - timedelta(seconds=chance.randint(0, 26 * 3_600))

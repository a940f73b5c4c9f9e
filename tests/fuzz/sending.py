"""Requests to ingest: CloudEvents of many shapes, most of them damaged afterwards, in every way they can be sent."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from tests.fuzz import fragments
from tests.fuzz.fragments import NOW, SUBJECTS, TYPES

EVENT, BATCH, JSON = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"

Members = list[tuple[bytes, bytes]]  # names and values as they are written


@dataclass
class Request:
    """`is_usual`: nothing is wrong with it, so all of its events must be accepted."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    is_partial: bool = False
    is_usual: bool = True


class Requests:
    """A seed's requests, one after the other; ids tell them apart."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._made = 0

    def next(self) -> Request:
        kind = self._chance.random()
        if kind < 0.05:
            return self._binary()
        if kind < 0.08:
            return self._nothing()
        count = self._chance.choice((1, 1, 1, 2, 3, 5, 9))
        events = [self._event() for _ in range(count)]
        is_batch = count > 1 or self._chance.random() < 0.3
        is_usual = self._chance.random() < 0.25
        if not is_usual:
            for _ in range(self._chance.choice((1, 1, 1, 2, 4))):
                self._damage(self._chance.choice(events))
        written = [_written(event) for event in events]
        body = b"[" + b",".join(written) + b"]" if is_batch else written[0]
        request = Request(body, {"content-type": BATCH if is_batch else EVENT}, self._chance.random() < 0.3, is_usual)
        if self._chance.random() < 0.3:
            request.headers["content-type"] = JSON
        if not is_usual and self._chance.random() < 0.4:
            request.body = self._chance.choice(BYTES)(request.body, self._chance)
        return self._packed(request)

    def _event(self) -> Members:
        chance = self._chance
        self._made += 1
        # One in eight was sent before, perhaps with other content.
        number = chance.randrange(self._made) if chance.random() < 0.12 else self._made
        event: dict[str, object] = {
            "specversion": "1.0",
            "id": f"e{number}" + chance.choice(("", "", "-é", "-" + "x" * 200)),
            "source": chance.choice(("api", "api", "https://example.com/a?b=c", "s" * 1_000)),
            "type": chance.choice(TYPES),
            "subject": chance.choice(SUBJECTS),
        }
        if chance.random() < 0.9:
            event["time"] = fragments.time_text(NOW - timedelta(seconds=chance.randint(0, 26 * 3_600)))
        if chance.random() < 0.2:
            event["traceparent"] = chance.choice(("00-4bf9", 7, True, "größe"))
        if chance.random() < 0.1:
            event["datacontenttype"] = chance.choice(("application/json", "application/json; charset=utf-8"))
        members = [(json.dumps(name).encode(), json.dumps(value).encode()) for name, value in event.items()]
        if chance.random() < 0.97:
            members.append((b'"data"', fragments.usual_data(chance)))
        if chance.random() < 0.3:
            chance.shuffle(members)
        return members

    def _damage(self, members: Members) -> None:
        chance = self._chance
        kind = chance.random()
        place = chance.randrange(len(members))
        name, value = members[place]
        if kind < 0.4:
            self._damage_data(members)
        elif kind < 0.55:
            members[place] = name, fragments.odd(chance)
        elif kind < 0.62:
            members[place] = fragments.text(chance), value
        elif kind < 0.69:
            members.append(
                (
                    chance.choice((fragments.text(chance), b'"trace"', b'"Trace_1"', b'"data_base64"')),
                    fragments.odd(chance),
                )
            )
        elif kind < 0.74:
            members.append(members[place])
        elif kind < 0.79:
            del members[place]
        elif kind < 0.87:
            members.append((b'"time"', json.dumps(fragments.time_text(fragments.usual_time(chance))).encode()))
        elif kind < 0.93:
            times = (
                "2026-11-28",
                "yesterday",
                "2026-11-28T12:00:00",
                "0001-01-01T00:00:00+23:59",
                "9999-12-31T23:59:59Z",
                "2026-11-28T23:59:60Z",
                "2026-11-28T11:59:59.9999999Z",
                "2026-11-28T11:00:00+00:00:30",
                "",
            )
            members.append((b'"time"', json.dumps(chance.choice(times)).encode()))
        else:
            members += [(b'"ext%d"' % number, b"1") for number in range(chance.choice((1, 15, 16, 17)))]

    def _damage_data(self, members: Members) -> None:
        chance = self._chance
        part = b"%b:%b" % (
            chance.choice((b'"n"', b'"model"', b'"more"', fragments.text(chance))),
            fragments.odd(chance),
        )
        more = chance.choice((part, b'"n":1,' + part, part + b',"model":"small"'))
        whole = chance.choice(
            (b"{%b}" % more, b"{%b}" % more, b'{"deep":{"er":[%b]}}' % fragments.odd(chance), fragments.odd(chance))
        )
        members[:] = [each for each in members if each[0] != b'"data"'] + [(b'"data"', whole)]

    def _binary(self) -> Request:
        chance, members = self._chance, self._event()
        headers = {"content-type": JSON}
        for name, value in members:
            if name not in (b'"data"', b'"datacontenttype"'):
                headers["ce-" + json.loads(name)] = str(json.loads(value))
        body = fragments.usual_data(chance) if chance.random() < 0.5 else b"{%b}" % fragments.same_keys(chance)
        if chance.random() < 0.3:
            headers["ce-" + chance.choice(("id", "subject", "x", "data"))] = chance.choice(
                ("", "a%20b", "%ff", '"q\\"q"', "ü\udc00")
            )
        return Request(body, headers, chance.random() < 0.2, is_usual=False)

    def _nothing(self) -> Request:
        body = self._chance.choice(
            (b"", b" ", b"[]", b"[ ]", b"{}", b"[{}]", b"null", b"[null]", b"1", b"[[]]", b'"x"')
        )
        return Request(body, {"content-type": self._chance.choice((EVENT, BATCH, JSON))}, is_usual=False)

    def _packed(self, request: Request) -> Request:
        chance, kind = self._chance, self._chance.random()
        if kind < 0.15:
            request.headers |= {
                "content-encoding": "gzip",
                "content-type": BATCH if request.body[:1] == b"[" else EVENT,
            }
            request.body = gzip.compress(request.body, mtime=0)
            way = chance.random()
            if way < 0.15:
                request.body, request.is_usual = request.body[: chance.randrange(len(request.body))], False
            elif way < 0.3:
                request.body, request.is_usual = request.body + gzip.compress(b" ", mtime=0), False
            elif way < 0.4:
                request.body, request.is_usual = _flipped(request.body, chance), False
        elif kind < 0.2:
            request.headers["content-type"] = chance.choice(
                (
                    "text/plain",
                    "application/cloudevents+json; charset=utf-8",
                    "application/json; charset=latin-1",
                    "",
                    "a" * 300,
                )
            )
            request.is_usual = False
        return request


def _written(members: Members) -> bytes:
    return b"{" + b",".join(b"%b:%b" % member for member in members) + b"}"


def _flipped(body: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(body))
    return body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]


def _inserted(body: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(body) + 1)
    piece = chance.choice((fragments.odd(chance), chance.choice(fragments.NO_UTF8), bytes([chance.randrange(256)])))
    return body[:at] + piece + body[at:]


def _cut(body: bytes, chance: Random) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def _without(body: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(body) + 1)
    return body[:at] + body[at + chance.choice((1, 2, 20)) :]


def _twice(body: bytes, chance: Random) -> bytes:
    return body + chance.choice((b"", b"\n", b",")) + body


def _marked(body: bytes, chance: Random) -> bytes:
    return b"\xef\xbb\xbf" + body


def _in_utf16(body: bytes, chance: Random) -> bytes:
    return body.decode(errors="replace").encode("utf-16", "surrogatepass")


BYTES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flipped,
    _flipped,
    _inserted,
    _inserted,
    _cut,
    _without,
    _twice,
    _marked,
    _in_utf16,
)

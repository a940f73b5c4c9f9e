"""Accepted events in S3 as gzipped JSON lines, one object per commit, in partitions a query engine reads.

archive/day=<YYYY-MM-DD>/hour=<HH>/lane-<lane>-<commit, 12 digits>.jsonl.gz    by the hour the commit was decided
staging/<lane>/<attempt>.jsonl.gz                                             until the commit is applied
rejects/<identity>                                                            records nobody could read, whole
quarantine/archive/...                                                        what a repair has replaced, as it was
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from isal import igzip
from isal.igzip_lib import IsalError

from functions.adapters.aws import object_body
from functions.domain.errors import ArchiveGap, NotFound
from functions.domain.metering.ledger.ledger import HOUR_SECONDS, Commit
from functions.domain.metering.values.event import Event, Void
from functions.domain.metering.values.readable import is_readable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GZIP_LEVEL = 1  # of ISA-L: smaller than zlib's first level in a sixth of its time
FETCHERS = 10  # the connections a client keeps
# What unpacking and parsing raise at bytes that were never written by `encode_lines`, or only in part.
UNREADABLE = (OSError, EOFError, IsalError, msgspec.MsgspecError)
BESIDE = "Counters still have them: choose from and to on half hours, windows of an hour or more, and no exact."
NO_DATA_TEXT = b"null"
NO_DATA = msgspec.Raw(NO_DATA_TEXT)


class ArchivedEvent(msgspec.Struct, omit_defaults=True):
    """One line; `meter_version` is the meter set the event was counted with.

    A line with `voids`, the id of a correction, is no event: it says that the event of this tenant, subject, source, id
    and time does not count. `data_base64` has data that are no JSON a reader could read, and then `data` is null: no
    meter takes anything from them.
    """

    tenant: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    received_at: str
    meter_version: int
    data: msgspec.Raw = NO_DATA
    extensions: msgspec.Raw = NO_DATA
    voids: str = ""
    data_base64: str = ""
    commit: int = 0  # not stored: the object's name says it
    micros: int = 0  # beside `time`, whose texts compare like instants

    @property
    def time_seconds(self) -> int:
        return int(datetime.fromisoformat(self.time).timestamp())

    @property
    def received_seconds(self) -> int:
        return int(datetime.fromisoformat(self.received_at).timestamp())

    @property
    def raw_data(self) -> bytes:
        """The event's data as it was counted: empty for none."""
        if self.data_base64:
            return b64decode(self.data_base64)
        return b"" if self.data == NO_DATA else bytes(self.data)

    @property
    def raw_extensions(self) -> bytes:
        """Further attributes of the event as a JSON object: empty for none."""
        return b"" if self.extensions == NO_DATA else bytes(self.extensions)


_encode_line = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines
_decode_line = msgspec.json.Decoder(ArchivedEvent).decode
_decode_lines = msgspec.json.Decoder(ArchivedEvent).decode_lines
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# Where the attributes end that our own encoder has checked; inside a text its quotes would be escaped.
_CONTENT = re.compile(rb',"(data|extensions)":')
_EXTENSIONS = b',"extensions":'


@lru_cache(maxsize=100_000)
def _iso(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def archive_key(lane: int, n: int, decided_hour: int) -> str:
    decided = datetime.fromtimestamp(decided_hour * HOUR_SECONDS, UTC)
    return f"archive/day={decided:%Y-%m-%d}/hour={decided:%H}/lane-{lane:03d}-{n:012d}.jsonl.gz"


def encode_lines(groups: Sequence[tuple[str, str, list[Event]]], received_at: int, versions: dict[str, int]) -> bytes:
    """The gzipped lines of a commit's events, the same bytes for the same events."""
    received = _iso(received_at)
    raw = msgspec.Raw
    lines: list[ArchivedEvent] = []
    for tenant, subject, events in groups:
        version = versions[tenant]
        lines += [
            ArchivedEvent(
                tenant,
                event.id,
                event.source,
                event.type,
                subject,
                _iso(event.time),
                received,
                version,
                raw(event.data) if event.data else NO_DATA,
                raw(event.extensions) if event.extensions else NO_DATA,
                micros=event.micros,
            )
            for event in events
        ]
    body = _encode_lines(lines)
    if not _is_text(body):  # accepted by a version that did not look
        body = _encode_lines(map(_with_readable_data, lines))
    return igzip.compress(body, compresslevel=GZIP_LEVEL, mtime=0)


def encode_void_lines(voids: Sequence[tuple[str, Void]], received_at: int, versions: dict[str, int]) -> bytes:
    lines = [
        ArchivedEvent(
            tenant, void.id, void.source, "", void.subject, _iso(void.time), _iso(received_at), versions[tenant],
            voids=void.correction_id,
        )
        for tenant, void in voids
    ]  # fmt: skip
    return igzip.compress(_encode_lines(lines), compresslevel=GZIP_LEVEL, mtime=0)


def decode_lines(body: bytes, n: int) -> Iterator[ArchivedEvent]:
    """The lines of commit n; one that cannot be read whole costs only its own data (see `data_base64`)."""
    raw = igzip.decompress(body)  # type: ignore[no-untyped-call]
    try:
        lines = _decode_lines(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        lines = [line for text in raw.split(b"\n") if text and (line := _saved(text)) is not None]
    for line in lines:
        line.commit = n
        yield line


def _saved(text: bytes) -> ArchivedEvent | None:
    """A line with its data aside where they cannot be read; None when not even its head can."""
    try:
        return _decode_line(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _rescued(text)


def _rescued(text: bytes) -> ArchivedEvent | None:
    head = _CONTENT.search(text)
    if head is None:
        return None
    try:
        line = _decode_line(text[: head.start()] + b"}")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    data, extensions = _apart(text[head.start() : -1])
    line.data_base64 = b64encode(data).decode()
    line.extensions = msgspec.Raw(extensions)
    return line


def _apart(content: bytes) -> tuple[bytes, bytes]:
    """Data and extensions of a line behind its head; extensions end it, and are an object without objects in it."""
    data, _, extensions = content.rpartition(_EXTENSIONS)
    try:
        _decode_object(extensions)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        data, extensions = content, NO_DATA_TEXT
    return data.removeprefix(b',"data":').removeprefix(_EXTENSIONS), extensions


def readable_line(text: bytes) -> tuple[ArchivedEvent, bytes] | None:
    """A line and how it is written so that everybody can read it, unchanged if it is; None without a readable head."""
    try:
        line = _decode_line(text)
        if _is_text(text) and is_readable(bytes(line.data)) and is_readable(bytes(line.extensions)):
            return line, text
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        rescued = _rescued(text)
        if rescued is None:
            return None
        line = rescued
    line = _with_readable_data(line)
    return line, _encode_line(line)


def _with_readable_data(line: ArchivedEvent) -> ArchivedEvent:
    """What cannot be read lies aside, so that the object stays text for readers of text."""
    data = bytes(line.data)
    if not is_readable(data):
        line = msgspec.structs.replace(line, data=NO_DATA, data_base64=b64encode(data).decode())
    extensions = bytes(line.extensions).decode(errors="replace").encode()
    return msgspec.structs.replace(line, extensions=msgspec.Raw(extensions))


def _is_text(body: bytes) -> bool:
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lines_if_any(body: bytes, n: int) -> list[ArchivedEvent] | None:
    """None for what is no object of ours: as good as gone."""
    try:
        return list(decode_lines(body, n))
    except UNREADABLE:  # type: ignore[misc]  # isal says an instance
        return None


def readable_lines(key: str, body: bytes | None, n: int) -> Iterator[ArchivedEvent]:
    """The lines of commit n's object; raises ArchiveGap when it is not there (None) or is not what was once written."""
    if body is None:
        raise ArchiveGap(f"The archived events of {key} are gone. {BESIDE}", code="archive_object_missing")
    try:
        yield from decode_lines(body, n)
    except UNREADABLE as error:  # type: ignore[misc]  # isal says an instance
        message = f"The archived events of {key} cannot be read. {BESIDE}"
        raise ArchiveGap(message, code="archive_object_unreadable") from error


def _without_expect(params: Any, **_: Any) -> None:
    params["headers"].pop("Expect", None)


class S3Archive:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        # Asking S3 before each body whether it wants it costs a round trip that only large uploads are worth.
        client.meta.events.register_last("before-call.s3", _without_expect)
        self._client = client
        self._bucket = bucket

    def encode(
        self, groups: Sequence[tuple[str, str, list[Event]]], received_at: int, versions: dict[str, int]
    ) -> bytes:
        return encode_lines(groups, received_at, versions)

    def encode_voids(self, voids: Sequence[tuple[str, Void]], received_at: int, versions: dict[str, int]) -> bytes:
        return encode_void_lines(voids, received_at, versions)

    def stage(self, lane: int, attempt: str, body: bytes) -> str:
        key = f"staging/{lane}/{attempt}.jsonl.gz"
        self._client.put_object(Bucket=self._bucket, Key=key, Body=body)
        return key

    def publish(self, commit: Commit) -> None:
        key = archive_key(commit.lane, commit.n, commit.decided_at // HOUR_SECONDS)
        if not commit.staged_key:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=commit.inline_archive)
            return
        source = {"Bucket": self._bucket, "Key": commit.staged_key}
        self._client.copy_object(Bucket=self._bucket, Key=key, CopySource=source)  # type: ignore[arg-type]

    def events(self, lane: int, n: int, decided_hour: int) -> Iterator[ArchivedEvent]:
        """The archived events of a commit."""
        key = archive_key(lane, n, decided_hour)
        yield from readable_lines(key, self._body_if_there(key), n)

    def events_of(self, lane: int, commits: Sequence[tuple[int, int]]) -> Iterator[ArchivedEvent]:
        """The archived events of many commits; a few objects are fetched at a time, ahead of their reader."""
        with ThreadPoolExecutor(FETCHERS) as pool:
            for start in range(0, len(commits), FETCHERS):
                some = commits[start : start + FETCHERS]
                keys = [archive_key(lane, n, decided_hour) for n, decided_hour in some]
                for (n, _), key, body in zip(some, keys, pool.map(self._body_if_there, keys), strict=True):
                    yield from readable_lines(key, body, n)

    def lines_of(
        self, lane: int, commits: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, list[ArchivedEvent] | None]]:
        """(commit, its lines) of many commits, in order; None for an object that is not there."""
        with ThreadPoolExecutor(FETCHERS) as pool:
            for start in range(0, len(commits), FETCHERS):
                some = commits[start : start + FETCHERS]
                keys = [archive_key(lane, n, decided_hour) for n, decided_hour in some]
                for (n, _), body in zip(some, pool.map(self._body_if_there, keys), strict=True):
                    yield n, None if body is None else _lines_if_any(body, n)

    def _body_if_there(self, key: str) -> bytes | None:
        try:
            return self._body(key)
        except self._client.exceptions.NoSuchKey:
            return None

    def _body(self, key: str) -> bytes:
        return object_body(self._client, self._bucket, key)

    def rejected_record(self, key: str) -> bytes:
        try:
            return self._body(key)
        except self._client.exceptions.NoSuchKey as error:
            raise NotFound("The bytes of this record are not kept any more.", code="record_not_found") from error

    def put_rejected_record(self, identity: str, body: bytes) -> str:
        """Keep bytes that could not be processed; returns their key."""
        key = f"rejects/{identity}"
        self._client.put_object(Bucket=self._bucket, Key=key, Body=body)
        return key

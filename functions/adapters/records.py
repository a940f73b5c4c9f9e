"""The bytes of stream records and stored commits: MessagePack, compressed with Zstandard.

A stream record of the first wire version begins with Zstandard's own magic number. Any later one begins with MARK and
its version, a byte; a reader that does not know it yet leaves it in the stream, until a newer reader takes it.

A commit is stored without the distinct values of its lanes' totals: they are those of its subjects once more and, being
hashes, compress badly.
"""

import threading
from collections.abc import Iterable
from decimal import Decimal

import msgspec
import zstandard

from functions.domain.errors import Unavailable
from functions.domain.metering.cells.aggregation import LARGEST_INT, pack_values, unpack_values, with_micros
from functions.domain.metering.cells.pages import PageDelta, PageKey
from functions.domain.metering.ledger.ledger import Commit
from functions.domain.metering.values.event import CloseMarker, Pack

LEVEL = 1
MARK = b"tollbooth"
WIRE_VERSION = 1  # the newest that is read
WAITS_SECONDS = 60
MAX_DECODED_BYTES = 64 * 1024 * 1024  # far above anything we write; a hostile record must not fill the memory

_encode = msgspec.msgpack.Encoder().encode
_decode_record = msgspec.msgpack.Decoder(Pack | CloseMarker).decode
_decode_commit = msgspec.msgpack.Decoder(Commit).decode


class _Zstd(threading.local):
    """One of a thread: neither may serve two at once (documentation of zstandard), and questions read in several."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_zstd = _Zstd()


class Undecodable(ValueError):
    """Bytes that are not one of our records."""


def encode_record(record: Pack | CloseMarker) -> bytes:
    return _zstd.compress(_encode(record))


def decode_record(body: bytes) -> Pack | CloseMarker:
    """Raises Undecodable, and Unavailable for a record of a newer version: it is not to be rejected."""
    if body.startswith(MARK) and (version := body[len(MARK) :][:1]) > bytes((WIRE_VERSION,)):
        raise Unavailable(
            f"A record has wire version {version[0]} and is left for a function that reads more than {WIRE_VERSION}.",
            retry_after_seconds=WAITS_SECONDS,
        )
    try:
        record: Pack | CloseMarker = _decode_record(_inflate(body))
    except (msgspec.MsgspecError, zstandard.ZstdError, ValueError) as error:
        raise Undecodable(f"{type(error).__name__}: {error}") from error
    return record


def decoded_size(body: bytes) -> int:
    """What a record says it holds; 0 for bytes that are none, or that no reader would decode."""
    try:
        size = zstandard.frame_content_size(body)
    except zstandard.ZstdError:
        return 0
    return size if 0 < size <= MAX_DECODED_BYTES else 0


def encode_commit(commit: Commit) -> bytes:
    pages = [msgspec.structs.replace(page, values={}) if _is_total(page) else page for page in commit.pages]
    try:
        body = _encode(msgspec.structs.replace(commit, pages=pages))
    except OverflowError:
        body = _encode(msgspec.structs.replace(commit, pages=list(map(_widened, pages))))
    return _zstd.compress(body)


def _widened(page: PageDelta) -> PageDelta:
    """MessagePack's integers end at 64 bits; values that go further are decimals already, lanes' sums may not be."""
    sums = {name: value if -LARGEST_INT <= value < LARGEST_INT else Decimal(value) for name, value in page.sum.items()}
    return msgspec.structs.replace(page, sum=sums)


def decode_commit(body: bytes) -> Commit:
    commit = _decode_commit(_inflate(body))
    for page in commit.pages:
        for cells in (page.latest, page.lost_latest):
            cells |= {name: with_micros(cell) for name, cell in cells.items()}
    totals = {page.key: page for page in commit.pages if page.key.subject is None}
    for key, values in _united(commit.pages).items():
        totals[key].values.update(values)
    return commit


def _is_total(page: PageDelta) -> bool:
    return page.key.subject is None and bool(page.values)


def _united(pages: Iterable[PageDelta]) -> dict[PageKey, dict[str, bytes]]:
    """The values of the subjects' cells, by cell of their lane: its cells have the same places."""
    united: dict[PageKey, dict[str, set[int]]] = {}
    for page in pages:
        if page.values and page.key.subject is not None:
            cells = united.setdefault(msgspec.structs.replace(page.key, subject=None), {})
            for name, values in page.values.items():
                cells.setdefault(name, set()).update(unpack_values(values))
    return {key: {name: pack_values(values) for name, values in cells.items()} for key, cells in united.items()}


def _inflate(body: bytes) -> bytes:
    size = zstandard.frame_content_size(body)
    if not 0 <= size <= MAX_DECODED_BYTES:
        raise Undecodable(f"The record says it holds {size} bytes.")
    return _zstd.decompress(body, max_output_size=MAX_DECODED_BYTES)

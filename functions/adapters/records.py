"""The bytes of stream records and stored commits: MessagePack, compressed with Zstandard."""

import msgspec
import zstandard

from functions.domain.metering.event import CloseMarker, Pack
from functions.domain.metering.ledger import Commit

LEVEL = 1
MAX_DECODED_BYTES = 64 * 1024 * 1024  # far above any record we write; a hostile one must not fill the memory

_encode = msgspec.msgpack.Encoder().encode
_decode_record = msgspec.msgpack.Decoder(Pack | CloseMarker).decode
_decode_commit = msgspec.msgpack.Decoder(Commit).decode
_compress = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False).compress
_decompressor = zstandard.ZstdDecompressor()


class Undecodable(ValueError):
    """Bytes that are not one of our records."""


def encode_record(record: Pack | CloseMarker) -> bytes:
    return _compress(_encode(record))


def decode_record(body: bytes) -> Pack | CloseMarker:
    try:
        record: Pack | CloseMarker = _decode_record(_inflate(body))
    except (msgspec.MsgspecError, zstandard.ZstdError, ValueError) as error:
        raise Undecodable(f"{type(error).__name__}: {error}") from error
    return record


def encode_commit(commit: Commit) -> bytes:
    return _compress(_encode(commit))


def decode_commit(body: bytes) -> Commit:
    return _decode_commit(_inflate(body))


def _inflate(body: bytes) -> bytes:
    size = zstandard.frame_content_size(body)
    if not 0 <= size <= MAX_DECODED_BYTES:
        raise Undecodable(f"The record says it holds {size} bytes.")
    return _decompressor.decompress(body, max_output_size=MAX_DECODED_BYTES)

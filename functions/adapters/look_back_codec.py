"""The bytes of a kept look-back: MessagePack behind a version, not compressed, as fingerprints do not compress."""

import msgspec

from functions.domain.metering.ledger.look_back import Further, Whole

VERSION = b"\x01"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Whole | Further).decode


def encode_part(part: Whole | Further) -> bytes:
    return VERSION + _encode(part)


def decode_part(body: bytes) -> Whole | Further | None:
    """None for what another version wrote: the log says the same, only more dearly."""
    if not body.startswith(VERSION):
        return None
    try:
        part: Whole | Further = _decode(memoryview(body)[1:])
    except msgspec.MsgspecError:
        return None
    return part

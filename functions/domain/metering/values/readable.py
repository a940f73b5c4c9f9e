"""Which data of an event a reader can read, from any version and time: UTF-8 JSON, no deeper than is taken today."""

from decimal import Decimal

import msgspec

from functions.domain.metering.values.event_json import MAX_DEPTH, is_deeper

# As meters read it: a binary float would be infinite for numbers that they count.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def is_too_deep(raw: bytes) -> bool:
    """Decoders recurse: how deep they get depends on the Python and on who calls them."""
    return is_deeper(raw, MAX_DEPTH)


def is_readable(raw: bytes) -> bool:
    if is_too_deep(raw):
        return False
    try:
        raw.decode()
        _decode(raw)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        return False
    return True

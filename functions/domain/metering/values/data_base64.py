"""`data_base64` of CloudEvents in JSON: data that a producer holds as bytes, taken when the bytes are JSON."""

import base64
import binascii

import msgspec

from functions.domain.metering.values import json_repair
from functions.domain.metering.values.event_json import Unreadable, too_deep

JSON_IN_BASE64 = "data_base64"

_decode_text = msgspec.json.Decoder(str).decode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode


def data_of(encoded: bytes) -> bytes:
    """The JSON in a JSON string of base64; raises Unreadable."""
    try:
        data = base64.b64decode(_decode_text(encoded), validate=True)
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise Unreadable("invalid_base64", "must be a string of base64 (RFC 4648, with padding)") from error
    try:
        return bytes(_decode_raw(json_repair.whole_characters(data))) if data else b"null"
    except RecursionError as error:
        raise too_deep() from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unreadable(
            "malformed_json", f"holds something else than JSON: {error}; meters read a JSON object"
        ) from error

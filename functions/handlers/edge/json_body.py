"""JSON in and out without a binary float: every number is an int or a Decimal, and every text is valid Unicode."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from functions.domain.errors import FieldError, InvalidInput, TooLarge, UnsupportedMedia
from functions.domain.metering.values.event_json import is_deeper
from functions.handlers.edge.media_type import media_type

JSON = "application/json"
# Records are small; what fits here fits into a database item of 400 KB.
MAX_BODY_BYTES = 256 * 1024
# No amount or quantity needs more, and longer ones cost time out of proportion.
MAX_NUMBER_CHARACTERS = 100
MAX_EXPONENT = 100
# Python ends near 1,000 and cannot say where; a correction has its event's data, of 64 levels, two levels down.
MAX_DEPTH = 100

# Clients send these with every POST.
_SAYS_NOTHING = re.compile(rb"\s*(\{\s*\}|null)?\s*")
# No JSON begins with a control character, and what follows it may have been replaced on the way as no text.
_GZIP = b"\x1f"
_BEGINS = re.compile(rb"(\xef\xbb\xbf)?\s*[{\[\"\-0-9tfn]")
_encoder = msgspec.json.Encoder(decimal_format="number", uuid_format="canonical")


def encode(value: Any) -> str:
    """Decimals become JSON numbers with all their digits; times become RFC 3339."""
    return _encoder.encode(value).decode()


def body_bytes(event: Mapping[str, Any]) -> bytes:
    """The request's body as it was sent; raises TooLarge and InvalidInput."""
    body = event.get("body") or ""
    if len(body) > 2 * MAX_BODY_BYTES:
        raise _too_large()
    if event.get("isBase64Encoded"):
        try:
            raw = base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInput("The body is not valid base64.") from error
    else:
        raw = body.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BODY_BYTES:
        raise _too_large()
    return raw


def _too_large() -> TooLarge:
    return TooLarge(f"The body is larger than {MAX_BODY_BYTES // 1024} KB.")


def refuse_unread(event: Mapping[str, Any]) -> None:
    """For a route without a body; raises InvalidInput, TooLarge."""
    if not _SAYS_NOTHING.fullmatch(body_bytes(event)):
        raise InvalidInput("This route reads no body: what yours says would be ignored. Send none.")


def check_media_type(event: Mapping[str, Any]) -> None:
    """For JSON in UTF-8, or what is not declared; raises UnsupportedMedia, and InvalidInput for another charset."""
    declared = media_type(_header(event, "content-type") or JSON)
    if declared != JSON:
        raise UnsupportedMedia(f"Send the body as {JSON}, not {declared[:100]!r}.")


def check_encoding(event: Mapping[str, Any], raw: bytes) -> None:
    """Raises UnsupportedMedia for a packed body; its header alone says little: a gateway may unpack and leave it."""
    encoding = _header(event, "content-encoding").strip().lower()
    is_declared = encoding not in ("", "identity")
    if raw.startswith(_GZIP) or (is_declared and not _BEGINS.match(raw)):
        named = f"Content-Encoding {encoding[:40]!r}" if is_declared else "gzip"
        raise UnsupportedMedia(f"Send the body as it is, not in {named}: only events may be sent packed.")


def _header(event: Mapping[str, Any], name: str) -> str:
    return str((event.get("headers") or {}).get(name) or "")


def parse(raw: bytes) -> Any:
    """A byte order mark is no part of the value; raises InvalidInput naming the position of what is wrong."""
    if is_deeper(raw, MAX_DEPTH):
        raise _malformed(f"it has more than {MAX_DEPTH} arrays and objects in each other")
    try:
        text = raw.decode("utf-8-sig")
        value = json.loads(
            text, parse_float=_exact, parse_int=_whole, parse_constant=_not_a_number, object_pairs_hook=_named_once
        )
        if "\\u" in text:
            # Half a surrogate pair is a JSON escape but no text: nothing behind this line could store it.
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start} is not UTF-8") from error
    except UnicodeEncodeError as error:
        raise _malformed("a \\u escape is half of a surrogate pair") from error
    except RecursionError as error:  # brackets that never close
        raise _malformed("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    return value


def _malformed(reason: str) -> InvalidInput:
    message = f"The body is not valid JSON: {reason}."
    return InvalidInput(message, fields=[FieldError("$", "malformed_json", message)])


def _named_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that comes twice one value would be ignored."""
    value: dict[str, Any] = {}
    for name, each in members:
        if name in value:
            raise _malformed(f"the name {name[:100]!r} comes more than once in one object")
        value[name] = each
    return value


def _exact(text: str) -> Decimal:
    if len(text) <= MAX_NUMBER_CHARACTERS:
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise _unreasonable(text) from None
        if abs(value.adjusted()) <= MAX_EXPONENT:
            return value
    raise _unreasonable(text)


def _whole(text: str) -> int:
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise _unreasonable(text)
    return int(text)


def _unreasonable(text: str) -> InvalidInput:
    return _malformed(
        f"the number {text[:20]}... has more than {MAX_NUMBER_CHARACTERS} characters or an exponent beyond "
        f"{MAX_EXPONENT}"
    )


def _not_a_number(text: str) -> NoReturn:
    raise _malformed(f"{text} is not a JSON number")

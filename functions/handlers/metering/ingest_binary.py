"""CloudEvents in binary content mode: attributes in ce- headers, data in the body (HTTP binding 1.0.2, section 3.1)."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from functions.domain.errors import FieldError, InvalidInput
from functions.domain.metering.values.cloudevents import with_data
from functions.domain.metering.values.event_checker import is_json_type

PREFIX = "ce-"
MARK = "ce-specversion"
STRUCTURED = "application/cloudevents"  # also +json, -batch+json and formats nobody takes here
_SIGNS = ("ce-id", "ce-source", "ce-type")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_BAD_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")


def is_binary(headers: Mapping[str, str], kind: str) -> bool:
    """Headers in lower case. A request with a structured type is structured, with any other headers."""
    if kind.startswith(STRUCTURED):
        return False
    if MARK in headers:
        return True
    if sign := next((name for name in _SIGNS if name in headers), None):
        message = (
            f"is missing beside the header {sign}: send {MARK}: 1.0 for an event whose attributes are headers, or no "
            f"{PREFIX} headers"
        )
        raise _refused("specversion", "required", message)
    return False


def event_of(headers: Mapping[str, str], content_type: str, body: bytes) -> bytes:
    """The event in JSON; raises InvalidInput for headers and data that cannot be part of one."""
    attributes = {
        name.removeprefix(PREFIX): _decoded(name, value) for name, value in headers.items() if name.startswith(PREFIX)
    }
    if "data" in attributes or "data_base64" in attributes:
        raise _refused("data", "unknown_field", "is no header: data is the body")
    attributes.pop("datacontenttype", None)  # it is the Content-Type
    if body.strip() and content_type and not is_json_type(content_type):
        message = (
            f"must be JSON, not {content_type[:80]}: meters read a JSON object; send the data as application/json, "
            "another type ending in +json, or text/json"
        )
        raise _refused("datacontenttype", "unsupported", message)
    return with_data(attributes, body)


def _decoded(header: str, value: str) -> str:
    """Quotes first, then percent signs; texts beyond ASCII that were not encoded are taken as they are."""
    text = value.strip()
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half a pair is no text
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _ESCAPED.sub(r"\1", text[1:-1])
    if "%" not in text:
        return text
    if _BAD_PERCENT.search(text):
        raise _refused(header, "invalid_header", "has a % without two hexadecimal digits behind it; write %25 for a %")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise _refused(header, "invalid_header", "is not UTF-8 behind its percent signs") from error


def _refused(field: str, code: str, message: str) -> InvalidInput:
    path = f"[0].{field.removeprefix(PREFIX)}"
    return InvalidInput(f"invalid event: {field} {message}.", fields=[FieldError(path, code, message)])

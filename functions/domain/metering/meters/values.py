"""The value and the texts in an event's data, exactly: what counts, what does not and why; no pydantic, it is hot."""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

import msgspec

from functions.domain.metering.cells.aggregation import LARGEST_INT, Number
from functions.domain.metering.values.event_json import MAX_DEPTH
from functions.domain.metering.values.json_path import MISSING
from functions.domain.metering.values.readable import is_too_deep

# Significant digits of a value, at most 18 of them behind the point: a binary float has 17, nanoseconds since 1970 have
# 19. What sums and stores have room for is in the README.
MAX_DIGITS = 31
MAX_FRACTION_DIGITS = 18
LARGEST_VALUE = 10**MAX_DIGITS

# Of a number in a text: as many as ingest lets a JSON number have.
MAX_NUMBER_CHARACTERS = 400
_NUMERIC = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_TO_DIGITS = [Context(prec=max(digits, 1), rounding=ROUND_HALF_EVEN) for digits in range(MAX_DIGITS + 1)]
_SMALLEST = Decimal(1).scaleb(-MAX_FRACTION_DIGITS)

Data = dict[str, Any]
_decode_data = msgspec.json.Decoder(dict, float_hook=Decimal).decode
_decode_all = msgspec.json.Decoder(list[dict[str, Any]], float_hook=Decimal).decode


def decode_data(raw: bytes) -> Data:
    """The event's data with every number exact; empty for none; raises Uncountable when it cannot be read."""
    if not raw:
        return {}
    if is_too_deep(raw):
        raise Uncountable("unreadable_data", f"invalid event: data is nested deeper than {MAX_DEPTH} levels")
    try:
        return _decode_data(raw)
    except (msgspec.MsgspecError, ValueError, InvalidOperation, RecursionError) as error:
        raise Uncountable("unreadable_data", f"invalid event: failed to parse event data: {error}") from error


def decode_objects(raws: Sequence[bytes]) -> list[Data] | None:
    """The data of many events at once; None when one of them is empty or cannot be read."""
    joined = b",".join(raws)
    # Each opens at least one, so that none is deeper than all have beyond one each.
    opened = joined.count(b"{") + (joined.count(b"[") if b"[" in joined else 0)
    if opened >= len(raws) + MAX_DEPTH and any(map(is_too_deep, raws)):
        return None
    try:
        found = _decode_all(b"[%b]" % joined)
    except (msgspec.MsgspecError, ValueError, InvalidOperation, RecursionError):
        return None
    return found if len(found) == len(raws) else None


# By their codes, where nothing more is known of the value.
REASONS = {
    "unreadable_data": "invalid event: failed to parse event data",
    "null_value": "invalid event: value cannot be null",
    "nan_value": "invalid event: value cannot be NaN",
    "infinite_value": "invalid event: value cannot be infinity",
    "unparsable_value": "invalid event: value cannot be parsed as a number",
    "missing_value": "invalid event: missing value property",
    "unsupported_value": "unsupported value property type",
    "value_out_of_bounds": "invalid event: the value has too many digits",
    "path_too_costly": "invalid event: the path visits too much of the event's data",
}


class Uncountable(Exception):
    """Why a meter takes no value from an event; the event itself is kept."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def countable(value: Any, path: str) -> Number:
    """The number in a JSON value (number or numeric string), exact to 18 fraction and 31 significant digits.

    Whole numbers beyond 64 bits come as Decimal. Raises Uncountable.
    """
    kind = type(value)
    if kind is int:
        if -LARGEST_INT < value < LARGEST_INT:
            return int(value)
        if -LARGEST_VALUE < value < LARGEST_VALUE:
            return Decimal(value)
        raise _out_of_bounds(path)
    if value is MISSING:
        raise _missing(path)
    if value is None:
        raise Uncountable("null_value", "invalid event: value cannot be null")
    if kind is str:
        value = value.strip()
        if len(value) > MAX_NUMBER_CHARACTERS or not _NUMERIC.fullmatch(value):
            raise _not_a_number(value)
        value = Decimal(value)
    elif kind is not Decimal:
        raise _unsupported(value)
    return _rounded(value, path)


def _rounded(value: Decimal, path: str) -> Decimal:
    """Half to even, once, to 18 fraction digits or as many as the digits before the point leave."""
    first = value.adjusted()  # the place of the first digit: 0 is that of units
    if not value or first < -MAX_FRACTION_DIGITS - 1:
        return Decimal(0)
    if first >= MAX_DIGITS:
        raise _out_of_bounds(path)
    digits = min(MAX_DIGITS, first + 1 + MAX_FRACTION_DIGITS)
    value = _TO_DIGITS[digits].plus(value) if digits else value.quantize(_SMALLEST, context=_TO_DIGITS[0])
    if value.adjusted() >= MAX_DIGITS:  # 9...9.9 was rounded up
        raise _out_of_bounds(path)
    return value or Decimal(0)


def _not_a_number(text: str) -> Uncountable:
    lowered = text.lower().lstrip("+-")
    if lowered == "nan":
        return Uncountable("nan_value", "invalid event: value cannot be NaN")
    if lowered in ("inf", "infinity"):
        return Uncountable("infinite_value", "invalid event: value cannot be infinity")
    return Uncountable("unparsable_value", f"invalid event: value cannot be parsed as a number: {text[:40]!r}")


def _missing(path: str) -> Uncountable:
    return Uncountable("missing_value", f'invalid event: missing value property: "{path}"')


def _unsupported(value: Any) -> Uncountable:
    return Uncountable("unsupported_value", f"unsupported value property type: {type(value).__name__}")


def _out_of_bounds(path: str) -> Uncountable:
    return Uncountable(
        "value_out_of_bounds",
        f"invalid event: {path} has more than {MAX_DIGITS} digits before the decimal point",
    )


def too_costly(path: str) -> Uncountable:
    return Uncountable("path_too_costly", f"invalid event: {path} visits too much of the event's data")


def unique_text(value: Any, path: str) -> str | None:
    """The text by which UNIQUE_COUNT tells values apart, so that 1 is "1" but 1.0 is not; None for null, which is no
    value. Raises Uncountable for what is missing or has no text, rather than count it as one value.
    """
    if value is None:
        return None
    if value is MISSING:
        raise _missing(path)
    text = group_text(value)
    if not text and value != "":
        raise _unsupported(value)
    return text


def group_text(value: Any) -> str:
    """A dimension's value as text: 123 -> "123", true -> "true", null -> "null", missing, list, object -> ""."""
    if type(value) is str:
        return value
    if value is MISSING or isinstance(value, (dict, list)):
        return ""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    try:
        return str(value)
    except ValueError:  # an integer of thousands of digits has no text
        return ""

"""Plain Python values to DynamoDB attribute values and back, exactly: no binary float passes in either direction."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Item = dict[str, Any]
Attributes = dict[str, Any]

# DynamoDB keeps 38 digits and refuses more; refusing here names the value instead of the request.
MAX_DIGITS = 38


def encode_item(item: Mapping[str, Any]) -> Attributes:
    """The attributes of an item; a None at the top level is an absent attribute."""
    return {name: encode(value) for name, value in item.items() if value is not None}


def decode_item(attributes: Mapping[str, Any]) -> Item:
    """Whole numbers come back as int, others as Decimal; sets as frozenset."""
    return {name: decode(value) for name, value in attributes.items()}


def encode(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"S": value}
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": _number(value)}
        case bytes():
            return {"B": value}
        case Mapping():
            return {"M": {name: encode(element) for name, element in value.items()}}
        case list() | tuple():
            return {"L": [encode(element) for element in value]}
        case set() | frozenset() if value:
            if all(isinstance(element, str) for element in value):
                return {"SS": sorted(value)}
            return {"NS": [_number(element) for element in sorted(value)]}
    raise TypeError(f"{type(value).__name__} has no exact form in DynamoDB: {value!r:.80}")


def decode(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return _from_number(value)
        case "B":
            return bytes(value)
        case "M":
            return {name: decode(element) for name, element in value.items()}
        case "L":
            return [decode(element) for element in value]
        case "SS":
            return frozenset(value)
        case "NS":
            return frozenset(_from_number(element) for element in value)
        case "NULL":
            return None
    raise TypeError(f"An attribute of type {kind} is never written by this product.")


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TypeError(f"{type(value).__name__} is not an exact number: {value!r:.80}")
    exact = Decimal(value)
    if not exact.is_finite() or len(exact.as_tuple().digits) > MAX_DIGITS:
        raise ValueError(f"{value!s:.80} is not a number of at most {MAX_DIGITS} digits.")
    return str(exact)


def _from_number(text: str) -> int | Decimal:
    return int(text) if text.lstrip("-").isdigit() else Decimal(text)

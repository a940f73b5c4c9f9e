"""A meter: which events it counts, the value it takes from them and the dimensions it keeps; no pydantic, it is hot."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec

from functions.domain.errors import FieldError, InvalidInput
from functions.domain.metering.aggregation import Aggregation, Number

MAX_METERS = 500  # the whole set is read with every batch
MAX_METERS_PER_TYPE = 50  # one event must fit into one commit whatever it touches
MAX_GROUP_BY = 10
MAX_INTEGER_DIGITS = 13  # with 18 fraction digits 31 of DynamoDB's 38: sums keep 10^7 of headroom
MAX_FRACTION_DIGITS = 18
LARGEST_VALUE = 10**MAX_INTEGER_DIGITS

_NUMERIC = re.compile(r"[+-]?(\d{1,60}(\.\d{0,60})?|\.\d{1,60})([eE][+-]?\d{1,3})?", re.ASCII)
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\['([^'\\]+)'\]|\[(\d{1,4})\]", re.ASCII)
_MISSING = object()


class Meter(msgspec.Struct, frozen=True):
    """`group_by` maps a dimension to a JSONPath; `since` is the version of the meter set that first held it."""

    id: str
    slug: str
    event_type: str
    aggregation: Aggregation
    value_property: str | None = None
    group_by: dict[str, str] = {}
    since: int = 0


class MeterSet(msgspec.Struct, frozen=True):
    """All meters of a tenant under one version that only rises."""

    version: int
    meters: tuple[Meter, ...] = ()

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, body: bytes) -> "MeterSet":
        return msgspec.msgpack.decode(body, type=cls)


def parse_path(path: str) -> tuple[str | int, ...]:
    """The steps of a JSONPath made of names and indexes ($.usage.tokens, $['a b'][0]); raises InvalidInput."""
    steps: list[str | int] = []
    at = 1
    while path.startswith("$") and at < len(path) and (match := _STEP.match(path, at)):
        name, quoted, index = match.groups()
        steps.append(int(index) if index else name or quoted)
        at = match.end()
    if not steps or at != len(path):
        message = f"{path!r} is not a supported JSONPath; write names and indexes such as $.tokens or $.usage[0].n."
        raise InvalidInput(message, fields=[FieldError("path", "invalid_json_path", message)])
    return tuple(steps)


def _look_up(data: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        if isinstance(step, str):
            if type(data) is not dict:
                return _MISSING
            data = data.get(step, _MISSING)
        else:
            if type(data) is not list or step >= len(data):
                return _MISSING
            data = data[step]
        if data is _MISSING:
            return _MISSING
    return data


class Uncountable(Exception):
    """Why a meter takes no value from an event; the event itself is kept."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def countable(value: Any, path: str) -> Number:
    """The exact number in a JSON value (number or numeric string); raises Uncountable."""
    kind = type(value)
    if kind is int:
        if -LARGEST_VALUE < value < LARGEST_VALUE:
            return int(value)
        raise _out_of_bounds(path)
    if value is _MISSING:
        raise Uncountable("missing_value", f'invalid event: missing value property: "{path}"')
    if value is None:
        raise Uncountable("null_value", "invalid event: value cannot be null")
    if kind is str:
        value = value.strip()
        if not _NUMERIC.fullmatch(value):
            raise _not_a_number(value)
        value = Decimal(value)
    elif kind is not Decimal:
        raise Uncountable("unsupported_value", f"unsupported value property type: {kind.__name__}")
    return _bounded(value, path)


def _bounded(value: Decimal, path: str) -> Decimal:
    if not value:
        return Decimal(0)
    if value.adjusted() >= MAX_INTEGER_DIGITS:
        raise _out_of_bounds(path)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_FRACTION_DIGITS:
        sign, digits, _ = value.as_tuple()
        trailing = len(digits) - len("".join(map(str, digits)).rstrip("0"))
        if exponent + trailing < -MAX_FRACTION_DIGITS:
            raise _out_of_bounds(path)
        value = Decimal((sign, digits[: len(digits) - trailing], exponent + trailing))
    return value


def _not_a_number(text: str) -> Uncountable:
    lowered = text.lower().lstrip("+-")
    if lowered == "nan":
        return Uncountable("nan_value", "invalid event: value cannot be NaN")
    if lowered in ("inf", "infinity"):
        return Uncountable("infinite_value", "invalid event: value cannot be infinity")
    return Uncountable("unparsable_value", f"invalid event: value cannot be parsed as a number: {text[:40]!r}")


def _out_of_bounds(path: str) -> Uncountable:
    return Uncountable(
        "value_out_of_bounds",
        f"invalid event: {path} exceeds {MAX_INTEGER_DIGITS} integer or {MAX_FRACTION_DIGITS} fraction digits",
    )


def group_text(value: Any) -> str:
    """A dimension's value as text: 123 -> "123", true -> "true", null -> "null", missing, list, object -> ""."""
    if type(value) is str:
        return value
    if value is _MISSING or isinstance(value, (dict, list)):
        return ""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    try:
        return str(value)
    except ValueError:  # an integer of thousands of digits has no text
        return ""


Groups = tuple[str, ...]
_decode_data = msgspec.json.Decoder(dict, float_hook=Decimal).decode


def decode_data(raw: bytes) -> dict[str, Any]:
    """The event's data with every number exact; empty for none; raises Uncountable when it cannot be read."""
    if not raw:
        return {}
    try:
        return _decode_data(raw)
    except (msgspec.MsgspecError, ValueError, InvalidOperation, RecursionError) as error:
        raise Uncountable("unreadable_data", f"invalid event: failed to parse event data: {error}") from error


Data = dict[str, Any]


class CompiledMeter:
    """A meter ready for the hot loop.

    `value` takes the exact number from decoded data (raises Uncountable), `groups` the dimension values in the order of
    the sorted dimension names. Both are made for the meter's paths, because they run for every event.
    """

    __slots__ = ("aggregation", "dimensions", "groups", "id", "is_additive", "meter", "value")

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.id = meter.id
        self.aggregation = meter.aggregation
        self.is_additive = meter.aggregation.is_additive
        self.dimensions = tuple(sorted(meter.group_by))
        self.value = _value_taker(meter)
        self.groups = _groups_taker([parse_path(meter.group_by[name]) for name in self.dimensions])


def _value_taker(meter: Meter) -> Callable[[Data], Number]:
    if not meter.aggregation.needs_value:
        return lambda _data: 1
    path = meter.value_property or ""
    steps = parse_path(path)
    name = steps[0]
    if len(steps) > 1 or not isinstance(name, str):
        return lambda data: countable(_look_up(data, steps), path)

    def named_value(data: Data) -> Number:
        found = data.get(name, _MISSING)
        if type(found) is int and -LARGEST_VALUE < found < LARGEST_VALUE:
            return found
        return countable(found, path)

    return named_value


def _groups_taker(paths: list[tuple[str | int, ...]]) -> Callable[[Data], Groups]:
    if len(paths) != 1 or len(paths[0]) != 1 or not isinstance(name := paths[0][0], str):
        return lambda data: tuple([group_text(_look_up(data, steps)) for steps in paths])

    def named_group(data: Data) -> Groups:
        found = data.get(name, _MISSING)
        return (found if type(found) is str else group_text(found),)

    return named_group


MetersByType = Mapping[str, list[CompiledMeter]]
Compile = Callable[[MeterSet], MetersByType]


@lru_cache(maxsize=256)
def _compiled(body: bytes) -> MetersByType:
    by_type: dict[str, list[CompiledMeter]] = {}
    for meter in MeterSet.decode(body).meters:
        by_type.setdefault(meter.event_type, []).append(CompiledMeter(meter))
    return by_type


def compile_meters(meter_set: MeterSet) -> MetersByType:
    """The meters of a set by event type, compiled once per content."""
    return _compiled(meter_set.encode())

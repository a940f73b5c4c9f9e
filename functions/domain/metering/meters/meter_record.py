"""A meter as its owner sees it: what may be asked for, and the full record behind the one that counts."""

import re
from decimal import Decimal
from typing import Annotated

import msgspec
from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from functions.domain.errors import InvalidInput
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import DEFAULT_PERCENTILE, MAX_GROUP_BY, FormerGroupBy, Meter, is_same_path
from functions.domain.metering.values.filter_string import FilterString
from functions.domain.metering.values.json_path import MAX_PATH_LENGTH, parse_path
from functions.domain.wire import Description, Instant, Key, Metadata, Name, Numeric, WireModel

DIMENSION = re.compile(r"[a-zA-Z_][0-9a-zA-Z_]{0,63}", re.ASCII)
# What a query may group by beside the meter's own dimensions.
SUBJECT, CUSTOMER_ID = "subject", "customer_id"
RESERVED = (SUBJECT, CUSTOMER_ID)
AGGREGATIONS = ", ".join(Aggregation)

MAX_FILTERED_PATHS = 10
# A meter is part of a set that is one item, and every event of its type passes through its filter.
MAX_FILTER_BYTES = 4_096
MAX_PERCENTILE_DIGITS = 6


def _json_path(path: str) -> str:
    try:
        parse_path(path)
    except InvalidInput as error:
        raise ValueError(error.detail) from error
    return path


def _dimensions(group_by: dict[str, str] | None) -> dict[str, str] | None:
    """Absent and empty are the same."""
    if not group_by:
        return None
    if len(group_by) > MAX_GROUP_BY:
        raise ValueError(f"may have {MAX_GROUP_BY} dimensions, not {len(group_by)}")
    for name in group_by:
        if not DIMENSION.fullmatch(name):
            raise ValueError(f"{name[:80]!r} must be letters, digits and underscores, not starting with a digit")
        if name in RESERVED:
            raise ValueError(f"{name} is reserved: every query may group by it")
    return group_by


def _conditions(event_filter: dict[str, FilterString] | None) -> dict[str, FilterString] | None:
    """Absent and empty are the same."""
    if not event_filter:
        return None
    size = len(msgspec.json.encode({path: each.condition() for path, each in event_filter.items()}))
    if size > MAX_FILTER_BYTES:
        raise ValueError(f"has {size} bytes; conditions of a meter have at most {MAX_FILTER_BYTES} together")
    return event_filter


def _percentile(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if not 0 < value < 100 or (isinstance(exponent, int) and exponent < -MAX_PERCENTILE_DIGITS):
        raise ValueError(
            f"must lie between 0 and 100 with at most {MAX_PERCENTILE_DIGITS} fraction digits, such as 99.9"
        )
    return value


JsonPath = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PATH_LENGTH), AfterValidator(_json_path)]
EventFilter = Annotated[
    Annotated[dict[JsonPath, FilterString], Field(max_length=MAX_FILTERED_PATHS)] | None, AfterValidator(_conditions)
]
Percentile = Annotated[Numeric, AfterValidator(_percentile)]
GroupBy = Annotated[dict[str, JsonPath] | None, AfterValidator(_dimensions)]


class MeterUpdate(WireModel):
    """What can be changed later; what is left out is reset."""

    name: Name | None = None
    description: Description | None = None
    metadata: Metadata = None
    group_by: GroupBy = None


class MeterCreate(MeterUpdate):
    """What is said once: to count something else, create another meter."""

    slug: Key
    event_type: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    aggregation: Aggregation
    value_property: Annotated[JsonPath | None, Field(validate_default=True)] = None
    percentile: Annotated[Percentile | None, Field(validate_default=True)] = None
    event_filter: EventFilter = None
    event_from: Instant | None = None

    @field_validator("aggregation", mode="before")
    @classmethod
    def _is_supported(cls, value: object) -> object:
        if value not in list(Aggregation):
            raise ValueError(f"{str(value)[:40]!r} is not supported; it is one of {AGGREGATIONS}")
        return value

    @field_validator("value_property")
    @classmethod
    def _fits_aggregation_and_dimensions(cls, path: str | None, info: ValidationInfo) -> str | None:
        aggregation = info.data.get("aggregation")
        if aggregation is None:  # itself wrong
            return path
        if path is None:
            if aggregation.needs_value:
                raise PydanticCustomError(
                    "required", "is required with {aggregation}, such as $.tokens", {"aggregation": aggregation.value}
                )
            return None
        if not aggregation.needs_value:
            raise ValueError(f"must be left out with {aggregation}")
        if used := dimension_at(path, info.data.get("group_by")):
            raise ValueError(f"is the path of groupBy.{used} too; a value cannot be a dimension of itself")
        return path

    @field_validator("percentile")
    @classmethod
    def _fits_aggregation(cls, percentile: Decimal | None, info: ValidationInfo) -> Decimal | None:
        is_percentile = info.data.get("aggregation") is Aggregation.PERCENTILE
        if percentile is not None and not is_percentile:
            raise ValueError("is for the aggregation PERCENTILE only")
        return DEFAULT_PERCENTILE if percentile is None and is_percentile else percentile


def dimension_at(path: str | None, group_by: dict[str, str] | None) -> str | None:
    """The dimension that has this path."""
    if path is None:
        return None
    return next((name for name, each in (group_by or {}).items() if is_same_path(each, path)), None)


class MeterRecord(WireModel):
    """`since` is the version of the meter set that first held it; `former` and `history_since` as in `Meter`.

    `succeeds` is the id of the deleted meter in whose place it came.
    """

    id: str
    slug: str
    name: str
    description: str | None = None
    metadata: dict[str, str] | None = None
    event_type: str
    aggregation: Aggregation
    value_property: str | None = None
    group_by: dict[str, str] | None = None
    percentile: Numeric | None = None
    event_filter: dict[str, FilterString] | None = None
    event_from: Instant | None = None
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None = None
    since: int
    former: tuple[tuple[int, dict[str, str]], ...] = ()
    history_since: int = 0
    succeeds: str | None = None

    def counting(self) -> Meter:
        """The part of it that the aggregator needs."""
        return Meter(
            id=self.id,
            slug=self.slug,
            event_type=self.event_type,
            aggregation=self.aggregation,
            value_property=self.value_property,
            group_by=self.group_by or {},
            since=self.since,
            percentile=self.percentile,
            event_filter={path: each.condition() for path, each in (self.event_filter or {}).items()},
            former=tuple(FormerGroupBy(*each) for each in self.former),
            event_from=int(self.event_from.timestamp()) if self.event_from else None,
            history_since=self.history_since,
        )

"""A meter as its owner sees it: what may be asked for, and the full record behind the one that counts."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, StringConstraints, field_validator, model_validator

from functions.domain.errors import InvalidInput
from functions.domain.metering.aggregation import Aggregation
from functions.domain.metering.meter import MAX_GROUP_BY, Meter, parse_path
from functions.domain.wire import Description, Instant, Key, Metadata, Name, NotYet, WireModel

DIMENSION = re.compile(r"[a-zA-Z_][0-9a-zA-Z_]{0,63}", re.ASCII)
# What a query may group by beside the meter's own dimensions.
SUBJECT, CUSTOMER_ID = "subject", "customer_id"
RESERVED = (SUBJECT, CUSTOMER_ID)
COUNTED = (Aggregation.SUM, Aggregation.COUNT, Aggregation.MIN, Aggregation.MAX)
SUPPORTED = ", ".join(COUNTED)


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


JsonPath = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_json_path)]
GroupBy = Annotated[dict[str, JsonPath] | None, AfterValidator(_dimensions)]


class MeterUpdate(WireModel):
    """What can be changed later; what is left out is reset."""

    name: Name | None = None
    description: Description | None = None
    metadata: Metadata = None
    group_by: GroupBy = None


class MeterCreate(MeterUpdate):
    slug: Key
    event_type: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    aggregation: Aggregation
    value_property: JsonPath | None = None
    event_from: NotYet = None

    @field_validator("aggregation", mode="before")
    @classmethod
    def _supported(cls, value: object) -> object:
        if value not in COUNTED:
            raise ValueError(f"{str(value)[:40]!r} is not supported; it is one of {SUPPORTED}")
        return value

    @model_validator(mode="after")
    def _value_fits_aggregation(self) -> Self:
        if self.aggregation.needs_value and self.value_property is None:
            raise ValueError(f"valueProperty is required with {self.aggregation}, such as $.tokens")
        if not self.aggregation.needs_value and self.value_property is not None:
            raise ValueError(f"valueProperty must be left out with {self.aggregation}")
        if self.value_property and self.value_property in (self.group_by or {}).values():
            raise ValueError("groupBy must not use the path of valueProperty")
        return self


class MeterRecord(WireModel):
    """`since` is the version of the meter set that first held it."""

    id: str
    slug: str
    name: str
    description: str | None = None
    metadata: dict[str, str] | None = None
    event_type: str
    aggregation: Aggregation
    value_property: str | None = None
    group_by: dict[str, str] | None = None
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None = None
    since: int

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
        )

"""A feature: what a plan sells, and which part of a meter measures it."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from functions.domain.wire import Instant, Key, Metadata, Name, Numeric, WireModel

# A filter is compared with every group of the meter; these are far more than any feature names.
MAX_FILTERS = 10
MAX_FILTER_VALUES = 100
MAX_FILTER_CHARACTERS = 512


def _bounded(values: tuple[str, ...]) -> tuple[str, ...]:
    if not 0 < len(values) <= MAX_FILTER_VALUES:
        raise ValueError(f"must name 1 to {MAX_FILTER_VALUES} values")
    return values


FilterValue = Annotated[str, StringConstraints(max_length=MAX_FILTER_CHARACTERS)]


class FilterString(WireModel):
    """Equal to a value or to one of several; other operators are not supported yet."""

    eq: FilterValue | None = Field(default=None, alias="$eq")
    one_of: Annotated[tuple[FilterValue, ...], AfterValidator(_bounded)] | None = Field(default=None, alias="$in")

    @model_validator(mode="after")
    def _has_one_operator(self) -> Self:
        if (self.eq is None) == (self.one_of is None):
            raise ValueError("must have either $eq or $in")
        return self

    @property
    def values(self) -> tuple[str, ...]:
        return self.one_of if self.one_of is not None else (self.eq or "",)


class ManualUnitCost(WireModel):
    type: Literal["manual"]
    amount: Numeric


class FeatureCreate(WireModel):
    key: Key
    name: Name
    metadata: Metadata = None
    meter_slug: Key | None = None
    meter_group_by_filters: Annotated[dict[str, FilterValue], Field(max_length=MAX_FILTERS)] | None = None
    advanced_meter_group_by_filters: Annotated[dict[str, FilterString], Field(max_length=MAX_FILTERS)] | None = None
    unit_cost: ManualUnitCost | None = None

    @model_validator(mode="after")
    def _filters_need_a_meter(self) -> Self:
        if self.meter_group_by_filters and self.advanced_meter_group_by_filters:
            raise ValueError("give meterGroupByFilters or advancedMeterGroupByFilters, not both")
        if self.filters and self.meter_slug is None:
            raise ValueError("filters need a meterSlug")
        return self

    @property
    def filters(self) -> dict[str, tuple[str, ...]]:
        """The values of each dimension that count, whichever way they were asked for."""
        simple = {name: (value,) for name, value in (self.meter_group_by_filters or {}).items()}
        return simple | {name: each.values for name, each in (self.advanced_meter_group_by_filters or {}).items()}


class Feature(FeatureCreate):
    id: str
    meter_id: str | None = Field(default=None)
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None = None

    @property
    def is_archived(self) -> bool:
        return self.archived_at is not None

    def wire(self) -> dict[str, Any]:
        """As the API shows it; a simple filter is shown in the advanced form too."""
        shown: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meter_id"})
        if self.meter_group_by_filters:
            shown["advancedMeterGroupByFilters"] = {
                name: {"$eq": value} for name, value in self.meter_group_by_filters.items()
            }
        return shown

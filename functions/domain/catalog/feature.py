"""A feature: what a plan sells, and which part of a meter measures it."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from functions.domain.metering.values.filter_string import FilterString
from functions.domain.wire import Instant, Key, Metadata, Name, Numeric, WireModel

# A filter is compared with every group of the meter; these are far more than any feature names.
MAX_FILTERS = 10
MAX_FILTER_CHARACTERS = 512


FilterValue = Annotated[str, StringConstraints(max_length=MAX_FILTER_CHARACTERS)]
CostValue = Annotated[str, StringConstraints(min_length=1, max_length=128)]
# The values a dimension may have, or a condition on its text.
GroupFilter = tuple[str, ...] | dict[str, Any]


# One unit of what its meter measures, in the plural: seats, tokens, GB.
Unit = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]*$")]


class ManualUnitCost(WireModel):
    """What one unit costs us, in USD."""

    type: Literal["manual"]
    amount: Annotated[Numeric, Field(ge=0)]


class LlmUnitCost(WireModel):
    """Where a model's own price per token is looked up: each by a value, or by the dimension that holds it."""

    type: Literal["llm"]
    provider: CostValue | None = None
    provider_property: CostValue | None = None
    model: CostValue | None = None
    model_property: CostValue | None = None
    token_type: CostValue | None = None
    token_type_property: CostValue | None = None

    @model_validator(mode="after")
    def _says_each_once(self) -> Self:
        for name in ("provider", "model", "token_type"):
            if getattr(self, name) is not None and getattr(self, f"{name}_property") is not None:
                raise ValueError(f"give {to_camel(name)} or {to_camel(name)}Property, not both")
        return self

    @property
    def dimensions(self) -> tuple[str, ...]:
        named = (self.provider_property, self.model_property, self.token_type_property)
        return tuple(name for name in named if name is not None)


UnitCost = Annotated[ManualUnitCost | LlmUnitCost, Field(discriminator="type")]


class FeatureCreate(WireModel):
    key: Key
    name: Name
    metadata: Metadata = None
    meter_slug: Key | None = None
    meter_group_by_filters: Annotated[dict[str, FilterValue], Field(max_length=MAX_FILTERS)] | None = None
    advanced_meter_group_by_filters: Annotated[dict[str, FilterString], Field(max_length=MAX_FILTERS)] | None = None
    unit_cost: UnitCost | None = None
    # Beyond OpenMeter.
    unit: Unit | None = None

    @model_validator(mode="after")
    def _filters_need_a_meter(self) -> Self:
        if self.meter_group_by_filters and self.advanced_meter_group_by_filters:
            raise ValueError("give meterGroupByFilters or advancedMeterGroupByFilters, not both")
        if self.filters and self.meter_slug is None:
            raise ValueError("filters need a meterSlug")
        if self.dimensions and self.meter_slug is None:
            raise ValueError("a unitCost by properties needs a meterSlug")
        if self.unit is not None and self.meter_slug is None:
            raise ValueError("a unit needs a meterSlug, which measures it")
        return self

    @property
    def filters(self) -> dict[str, GroupFilter]:
        """What of each dimension counts, by both kinds of filters."""
        found: dict[str, GroupFilter] = {name: (value,) for name, value in (self.meter_group_by_filters or {}).items()}
        for name, each in (self.advanced_meter_group_by_filters or {}).items():
            values = each.one_of if each.eq is None else (each.eq,)
            found[name] = each.condition() if values is None else values
        return found

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions its cost is looked up by."""
        return self.unit_cost.dimensions if isinstance(self.unit_cost, LlmUnitCost) else ()


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


class MeteredFeature(WireModel):
    """The feature as it was when it was sold: one that is archived later is still measured."""

    id: str
    key: str
    name: str
    meter_slug: str | None = None
    filters: dict[str, GroupFilter] = Field(default_factory=dict)
    unit: str | None = Field(default=None, exclude_if=lambda value: value is None)

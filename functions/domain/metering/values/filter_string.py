"""A condition on a text as the API takes it; what it means is in `filters`."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from functions.domain.metering.values import filters
from functions.domain.wire import WireModel

MAX_VALUES = 100
MAX_CHARACTERS = 512
MAX_CONDITIONS = 20  # of one $and or $or
MAX_DEPTH = 3  # levels of $and and $or
MAX_OPERATORS = 100  # of the whole condition

Text = Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1, max_length=MAX_VALUES)]


def _is_reasonable(conditions: "tuple[FilterString, ...]") -> "tuple[FilterString, ...]":
    if max(each.depth for each in conditions) >= MAX_DEPTH:
        raise ValueError(f"nests $and and $or more than {MAX_DEPTH} levels deep")
    if sum(each.size for each in conditions) > MAX_OPERATORS:
        raise ValueError(f"has more than {MAX_OPERATORS} conditions")
    return conditions


Conditions = Annotated[
    tuple["FilterString", ...], Field(min_length=1, max_length=MAX_CONDITIONS), AfterValidator(_is_reasonable)
]


class FilterString(WireModel):
    """Exactly one operator; `$and` and `$or` combine several. `$exists` goes beyond OpenMeter's public API."""

    eq: Text | None = Field(default=None, alias="$eq")
    ne: Text | None = Field(default=None, alias="$ne")
    one_of: Texts | None = Field(default=None, alias="$in")
    none_of: Texts | None = Field(default=None, alias="$nin")
    like: Text | None = Field(default=None, alias="$like")
    nlike: Text | None = Field(default=None, alias="$nlike")
    ilike: Text | None = Field(default=None, alias="$ilike")
    nilike: Text | None = Field(default=None, alias="$nilike")
    gt: Text | None = Field(default=None, alias="$gt")
    gte: Text | None = Field(default=None, alias="$gte")
    lt: Text | None = Field(default=None, alias="$lt")
    lte: Text | None = Field(default=None, alias="$lte")
    exists: Annotated[bool, Field(strict=True)] | None = Field(default=None, alias="$exists")
    all_of: Conditions | None = Field(default=None, alias="$and")
    any_of: Conditions | None = Field(default=None, alias="$or")

    @model_validator(mode="after")
    def _has_one_operator(self) -> Self:
        used = list(self.condition())
        if not used:
            raise ValueError(f"must have one of {', '.join(filters.OPERATORS)}")
        if len(used) > 1:
            raise ValueError(f"must have one operator, not {', '.join(used)}; combine them with $and or $or")
        return self

    @property
    def _parts(self) -> "tuple[FilterString, ...]":
        return self.all_of or self.any_of or ()

    @property
    def depth(self) -> int:
        return 1 + max(each.depth for each in self._parts) if self._parts else 0

    @property
    def size(self) -> int:
        return 1 + sum(each.size for each in self._parts)

    def condition(self) -> dict[str, Any]:
        """As `filters.predicate` takes it, and as JSON shows it."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def predicate(self) -> filters.Predicate:
        return filters.predicate(self.condition())

"""A condition on an instant as the API takes it; events keep whole seconds, so every bound is one."""

import math
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from functions.domain.metering.values.filter_string import MAX_CONDITIONS, MAX_DEPTH
from functions.domain.wire import ExactInstant, WireModel

ALWAYS = (0, 10**10)


def _is_reasonable(conditions: "tuple[FilterTime, ...]") -> "tuple[FilterTime, ...]":
    if max(each.depth for each in conditions) >= MAX_DEPTH:
        raise ValueError(f"nests $and and $or more than {MAX_DEPTH} levels deep")
    return conditions


Bound = ExactInstant | None
Conditions = (
    Annotated[tuple["FilterTime", ...], Field(min_length=1, max_length=MAX_CONDITIONS), AfterValidator(_is_reasonable)]
    | None
)


class FilterTime(WireModel):
    """Several operators must all hold."""

    gt: Bound = Field(default=None, alias="$gt")
    gte: Bound = Field(default=None, alias="$gte")
    lt: Bound = Field(default=None, alias="$lt")
    lte: Bound = Field(default=None, alias="$lte")
    all_of: Conditions = Field(default=None, alias="$and")
    any_of: Conditions = Field(default=None, alias="$or")

    @model_validator(mode="after")
    def _has_an_operator(self) -> Self:
        if all(getattr(self, name) is None for name in FilterTime.model_fields):
            raise ValueError("must have one of $gt, $gte, $lt, $lte, $and, $or")
        return self

    @property
    def depth(self) -> int:
        parts = [*(self.all_of or ()), *(self.any_of or ())]
        return 1 + max(each.depth for each in parts) if parts else 0

    def holds(self, second: int) -> bool:
        first, last = self._own_bounds()
        return (
            first <= second <= last
            and all(each.holds(second) for each in self.all_of or ())
            and (self.any_of is None or any(each.holds(second) for each in self.any_of))
        )

    def bounds(self) -> tuple[int, int]:
        """Seconds outside of which nothing passes, both inclusive; the first is above the last if nothing can."""
        bounds = [self._own_bounds(), *(each.bounds() for each in self.all_of or ())]
        if self.any_of:
            either = [each.bounds() for each in self.any_of]
            bounds.append((min(first for first, _ in either), max(last for _, last in either)))
        return max(first for first, _ in bounds), min(last for _, last in bounds)

    def _own_bounds(self) -> tuple[int, int]:
        first, last = ALWAYS
        if self.gt is not None:
            first = max(first, math.floor(self.gt.timestamp()) + 1)
        if self.gte is not None:
            first = max(first, math.ceil(self.gte.timestamp()))
        if self.lt is not None:
            last = min(last, math.ceil(self.lt.timestamp()) - 1)
        if self.lte is not None:
            last = min(last, math.floor(self.lte.timestamp()))
        return first, last

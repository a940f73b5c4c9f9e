"""Percentage price: a share of the measured value, and per event a fixed fee, a least and a most, where asked for."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from functions.domain.catalog.pricing.commitment import Commitment, CommittedPrice
from functions.domain.catalog.pricing.price import ZERO, Amount, Charge, DimensionName, LineUsage, Needs
from functions.domain.catalog.pricing.problems import refuse, wrong

# More than a thousand percent is a mistake of the decimal point.
Percent = Annotated[Amount, Field(le=1000)]


class PercentagePrice(CommittedPrice):
    """`rate` is in percent. What is owed per event needs `event_dimension`, whose every value is one event.

    An event costs its share plus the fixed fee, held between the least and the most; a refund costs nothing. Sums do
    not tell in which order events came, so what is free is a part of the value or a number of fixed fees, and goes
    with neither a least nor a most. With events, a period is billed by its last line alone.
    """

    title: ClassVar[str] = "Percentage of value"
    type: Literal["percentage"]
    rate: Percent
    free_amount: Amount = ZERO
    event_dimension: Annotated[DimensionName | None, Field(exclude_if=lambda value: value is None)] = None
    fixed_fee: Amount = ZERO
    free_events: Annotated[int, Field(ge=0, le=10**12)] = 0
    minimum_per_event: Commitment = None
    maximum_per_event: Commitment = None

    @model_validator(mode="after")
    def _events_can_be_told_apart(self) -> Self:
        least, most = self.minimum_per_event, self.maximum_per_event
        is_bounded = least is not None or most is not None
        problems = []
        for name, is_given in (
            ("fixedFee", self.fixed_fee),
            ("freeEvents", self.free_events),
            ("minimumPerEvent", least is not None),
            ("maximumPerEvent", most is not None),
        ):
            if is_given and self.event_dimension is None:
                message = "needs eventDimension, a dimension of the meter that tells one event from another"
                problems.append(wrong(name, code="event_dimension_required", message=message))
        for name, is_given in (("freeAmount", self.free_amount), ("freeEvents", self.free_events)):
            if is_given and is_bounded:
                message = "must be left out beside minimumPerEvent and maximumPerEvent: which events would be free?"
                problems.append(wrong(name, code="free_beside_bounds", message=message))
        if least is not None and most is not None and least > most:
            message = f"must be at least the minimumPerEvent {least:f}"
            problems.append(wrong("maximumPerEvent", code="maximum_below_minimum", message=message))
        refuse(problems)
        return self

    @property
    def is_share_of_value(self) -> bool:
        return True

    @property
    def is_splittable(self) -> bool:
        return self.event_dimension is None

    @property
    def needs(self) -> Needs:
        return Needs(dimensions=(self.event_dimension,)) if self.event_dimension else Needs()

    def _charges(self, usage: LineUsage) -> list[Charge]:
        if self.event_dimension is None:
            return self._share(self._charged(usage.total) - self._charged(usage.before))
        if not usage.is_last:
            return []
        earlier, own = usage.groups_before, usage.groups
        values = [earlier.get(event, ZERO) + own.get(event, ZERO) for event in earlier.keys() | own.keys()]
        return self._of_events([value for value in values if value > 0])

    def _charged(self, quantity: Decimal) -> Decimal:
        return max(quantity - self.free_amount, ZERO)

    def _share(self, value: Decimal) -> list[Charge]:
        return [Charge("percentage-usage", f"{self.rate:f} % of value", value, self._part)] if value else []

    @property
    def _part(self) -> Decimal:
        return self.rate / 100

    def _of_events(self, values: Sequence[Decimal]) -> list[Charge]:
        least, most = self.minimum_per_event, self.maximum_per_event
        raised, lowered, ordinary = 0, 0, list[Decimal]()
        for value in values:
            fee = value * self._part + self.fixed_fee
            if least is not None and fee < least:
                raised += 1
            elif most is not None and fee > most:
                lowered += 1
            else:
                ordinary.append(value)
        paid_fees = max(len(ordinary) - self.free_events, 0)
        counted = [
            ("percentage-fixed-fee", "Fixed fee per event", paid_fees, self.fixed_fee),
            ("percentage-minimum", "Events at the least fee", raised, least),
            ("percentage-maximum", "Events at the most fee", lowered, most),
        ]
        return self._share(self._charged(sum(ordinary, ZERO))) + [
            Charge(reference, name, Decimal(count), amount)
            for reference, name, count, amount in counted
            if count and amount
        ]

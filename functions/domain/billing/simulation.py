"""Lines to be tried out: quantities that nobody used, rated as a run would rate them; also their shapes in the API."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints, model_validator

from functions.domain.billing.line import InvoiceLine, charges_of, working_of
from functions.domain.billing.rating import NO_DISCOUNTS, Pricing, RatedLine, rate_fee, rate_usage
from functions.domain.catalog.discount import Discounts, PercentageDiscount, UsageDiscount
from functions.domain.catalog.pricing import AnyPrice, Group, LineUsage, UnitConversion
from functions.domain.catalog.pricing.price import ZERO, Amount
from functions.domain.catalog.pricing.problems import refuse, wrong
from functions.domain.catalog.rate_card import term_problems
from functions.domain.catalog.tax import TaxConfig
from functions.domain.catalog.versioned import iso_currency
from functions.domain.metering.cells.level_times import SECONDS_PER_HOUR, LevelTimes
from functions.domain.money import EXACT, Money
from functions.domain.period import Period
from functions.domain.wire import (
    NUMERIC,
    CurrencyCode,
    Description,
    Instant,
    Key,
    Metadata,
    Name,
    WireModel,
    plain,
)

# What a gateway takes on one invoice; a body holds hardly more.
MAX_SIMULATED_LINES = 250
MAX_PARTS = 1_000
# Sums of usage have more digits than a price, as many as DynamoDB and the pipeline keep exactly.
MAX_QUANTITY_DIGITS = 38
# A level times hours often has no end: so far off a whole second it may be written.
SLACK_SECONDS = Decimal("0.001")
SIMULATED = "INV-SIMULATED"
Position = Literal["only", "first", "middle", "last"]
_BEGINS = ("only", "first")


def _quantity(value: Any) -> Decimal:
    if isinstance(value, bool | float) or not isinstance(value, str | int | Decimal):
        raise ValueError('must be a decimal in a string, for example "1500"')
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if len(text) > MAX_QUANTITY_DIGITS + 1 or not NUMERIC.fullmatch(text) or text.startswith("-"):
        raise ValueError(f'must be a decimal of at most {MAX_QUANTITY_DIGITS} digits and not below 0, such as "1500"')
    return Decimal(text)


Quantity = Annotated[Decimal, BeforeValidator(_quantity), PlainSerializer(plain, return_type=str, when_used="json")]
UlidText = Annotated[str, StringConstraints(pattern=r"^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$")]


class LinePeriod(WireModel):
    """`from` is inclusive, `to` exclusive."""

    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.start > self.end:
            refuse([wrong("to", code="ends_before_it_starts", message="must not be before from", value=self.end)])
        return self

    @property
    def period(self) -> Period:
        return Period(self.start, self.end)


class LinkedPercentage(PercentageDiscount):
    correlation_id: UlidText | None = None


class LinkedUsage(UsageDiscount):
    correlation_id: UlidText | None = None


class LinkedDiscounts(Discounts):
    """The discounts of a line, each with the id under which several lines of one item share it."""

    percentage: LinkedPercentage | None = Field(default=None, exclude_if=lambda value: value is None)
    usage: LinkedUsage | None = Field(default=None, exclude_if=lambda value: value is None)


class SimulatedCard(WireModel):
    """The rate card of a line; `unitConfig` is beyond OpenMeter."""

    price: AnyPrice
    feature_key: Key | None = None
    tax_config: TaxConfig | None = None
    discounts: LinkedDiscounts | None = None
    unit_config: UnitConversion | None = None

    @model_validator(mode="after")
    def _terms_fit_the_price(self) -> Self:
        refuse(term_problems(self.price, self.discounts, self.unit_config))
        return self


class UsagePart(WireModel):
    """Part of a line's quantity, for prices that need to know its dimensions or the hour it was used in.

    For prorated prices the `level` that lasted, in order of time; its `quantity` is the level times its hours.
    """

    group_by: dict[str, str] = Field(default_factory=dict)
    hour: Instant | None = None
    level: Quantity | None = None
    quantity: Quantity

    @property
    def exact_seconds(self) -> Decimal:
        """For how long the level lasted; one of zero takes no time."""
        if not self.level:
            return ZERO
        return EXACT.divide(EXACT.multiply(self.quantity, Decimal(SECONDS_PER_HOUR)), self.level)

    @property
    def seconds(self) -> int:
        return int(self.exact_seconds.to_integral_value(ROUND_HALF_UP))


class SimulatedLine(WireModel):
    """One line with its quantity.

    `preLinePeriodQuantity` is what earlier lines of the same period had: the line goes on in the tiers where they were.
    """

    id: UlidText | None = None
    name: Name
    description: Description | None = None
    metadata: Metadata = None
    tax_config: TaxConfig | None = None
    period: LinePeriod
    invoice_at: Instant
    price: AnyPrice | None = None
    feature_key: Key | None = None
    rate_card: SimulatedCard | None = None
    quantity: Quantity
    pre_line_period_quantity: Quantity | None = None
    # Beyond OpenMeter: the parts of the quantity; where in its period the line is, if not as the quantities tell; and
    # what the earlier lines came to, if it is not what they would when they were one line.
    parts: Annotated[tuple[UsagePart, ...], Field(max_length=MAX_PARTS)] = ()
    position: Position | None = None
    previously_billed_amount: Amount | None = None

    @model_validator(mode="after")
    def _is_priced_once_and_whole(self) -> Self:
        if self.price is None and self.rate_card is None:
            refuse([wrong("rateCard", code="required", message="is required: it says what the line costs")])
        if self.price is not None and self.rate_card is not None:
            refuse([wrong("price", code="two_prices", message="must be left out beside rateCard, which has a price")])
        refuse(self._part_problems() + self._position_problems())
        return self

    def _position_problems(self) -> list[Any]:
        """The first line of a period has none before it."""
        earlier = {
            "preLinePeriodQuantity": self.pre_line_period_quantity,
            "previouslyBilledAmount": self.previously_billed_amount,
        }
        told = [name for name, value in earlier.items() if value]
        if self.position not in _BEGINS or not told:
            return []
        message = f"must be middle or last beside {' and '.join(told)}, which earlier lines had"
        return [wrong("position", code="contradiction", message=message, value=self.position)]

    def _part_problems(self) -> list[Any]:
        needs = self.card.price.needs
        if not needs:
            message = "must be left out: the price looks at the quantity as a whole"
            return [wrong("parts", code="parts_not_priced", message=message)] if self.parts else []
        if self.pre_line_period_quantity:
            message = "must be left out: a price by parts of the usage prices each part for itself"
            return [wrong("preLinePeriodQuantity", code="parts_have_no_order", message=message)]
        by = "hour (with hour)" if needs.time_zone else f"{', '.join(needs.dimensions)} (with groupBy)"
        if needs.levels:
            by = "level (with level), in order of time"
        if not self.parts and self.quantity:
            return [wrong("parts", code="required", message=f"must cut the quantity by {by}: the price needs it")]
        wanted = set(needs.dimensions)
        problems = [
            wrong("parts", i, code="wrong_part", message=f"must name {by} and nothing else")
            for i, part in enumerate(self.parts)
            if set(part.group_by) != wanted
            or (part.hour is None) == bool(needs.time_zone)
            or (part.level is None) == needs.levels
        ]
        if not problems and needs.levels:
            problems = self._level_problems()
        if not problems and self._sum_of_parts != self.quantity:
            message = f"must be the sum of the parts, {plain(self._sum_of_parts)}"
            return [wrong("quantity", code="parts_do_not_add_up", message=message, value=self.quantity)]
        return problems

    def _level_problems(self) -> list[Any]:
        problems, length = [], self._period_seconds
        message = "must be the level times the hours it lasted, which are a whole number of seconds"
        for i, part in enumerate(self.parts):
            is_whole = abs(EXACT.subtract(part.exact_seconds, Decimal(part.seconds))) <= SLACK_SECONDS
            is_nothing = not part.level, not part.quantity, not part.seconds
            if not is_whole or any(is_nothing) != all(is_nothing):
                problems.append(wrong("parts", i, "quantity", code="wrong_part", message=message, value=part.quantity))
        lasted = sum(part.seconds for part in self.parts)
        if not length:
            message = "must have a length: a prorated price charges the share of it for which units were there"
            problems.append(wrong("period", code="empty_period", message=message))
        elif not problems and lasted > length:
            message = f"must not last longer than the period of {length} seconds; together they are {lasted}"
            problems.append(wrong("parts", code="parts_too_long", message=message))
        return problems

    @property
    def _sum_of_parts(self) -> Decimal:
        with localcontext(EXACT):
            return sum((part.quantity for part in self.parts), ZERO)

    @property
    def _period_seconds(self) -> int:
        return int(self.period.period.length.total_seconds())

    @property
    def levels(self) -> LevelTimes | None:
        """None for a price that does not look at them."""
        if not self.card.price.needs.levels:
            return None
        times = LevelTimes()
        for part in self.parts:
            times = times.then(LevelTimes({part.level: part.seconds} if part.level else {}, part.level or ZERO))
        return times

    @property
    def card(self) -> SimulatedCard:
        if self.rate_card is not None:
            return self.rate_card
        assert self.price is not None
        return SimulatedCard(price=self.price, feature_key=self.feature_key, tax_config=self.tax_config)

    @property
    def groups(self) -> dict[Group, Decimal]:
        found: dict[Group, Decimal] = {}
        for part in self.parts:
            names = self.card.price.needs.dimensions
            group = Group(tuple(part.group_by[name] for name in names), part.hour)
            found[group] = EXACT.add(found.get(group, ZERO), part.quantity)
        return found

    @property
    def usage(self) -> LineUsage:
        before = self.pre_line_period_quantity or ZERO
        position = self.position or ("last" if before else "only")
        return LineUsage(
            self.quantity,
            before,
            is_first=position in _BEGINS,
            is_last=position in ("only", "last"),
            groups=self.groups,
            levels=self.levels,
            full_seconds=self._period_seconds,
        )

    def rated(self, currency: str) -> RatedLine:
        card, usage = self.card, self.usage
        terms = Pricing(card.price, card.unit_config, card.discounts or NO_DISCOUNTS)
        if card.price.is_flat:
            return rate_fee(terms, currency, self.period.period, line=usage)
        billed = self._billed_before(terms, usage, currency)
        return rate_usage(terms, usage, currency, billed)

    def _billed_before(self, terms: Pricing, usage: LineUsage, currency: str) -> Money | None:
        if self.previously_billed_amount is not None:
            return Money.rounded(self.previously_billed_amount, currency)
        if usage.is_first or not usage.before:
            return None
        return rate_usage(terms, LineUsage(usage.before, is_last=False), currency).total

    def line(self, line_id: str, currency: str) -> InvoiceLine:
        """The line as an invoice shows it; `line_id` is for a line that has none."""
        rated, period, card = self.rated(currency), self.period.period, self.card
        own_id = self.id or line_id
        return InvoiceLine(
            id=own_id,
            reference=own_id,
            name=self.name,
            description=self.description,
            feature_key=card.feature_key or self.feature_key,
            price=card.price,
            rate_discounts=card.discounts,
            unit_config=card.unit_config,
            period_start=period.start,
            period_end=period.end,
            billing_start=period.start,
            billing_end=period.end,
            invoice_at=self.invoice_at,
            working=working_of(rated),
            charges=charges_of(rated),
            total_minor=rated.total.minor,
        )


class InvoiceSimulation(WireModel):
    """An invoice to be tried out."""

    number: Annotated[str | None, StringConstraints(min_length=1, max_length=256)] = None
    currency: Annotated[CurrencyCode, AfterValidator(iso_currency)]
    lines: Annotated[tuple[SimulatedLine, ...], Field(min_length=1, max_length=MAX_SIMULATED_LINES)]

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [line.id for line in self.lines]
        problems = [
            wrong("lines", i, "id", code="duplicate", message="must differ from the ids of the other lines", value=each)
            for i, each in enumerate(ids)
            if each is not None and each in ids[:i]
        ]
        refuse(problems)
        return self

    @property
    def invoice_at(self) -> datetime:
        return min(line.invoice_at for line in self.lines)

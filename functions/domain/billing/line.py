"""A line of an invoice: rounded money for one billable period, with the whole working it came from."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from functions.domain.billing.rating import RatedLine, RatedPeriod
from functions.domain.billing.rating_steps import RatedCharge
from functions.domain.catalog.discount import Discounts
from functions.domain.catalog.feature import GroupFilter
from functions.domain.catalog.pricing import AnyPrice, FlatPrice, UnitConversion
from functions.domain.catalog.pricing.tiers import FLAT
from functions.domain.identity import named_ulid
from functions.domain.metering.values.holding import Holding, held_ever
from functions.domain.money import EXACT, Money, minor_digits
from functions.domain.period import UTC_ZONE, Period
from functions.domain.subscriptions.billable_period import Position
from functions.domain.wire import Exact, Instant, WireModel, plain

ZERO = Decimal(0)


class UsageSnapshot(WireModel):
    """What was measured and up to where: `lanes` names the last commit of each lane that the quantity contains.

    `group_by`, `window` and `time_zone` are what the price needed the quantity cut by; asked again over the line's
    period, the meter answers with the quantities of the line's charges. A later line of a period that is billed
    progressively is counted since the first one's start, `counted_from`, less what earlier lines billed of it. `held`
    says when each subject was the customer's, where any was not all the time. `by_level` says that the price looked at
    how long a level was how high.
    """

    meter: str
    subjects: tuple[str, ...]
    filters: dict[str, GroupFilter]
    quantity: Exact
    lanes: dict[str, int]
    taken_at: Instant
    group_by: tuple[str, ...] = ()
    window: Literal["HOUR"] | None = None
    time_zone: str | None = None
    counted_from: Instant | None = None
    billed_before: Exact = ZERO
    by_level: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    held: tuple[Holding, ...] = ()

    @property
    def holdings(self) -> tuple[Holding, ...]:
        return self.held or held_ever(self.subjects)


class InvoiceDiscount(WireModel):
    """Money deducted: a charge by its rate card's percentage or its price's maximum, a line by a coupon.

    `not_received` is what a line would credit back of a fee that nobody has paid, so it is negative.

    `coupon_id` names what the customer was given, `coupon_key` the coupon it was made from.
    """

    reason: Literal["ratecard_percentage", "maximum_spend", "coupon", "not_received"]
    amount_minor: int
    percentage: Exact | None = None
    coupon_key: str | None = None
    coupon_id: str | None = None


class InvoiceCharge(WireModel):
    """`amount_minor` is before its discounts."""

    reference: str
    name: str
    quantity: Exact
    unit_amount: Exact
    amount_minor: int
    category: Literal["regular", "commitment"] = "regular"
    tier: int | None = None
    discounts: tuple[InvoiceDiscount, ...] = ()

    @property
    def discounts_minor(self) -> int:
        return sum(each.amount_minor for each in self.discounts)


class UsageWorking(WireModel):
    """From the metered to the priced quantity: converted, then less the units that are free.

    Each `..._before` is what earlier lines of the same period had of it, when it is billed progressively.
    """

    metered: Exact
    metered_before: Exact = ZERO
    priced: Exact
    priced_before: Exact = ZERO
    free_units: Exact = ZERO
    free_units_before: Exact = ZERO
    previously_billed_minor: int = 0


class InvoiceLine(WireModel):
    """One billable period; `reference` is the same however often it is rated, and so is the id made from it.

    A line that was only tried out is of no subscription.
    """

    id: str
    reference: str
    name: str
    description: str | None = None
    subscription_id: str | None = None
    phase_id: str | None = None
    item_id: str | None = None
    feature_key: str | None = None
    price: AnyPrice
    rate_discounts: Discounts | None = None
    unit_config: UnitConversion | None = None
    # What the meter counts, as its feature says: seats, tokens.
    unit: str | None = Field(default=None, exclude_if=lambda value: value is None)
    period_start: Instant
    period_end: Instant
    billing_start: Instant
    billing_end: Instant
    # Of the calendar whose months and days the periods are.
    time_zone: str = UTC_ZONE
    invoice_at: Instant
    usage: UsageSnapshot | None = None
    working: UsageWorking | None = None
    # Where it is among the lines of a period that is billed progressively.
    position: Position | None = None
    charges: tuple[InvoiceCharge, ...]
    # In major units, what earlier periods left over below the smallest amount: the first charge was rounded with it.
    carried: Exact = ZERO
    # What is deducted from the line as a whole, after its charges' own discounts.
    discounts: tuple[InvoiceDiscount, ...] = ()
    total_minor: int

    @property
    def measured(self) -> Period:
        """What its meter was asked for."""
        since = self.usage.counted_from if self.usage else None
        return Period(since or self.period_start, self.period_end)

    @property
    def priced_unit(self) -> str | None:
        """What the priced quantity is counted in; nobody knows where a conversion does not say."""
        return self.unit_config.display_unit if self.unit_config else self.unit

    def unit_of(self, charge: InvoiceCharge) -> str | None:
        """What the quantity of one of its charges is counted in."""
        if charge.category == "commitment":
            return None
        return self.price.counted_in(charge.reference, self.priced_unit)

    @property
    def split_group(self) -> str | None:
        """Shared by the lines of a period that is billed progressively, and by nothing else."""
        return self.reference.partition("/rest[")[0] if self.position else None

    @property
    def item_key(self) -> str:
        """The key of the item within its phase; empty for a line that was only tried out."""
        return self.reference.split("/")[2] if self.subscription_id else ""

    @property
    def commitments_minor(self) -> int:
        return sum(each.amount_minor for each in self.charges if each.category == "commitment")

    @property
    def discounts_minor(self) -> int:
        of_charges = sum(each.discounts_minor for each in self.charges)
        return of_charges + sum(each.amount_minor for each in self.discounts)


def is_worth_an_invoice(line: InvoiceLine) -> bool:
    """A customer of whom nothing was asked and nothing is owed gets no document about it."""
    return bool(line.charges or line.total_minor or (line.usage and line.usage.quantity))


def line_from(
    rated: RatedPeriod, subscription_id: str, usage: UsageSnapshot | None, time_zone: str = UTC_ZONE
) -> InvoiceLine:
    billable, line = rated.billable, rated.line
    item, phase = billable.item, billable.phase
    reference = f"{subscription_id}/{phase.key}/{item.key}/v[{item.version}]/{billable.name}"
    return InvoiceLine(
        id=named_ulid(billable.invoice_at, "line", reference),
        reference=reference,
        name=f"{item.card.name} (unused time)" if billable.is_credit else item.card.name,
        description=item.card.description,
        subscription_id=subscription_id,
        phase_id=phase.id,
        item_id=item.id,
        feature_key=item.card.feature_key,
        price=line.terms.price,
        rate_discounts=item.card.discounts,
        unit_config=line.terms.conversion,
        unit=item.feature.unit if item.feature and item.card.is_metered else None,
        period_start=billable.period.start,
        period_end=billable.period.end,
        billing_start=billable.billing_period.start,
        billing_end=billable.billing_period.end,
        time_zone=time_zone,
        carried=line.carried,
        invoice_at=billable.invoice_at,
        usage=usage,
        working=working_of(line),
        position=billable.position,
        charges=charges_of(line),
        total_minor=rated.total.minor,
    )


def charges_of(line: RatedLine) -> tuple[InvoiceCharge, ...]:
    percentage = line.terms.discounts.percentage
    return tuple(_charge(each, percentage.percentage if percentage else None) for each in line.charges)


def _charge(rated: RatedCharge, percentage: Decimal | None) -> InvoiceCharge:
    charge = rated.charge
    return InvoiceCharge(
        reference=charge.reference,
        name=charge.name,
        quantity=charge.quantity,
        unit_amount=charge.unit_amount,
        amount_minor=rated.amount.minor,
        category=rated.category,
        tier=charge.tier,
        discounts=tuple(
            InvoiceDiscount(
                reason=each.reason,
                amount_minor=each.amount.minor,
                percentage=percentage if each.reason == "ratecard_percentage" else None,
            )
            for each in rated.discounts
        ),
    )


def working_of(line: RatedLine) -> UsageWorking | None:
    if line.metered is None or line.priced is None:
        return None
    free, billed = line.free_units, line.previously_billed
    return UsageWorking(
        metered=line.metered.quantity,
        metered_before=line.metered.before,
        priced=line.priced.quantity,
        priced_before=line.priced.before,
        free_units=free.quantity if free else ZERO,
        free_units_before=free.before if free else ZERO,
        previously_billed_minor=billed.minor if billed else 0,
    )


def prorated_from(line: InvoiceLine, currency: str) -> Money | None:
    """What the whole period of a fee costs of which only a part is owed, or credited back; None for any other line."""
    if not isinstance(line.price, FlatPrice) or len(line.charges) != 1:
        return None
    owed, whole = line.charges[0].amount_minor, Money.rounded(line.price.amount, currency)
    return None if abs(owed) == whole.minor else -whole if owed < 0 else whole


def explained(line: InvoiceLine, currency: str) -> str:
    """A line in one sentence: Tokens: 1,234,567 tokens x 0.0000025 USD."""
    parts = [_charged(line, charge, currency) for charge in line.charges]
    if not parts:
        parts = [f"{_counted(line.usage.quantity, line.unit)} used"] if line.usage else []
    if whole := prorated_from(line, currency):
        parts.append(f"prorated from {plain(whole.major)} {currency}")
    parts += _discount_words(line)
    return ": ".join([line.name, *(["; ".join(parts)] if parts else [])])


def _discount_words(line: InvoiceLine) -> Sequence[str]:
    """The discounts in words; each one once, however many charges it was deducted from."""
    free = line.working.free_units if line.working else ZERO
    words = [f"{_counted(free, line.priced_unit)} free"] if free else []
    given = [each for charge in line.charges for each in charge.discounts] + list(line.discounts)
    names = {
        "ratecard_percentage": "discount",
        "maximum_spend": "maximum spend",
    }
    coupons = dict.fromkeys(each.coupon_key for each in given if each.reason == "coupon")
    said = [f"less {name}" for reason, name in names.items() if any(each.reason == reason for each in given)]
    return [*words, *said, *(f"less coupon {key}" for key in coupons)]


def _charged(line: InvoiceLine, charge: InvoiceCharge, currency: str) -> str:
    """5 seats x 10.00 USD (tier 1)."""
    counted = _counted(charge.quantity, line.unit_of(charge))
    name = _name_of(line, charge)
    return f"{counted} x {_money(charge.unit_amount, currency)}{f' ({name})' if name else ''}"


def _name_of(line: InvoiceLine, charge: InvoiceCharge) -> str | None:
    """Where the line has several kinds of charges, which one it is."""
    if charge.category == "commitment":
        return charge.name.lower()
    price = line.price
    if price.needs or price.is_share_of_value:
        return charge.name
    if charge.tier is None:
        return None
    return f"tier {charge.tier}{', flat price' if charge.reference.endswith(FLAT) else ''}"


def _money(amount: Decimal, currency: str) -> str:
    """With at least the digits of the currency: 10.00 USD, 0.0000025 USD."""
    lacking = minor_digits(currency) + min(int(amount.as_tuple().exponent), 0)
    if lacking > 0:
        amount = amount.quantize(Decimal(1).scaleb(-minor_digits(currency)), context=EXACT)
    return f"{plain(amount)} {currency}"


def _counted(quantity: Decimal, unit: str | None) -> str:
    return f"{_with_separators(quantity)} {unit}" if unit else _with_separators(quantity)


def _with_separators(quantity: Decimal) -> str:
    return f"{quantity.normalize(EXACT):,f}" if quantity else "0"

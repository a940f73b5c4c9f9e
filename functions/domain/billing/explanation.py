"""What a line's working says step by step, from the metered quantity to the total; every step names where it leads."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from functions.domain.billing.line import InvoiceCharge, InvoiceLine, prorated_from
from functions.domain.money import EXACT

StepName = Literal[
    "metered",
    "unit_conversion",
    "usage_discount",
    "price",
    "proration",
    "percentage_discount",
    "maximum_spend",
    "minimum_spend",
    "coupon",
]


@dataclass(frozen=True)
class Step:
    """One rule of the pipeline: what it changed, and what there was after it.

    `quantity` is the change of units and `quantity_after` the units left; `amount_minor` and `amount_minor_after` say
    the same of money. `reference` is a coupon's key.
    """

    name: StepName
    quantity: Decimal | None = None
    quantity_after: Decimal | None = None
    amount_minor: int | None = None
    amount_minor_after: int | None = None
    reference: str | None = None


def steps_of(line: InvoiceLine, currency: str) -> list[Step]:
    """In the order in which they were taken; a rule that the line's terms do not have is no step."""
    return [*_quantity_steps(line), *_money_steps(line, currency)]


def _quantity_steps(line: InvoiceLine) -> Iterator[Step]:
    working = line.working
    if working is None:
        return
    yield Step("metered", working.metered, working.metered)
    in_units = EXACT.add(working.priced, working.free_units)
    if line.unit_config is not None:
        yield Step("unit_conversion", EXACT.subtract(in_units, working.metered), in_units)
    if line.rate_discounts is not None and line.rate_discounts.usage is not None:
        yield Step("usage_discount", working.free_units.copy_negate(), working.priced)


def _money_steps(line: InvoiceLine, currency: str) -> Iterator[Step]:
    amount = sum(each.amount_minor for each in line.charges if each.category == "regular")
    whole = prorated_from(line, currency)
    priced = whole.minor if whole else amount
    yield Step("price", amount_minor=priced, amount_minor_after=priced)
    if whole:
        yield Step("proration", amount_minor=amount - priced, amount_minor_after=amount)
    price, discounts = line.price, line.rate_discounts
    if discounts is not None and discounts.percentage is not None:
        less = _taken(line.charges, "ratecard_percentage")
        amount -= less
        yield Step("percentage_discount", amount_minor=-less, amount_minor_after=amount)
    if getattr(price, "maximum_amount", None) is not None:
        less = _taken(line.charges, "maximum_spend")
        amount -= less
        yield Step("maximum_spend", amount_minor=-less, amount_minor_after=amount)
    if getattr(price, "minimum_amount", None) is not None:
        amount += line.commitments_minor
        yield Step("minimum_spend", amount_minor=line.commitments_minor, amount_minor_after=amount)
    for each in line.discounts:
        amount -= each.amount_minor
        yield Step("coupon", amount_minor=-each.amount_minor, amount_minor_after=amount, reference=each.coupon_key)


def _taken(charges: tuple[InvoiceCharge, ...], reason: str) -> int:
    return sum(each.amount_minor for charge in charges for each in charge.discounts if each.reason == reason)

"""What a billed period would cost with today's usage, where that is not what was issued."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal

from functions.domain.billing.line import InvoiceLine
from functions.domain.money import EXACT
from functions.domain.subscriptions.billable_period import BillablePeriod
from functions.domain.wire import CurrencyCode, Exact, Instant, WireModel

ZERO = Decimal(0)
# What came to light: usage that came after the invoice, usage taken back since, what a commitment over the plan takes
# back of either, or that nobody can tell any more.
Reason = Literal["late_usage", "corrected_usage", "plan_commitment", "not_measured"]


class BilledDifference(WireModel):
    """Of one item in one period; amounts in minor units, before coupons. `re_rated_minor` is None if not measured."""

    customer_id: str
    subscription_id: str
    item_key: str
    item_id: str
    period_start: Instant
    period_end: Instant
    currency: CurrencyCode
    issued_minor: int
    re_rated_minor: int | None
    issued_quantity: Exact
    re_rated_quantity: Exact | None
    reason: Reason
    detail: str | None = None
    invoices: tuple[str, ...]
    found_at: Instant
    checked_at: Instant

    @property
    def open_minor(self) -> int:
        return 0 if self.re_rated_minor is None else self.re_rated_minor - self.issued_minor

    @property
    def name(self) -> str:
        return name_of(self.item_id, self.period_start)


def name_of(item_id: str, period_start: datetime) -> str:
    """The same for the same item and period."""
    return f"{item_id}/{period_start:%Y%m%dT%H%M%SZ}"


def issued_lines(billable: BillablePeriod, lines: Sequence[InvoiceLine]) -> list[InvoiceLine]:
    """Those of the lines that billed the billable period's usage, more than one where that was progressive."""
    return [
        line
        for line in lines
        if line.item_id == billable.item.id and line.usage is not None and line.period_start in billable.full
    ]


def before_coupons(line: InvoiceLine) -> int:
    return sum(each.amount_minor - each.discounts_minor for each in line.charges)


def measured_otherwise(issued: Sequence[InvoiceLine], now: InvoiceLine | None) -> bool:
    """Is the line rated from anything else than those that were issued?"""
    if now is None or not issued:
        return True
    return _inputs(issued) != _inputs([now])


def _inputs(lines: Sequence[InvoiceLine]) -> tuple[Decimal, Decimal, int, dict[tuple[str, int | None], Decimal]]:
    parts: dict[tuple[str, int | None], Decimal] = {}
    for line in lines:
        usage = line.usage
        is_by_parts = usage is not None and (usage.group_by or usage.window or usage.by_level)
        for charge in line.charges if is_by_parts else ():
            part = charge.reference, charge.tier
            parts[part] = EXACT.add(parts.get(part, ZERO), charge.quantity)
    first = lines[0].working
    before, billed = (first.metered_before, first.previously_billed_minor) if first else (ZERO, 0)
    return quantity_of(lines), before, billed, parts


def quantity_of(lines: Sequence[InvoiceLine]) -> Decimal:
    total = ZERO
    for line in lines:
        total = EXACT.add(total, line.usage.quantity if line.usage else ZERO)
    return total

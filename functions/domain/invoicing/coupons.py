"""Coupons: what they take off the lines of one invoice, after everything a rate card says and before credits."""

from collections.abc import Sequence
from datetime import datetime

from functions.domain.catalog.coupon import AmountOff, Coupon
from functions.domain.invoicing.line import InvoiceDiscount, InvoiceLine
from functions.domain.money import EXACT, Money


def redeem(
    lines: Sequence[InvoiceLine], coupons: Sequence[Coupon], currency: str, invoice_at: datetime
) -> tuple[list[InvoiceLine], list[Coupon]]:
    """The lines with their coupons taken off, and the coupons as they are after it; no fee goes below zero.

    What gives part of a fee back is made smaller by a percentage as the fee was; an amount is only taken off fees.

    Coupons are taken in the order given, each off what the ones before it left; one that finds nothing to take off is
    not used up.
    """
    after = []
    for coupon in coupons:
        taken = _taken(coupon, lines, currency) if coupon.is_good_for(invoice_at, currency) else []
        lines = [_less(line, coupon, minor) for line, minor in zip(lines, taken, strict=True)] if taken else lines
        after.append(coupon.taken_once_more() if any(taken) else coupon)
    return list(lines), after


def _taken(coupon: Coupon, lines: Sequence[InvoiceLine], currency: str) -> list[int]:
    """Minor units off each line."""
    is_covered = [coupon.subscription_id in (None, line.subscription_id) for line in lines]
    left = [line.total_minor if covered else 0 for line, covered in zip(lines, is_covered, strict=True)]
    if not any(left):
        return []
    if isinstance(coupon.off, AmountOff):
        left = [max(minor, 0) for minor in left]
        if not any(left):
            return []
        most = Money.rounded(coupon.off.amount, currency).minor
        # A share is never more than its line: the whole is at most their sum.
        shares = Money(min(most, sum(left)), currency).allocate(left)
        return [share.minor for share in shares]
    part = coupon.off.percentage.scaleb(-2, EXACT)
    return [Money.rounded(EXACT.multiply(Money(minor, currency).major, part), currency).minor for minor in left]


def _less(line: InvoiceLine, coupon: Coupon, minor: int) -> InvoiceLine:
    if not minor:
        return line
    percentage = None if isinstance(coupon.off, AmountOff) else coupon.off.percentage
    discount = InvoiceDiscount(reason="coupon", amount_minor=minor, percentage=percentage, coupon_key=coupon.key)
    update = {"discounts": (*line.discounts, discount), "total_minor": line.total_minor - minor}
    return line.model_copy(update=update)

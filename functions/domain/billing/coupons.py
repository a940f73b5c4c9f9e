"""Coupons: what they deduct from the lines of one invoice, after everything a rate card says and before credits."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from functions.domain.billing.line import InvoiceDiscount, InvoiceLine
from functions.domain.catalog.coupon import AmountOff, AppliedCoupon
from functions.domain.money import EXACT, Money
from functions.domain.period import Period
from functions.domain.subscriptions.item import Deduction, DiscountedFee, SubscriptionItem

NOBODY: Mapping[str, Collection[str]] = {}


def redeem(
    lines: Sequence[InvoiceLine],
    coupons: Sequence[AppliedCoupon],
    currency: str,
    invoice_at: datetime,
    former: Mapping[str, Collection[str]] = NOBODY,
) -> tuple[list[InvoiceLine], list[AppliedCoupon]]:
    """The lines with coupons deducted from what they charge, and the coupons that deducted something.

    Coupons are taken in the order given, each off what the ones before it left; no line goes below zero. A line that
    gives money back is left alone: `as_paid` has made it what was paid. A coupon of a subscription goes on with those
    that took its place: `former` has by their ids whose.
    """
    used = []
    for coupon in coupons:
        taken = _taken(coupon, lines, currency, former) if coupon.is_good_for(invoice_at, currency) else []
        if any(taken):
            lines = [_deducted(line, coupon, minor) for line, minor in zip(lines, taken, strict=True)]
            used.append(coupon)
    return list(lines), used


def as_paid(line: InvoiceLine, item: SubscriptionItem, currency: str) -> InvoiceLine:
    """A line that gives part of a fee back, less the same part of what coupons had deducted from the fee."""
    period = Period(line.period_start, line.period_end)
    # The latest fee for that time: an item that went on after all was paid for anew.
    fee = next((each for each in reversed(item.discounted) if each.starts_at <= period.start < each.ends_at), None)
    if line.total_minor >= 0 or fee is None:
        return line
    share = period.share_of(Period(fee.starts_at, fee.ends_at))
    for taken in fee.taken_off:
        part = Money.rounded(EXACT.multiply(Money(taken.amount_minor, currency).major, share), currency)
        minor = min(part.minor, -line.total_minor)
        line = _discounted(line, taken.coupon_id, taken.coupon_key, taken.percentage, -minor)
    return line


def fee_of(line: InvoiceLine) -> DiscountedFee | None:
    """What its item has to remember of a line that was paid in advance; None when no coupon was deducted from it."""
    taken = tuple(
        Deduction(
            coupon_id=each.coupon_id or "",
            coupon_key=each.coupon_key or "",
            amount_minor=each.amount_minor,
            percentage=each.percentage,
        )
        for each in line.discounts
        if each.reason == "coupon" and each.amount_minor > 0
    )
    return DiscountedFee(starts_at=line.period_start, ends_at=line.period_end, taken_off=taken) if taken else None


def _taken(
    coupon: AppliedCoupon, lines: Sequence[InvoiceLine], currency: str, former: Mapping[str, Collection[str]]
) -> list[int]:
    """Minor units off each line."""
    is_covered = [
        coupon.subscription_id in (None, line.subscription_id, *former.get(line.subscription_id or "", ()))
        for line in lines
    ]
    left = [max(line.total_minor, 0) if covered else 0 for line, covered in zip(lines, is_covered, strict=True)]
    if not any(left):
        return []
    total, off = Money(sum(left), currency), coupon.terms.off
    if isinstance(off, AmountOff):
        most = Money.rounded(off.amount, currency)
    else:  # rounded once: many small lines would each lose, or win, half a unit
        most = Money.rounded(EXACT.multiply(total.major, off.percentage.scaleb(-2, EXACT)), currency)
    # A share is never more than its line: the whole is at most their sum.
    shares = Money(min(most.minor, total.minor), currency).allocate(left)
    return [share.minor for share in shares]


def _deducted(line: InvoiceLine, coupon: AppliedCoupon, minor: int) -> InvoiceLine:
    percentage = None if isinstance(coupon.terms.off, AmountOff) else coupon.terms.off.percentage
    return _discounted(line, coupon.id, coupon.terms.key, percentage, minor)


def _discounted(line: InvoiceLine, coupon_id: str, key: str, percentage: Decimal | None, minor: int) -> InvoiceLine:
    if not minor:
        return line
    discount = InvoiceDiscount(
        reason="coupon", amount_minor=minor, percentage=percentage, coupon_id=coupon_id, coupon_key=key
    )
    update = {"discounts": (*line.discounts, discount), "total_minor": line.total_minor - minor}
    return line.model_copy(update=update)

"""Take the coupons a customer has at this moment off the lines of one invoice, issued or only looked at."""

from collections.abc import Sequence
from datetime import datetime

from functions.application.ports.coupons import CustomerCoupons
from functions.domain.billing.coupons import redeem
from functions.domain.billing.line import InvoiceLine
from functions.domain.catalog.coupon import MAX_LIVE, AppliedCoupon
from functions.domain.subscriptions.lineage import Lineages


def deduct_coupons(
    tenant: str,
    customer_id: str,
    lines: Sequence[InvoiceLine],
    currency: str,
    at: datetime,
    *,
    coupons: CustomerCoupons,
    lineages: Lineages,
) -> tuple[list[InvoiceLine], list[AppliedCoupon]]:
    """The lines, owed from `at` on, less the coupons; and those coupons that took something off. Writes nothing."""
    every = coupons.of_customer(tenant, customer_id) if lines else ()
    good = [each for each in every if each.is_good_for(at, currency)]
    ids = {line.subscription_id for line in lines if line.subscription_id}
    former = {each: lineages.taken_over_from(each) for each in ids}
    return redeem(lines, good[:MAX_LIVE], currency, at, former)

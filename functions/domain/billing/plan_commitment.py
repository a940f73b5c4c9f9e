"""A commitment over all usage of a subscription: the maximum is deducted from its lines, the minimum is an extra line.

Both hold for the billing period, beside what the prices of rate cards say, and are prorated as those are: to the part
of the period in which the deal was on. Coupons come after them.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from functions.domain.billing.line import InvoiceCharge, InvoiceDiscount, InvoiceLine
from functions.domain.catalog.pricing import FlatPrice
from functions.domain.catalog.pricing.commitment import SpendCommitment
from functions.domain.identity import named_ulid
from functions.domain.money import Money
from functions.domain.subscriptions.item import BilledPart
from functions.domain.subscriptions.lineage import CommittedPeriod, Lineages
from functions.domain.subscriptions.proration import prorated
from functions.domain.subscriptions.subscription import Subscription

MINIMUM = "plan-min-spend"
NOTHING = SpendCommitment()
NAME = "Minimum spend of the plan"


def with_commitment(
    after: Subscription, lines: Sequence[InvoiceLine], at: datetime, lineages: Lineages
) -> tuple[list[InvoiceLine], BilledPart | None]:
    """The lines as the commitment leaves them, and what the subscription has to remember; `at` is when they are owed.

    `after` is the subscription once they are on an invoice. Lines without usage are left alone; a billing
    period in which no usage is sold owes no minimum.
    """
    if not any(line.usage for line in lines):
        return list(lines), None
    period = lineages.committed_period(after, at)
    # Without one it is remembered all the same: what it is migrated to may commit to the whole period.
    commitment = after.commitment or NOTHING
    most = _amount(commitment.maximum_amount, period, after)
    came_to, own, kept = period.billed_minor, period.own_minor, list[InvoiceLine]()
    for line in lines:
        if line.usage is not None:
            line = _at_most(line, None if most is None else most.minor - came_to)
            came_to, own = came_to + line.total_minor, own + line.total_minor
        kept.append(line)
    least = _amount(commitment.minimum_amount, period, after)
    if least is not None and period.is_settled and least.minor > came_to:
        lacking = Money(least.minor - came_to, after.currency)
        kept.append(_minimum(after, lacking, period, at))
        own += lacking.minor
    return kept, BilledPart(starts_at=period.full.start, amount_minor=own)


def added_by_commitment(
    subscription: Subscription, period: CommittedPeriod, usage_minor: int, *, others_more: int = 0
) -> int:
    """What the commitment adds to usage of so much here, beside what the deal came to before; negative: a deduction.

    `others_more` is what the usage of the others would come to today, beyond what it was billed with.
    """
    commitment = subscription.commitment
    if commitment is None:
        return 0
    usage_minor += period.billed_minor - period.own_minor + others_more
    came_to = usage_minor
    most = _amount(commitment.maximum_amount, period, subscription)
    least = _amount(commitment.minimum_amount, period, subscription)
    if most is not None:
        came_to = min(came_to, most.minor)
    if least is not None and period.is_settled:
        came_to = max(came_to, least.minor)
    return came_to - usage_minor


def _amount(amount: Decimal | None, period: CommittedPeriod, subscription: Subscription) -> Money | None:
    if amount is None:
        return None
    if subscription.pro_rating_config.enabled:
        amount = prorated(amount, period.share, period.full)
    return Money.rounded(amount, subscription.currency)


def _at_most(line: InvoiceLine, left_minor: int | None) -> InvoiceLine:
    if left_minor is None or line.total_minor <= max(left_minor, 0):
        return line
    off = line.total_minor - max(left_minor, 0)
    discount = InvoiceDiscount(reason="maximum_spend", amount_minor=off)
    return line.model_copy(update={"discounts": (*line.discounts, discount), "total_minor": line.total_minor - off})


def _minimum(subscription: Subscription, lacking: Money, period: CommittedPeriod, at: datetime) -> InvoiceLine:
    phase = subscription.running_phase_at(at) or subscription.phases[-1]
    reference = f"{subscription.id}/{phase.key}/{MINIMUM}/period[{period.full.start:%Y%m%dT%H%M%SZ}]"
    charge = InvoiceCharge(
        reference=MINIMUM,
        name=NAME,
        quantity=Decimal(1),
        unit_amount=lacking.major,
        amount_minor=lacking.minor,
        category="commitment",
    )
    return InvoiceLine(
        id=named_ulid(at, "line", reference),
        reference=reference,
        name=NAME,
        subscription_id=subscription.id,
        phase_id=phase.id,
        price=FlatPrice(type="flat", amount=lacking.major, payment_term="in_arrears"),
        period_start=period.deal.start,
        period_end=period.deal.end,
        billing_start=period.deal.start,
        billing_end=period.deal.end,
        time_zone=subscription.time_zone,
        invoice_at=at,
        charges=(charge,),
        total_minor=lacking.minor,
    )

"""Look ahead: a subscription's next invoice as it would be if usage stopped now; nothing is numbered or stored."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.application.billing.credit_back import Returns
from functions.application.billing.deduct_coupons import deduct_coupons
from functions.application.billing.rate_billables import Rater
from functions.application.ports.billing import Invoices
from functions.application.ports.clock import Clock
from functions.application.ports.coupons import Coupons
from functions.application.ports.stored import NewId
from functions.application.ports.subscriptions import BilledCustomers, Subscriptions
from functions.application.ports.usage import Measuring
from functions.application.subscriptions.write_subscriptions import subscription_not_found
from functions.domain.billing.invoice import BilledCustomer, Invoice, summed_up
from functions.domain.billing.plan_commitment import with_commitment
from functions.domain.errors import FieldError, InvalidInput, NotFound
from functions.domain.subscriptions.billable_period import MOMENT
from functions.domain.subscriptions.lineage import Lineages
from functions.domain.subscriptions.subscription import Subscription

UPCOMING = "INV-UPCOMING"
# Nobody ran it.
NO_RUN = ""
# A free phase longer than that many boundaries has no upcoming invoice worth looking for.
MAX_EMPTY_BOUNDARIES = 24
FARTHEST = timedelta(days=366)
# A claim that cannot be settled now is on no invoice ahead.
FARTHEST_LOOK = timedelta(days=100 * 366)


@dataclass(frozen=True)
class PreviewPorts:
    """What looking ahead reads."""

    subscriptions: Subscriptions
    customers: BilledCustomers
    usage: Measuring
    coupons: Coupons
    invoices: Invoices
    clock: Clock
    new_id: NewId


@dataclass(frozen=True)
class Upcoming:
    """The invoice with the usage counted up to `as_of`."""

    invoice: Invoice
    as_of: datetime


def upcoming_invoice(
    tenant: str, subscription_id: str, not_before: datetime | None, *, ports: PreviewPorts
) -> Upcoming:
    """What the subscription owes at its first boundary that is not billed yet and not before `not_before`.

    It is this subscription's part of the invoice: others of the customer that are owed then share the real one, and
    what the customer's coupons deduct from it. Coupons are as they are now, also when they change before the boundary.
    Raises InvalidInput for a time too far ahead, NotFound for the subscription, or when nothing is left to be invoiced.
    """
    subscription = ports.subscriptions.get(tenant, subscription_id)
    if subscription is None:
        raise subscription_not_found(subscription_id)
    customer = ports.customers.billed(tenant, subscription.customer_id)
    if customer is None:
        raise NotFound(f"There is no customer {subscription.customer_id!r} to bill.", code="customer_not_found")
    now = ports.clock.now().replace(microsecond=0)
    if not_before is not None and not_before > now + FARTHEST:
        message = f"notBefore must be at most {FARTHEST.days} days ahead."
        raise InvalidInput(message, fields=[FieldError("notBefore", "too_far_ahead", message)])
    return Upcoming(_next_invoice(tenant, subscription, customer, not_before, now, ports), now)


def _next_invoice(
    tenant: str,
    subscription: Subscription,
    customer: BilledCustomer,
    not_before: datetime | None,
    now: datetime,
    ports: PreviewPorts,
) -> Invoice:
    lineages = Lineages(ports.subscriptions.of_customer(tenant, customer.id))
    rater = Rater(tenant, customer.holdings, ports.usage.reading_once(tenant), lineages)
    # As it is once everything owed before that is billed.
    ahead = subscription if not_before is None else subscription.billed(not_before - MOMENT, now)
    for _ in range(MAX_EMPTY_BOUNDARIES):
        boundary = ahead.next_due_at()
        if boundary is None:
            break
        rated = rater.rated(ahead, ahead.billables_due_at(boundary), now)
        ahead = ahead.billed(boundary, now).with_billed_parts(rated.parts, rated.left_over)
        returns = Returns(tenant, ports.invoices, boundary, now, wait=FARTHEST_LOOK)
        claimed, ahead = returns.of_claims(ahead, rater.credit_line)
        lines, ahead = returns.of_billables(ahead, rated.lines)
        committed, came_to = with_commitment(ahead, [*lines, *claimed], boundary, lineages)
        ahead = ahead.with_usage_billed(came_to)
        if lines := committed:
            lines, _ = deduct_coupons(
                tenant, customer.id, lines, subscription.currency, boundary, coupons=ports.coupons, lineages=lineages
            )
            return summed_up(
                lines,
                id=ports.new_id(),
                tenant=tenant,
                number=UPCOMING,
                run_id=NO_RUN,
                customer=customer,
                currency=subscription.currency,
                invoice_at=boundary,
                now=now,
            )
    message = f"Subscription {subscription.id} has no upcoming invoice: nothing that costs anything falls due any more."
    raise NotFound(message, code="no_upcoming_invoice")

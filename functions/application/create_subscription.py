"""Subscribe a customer to the active version of a plan, from now, from a later instant or from one not long past."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.application.find_plan import find_plan
from functions.application.ports.billing import (
    BilledCustomers,
    MeteredFeatures,
    NewId,
    Plans,
    Subscriptions,
)
from functions.application.ports.clock import Clock
from functions.application.ports.registry import Stale
from functions.domain.catalog.plan import Plan
from functions.domain.errors import Conflict, InvalidInput, NotFound
from functions.domain.invoicing.invoice import BilledCustomer
from functions.domain.subscriptions.subscribe import subscribe
from functions.domain.subscriptions.subscription import Subscription

ONLY_ONE = "only_single_subscription_allowed_per_customer_at_a_time"
# A subscription that far ahead is a typing error in the year.
FARTHEST_START = timedelta(days=3 * 366)


@dataclass(frozen=True)
class SubscriptionWish:
    """What the caller asks for; `customer` is an id or key, `timing` is `immediate` or an instant."""

    plan_key: str
    customer: str
    plan_version: int | None = None
    timing: datetime | str = "immediate"
    billing_anchor: datetime | None = None
    starting_phase: str | None = None
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] | None = None


def create_subscription(
    tenant: str,
    wish: SubscriptionWish,
    *,
    accept_past: timedelta,
    plans: Plans,
    subscriptions: Subscriptions,
    customers: BilledCustomers,
    features: MeteredFeatures,
    clock: Clock,
    new_id: NewId,
) -> Subscription:
    """Raises NotFound for plan or customer, InvalidInput for its times, Conflict while another one is running."""
    now = clock.now().replace(microsecond=0)
    customer = customers.find(tenant, wish.customer)
    if customer is None:
        raise NotFound(f"There is no customer {wish.customer!r}.", code="customer_not_found")
    plan = _plan(tenant, wish, plans)
    _require_currency(customer, plan.currency)
    start = _start(wish.timing, now, accept_past)
    keys = {card.feature_key for phase in plan.phases for card in phase.rate_cards if card.feature_key}
    subscription = subscribe(
        plan,
        new_id=new_id,
        customer_id=customer.id,
        features=features.metered(tenant, sorted(keys)),
        start=start,
        now=now,
        anchor=wish.billing_anchor,
        starting_phase=wish.starting_phase,
        name=wish.name,
        description=wish.description,
        metadata=wish.metadata,
    )
    slot = subscriptions.slot(tenant, customer.id)
    if slot is not None and (slot.ends_at is None or slot.ends_at > start):
        raise _only_one(customer, slot.subscription_id)
    try:
        subscriptions.add(tenant, subscription, slot)
    except Stale as stale:
        raise _only_one(customer, "made at the same moment") from stale
    return subscription


def _plan(tenant: str, wish: SubscriptionWish, plans: Plans) -> Plan:
    """Without an active version it is the latest one, so that the refusal can say what that one lacks."""
    try:
        return find_plan(tenant, wish.plan_key, plans=plans, version=wish.plan_version)
    except NotFound:
        if wish.plan_version is not None:
            raise
        latest = find_plan(tenant, wish.plan_key, plans=plans, latest=True)
        if latest.deleted_at is not None:
            raise
        return latest


def _start(timing: datetime | str, now: datetime, accept_past: timedelta) -> datetime:
    if timing == "immediate":
        return now
    if not isinstance(timing, datetime):
        message = f"A new subscription has no {timing!r}; start it `immediate` or at an instant."
        raise InvalidInput(message, code="invalid_timing")
    if timing < now - accept_past:
        message = f"A subscription can start at most {accept_past.days} days ago: older usage is not accepted any more."
        raise InvalidInput(message, code="invalid_timing")
    if timing > now + FARTHEST_START:
        raise InvalidInput("A subscription can start at most three years ahead.", code="invalid_timing")
    return timing


def _require_currency(customer: BilledCustomer, currency: str) -> None:
    if customer.currency is not None and customer.currency != currency:
        message = f"Customer {customer.id} is billed in {customer.currency}, the plan is in {currency}."
        raise InvalidInput(message, code="currency_mismatch")


def _only_one(customer: BilledCustomer, other: str) -> Conflict:
    message = f"Customer {customer.id} has a subscription ({other}) in that time; cancel it first."
    return Conflict(message, code=ONLY_ONE)

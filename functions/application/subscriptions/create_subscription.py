"""Subscribe a customer to a plan, or to one made for it: from now, from a later instant or from one not long past."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from functions.application.catalog.check_features import known_features
from functions.application.catalog.find_plan import NO_CLOCK, find_plan, versioned_plans
from functions.application.ports.catalog import NO_PREMISES, MeteredFeatures, Plans, Premises
from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId
from functions.application.ports.subscriptions import BilledCustomers, SubscriptionChange, Subscriptions
from functions.application.subscriptions.find_customer import customer_not_found
from functions.application.subscriptions.write_subscriptions import write_subscriptions
from functions.domain.billing.invoice import BilledCustomer
from functions.domain.catalog.feature import MeteredFeature
from functions.domain.catalog.phase import PlanPhase
from functions.domain.catalog.plan import CustomPlan, Plan
from functions.domain.catalog.validation import currency_problems, phase_tax_problems, refuse
from functions.domain.errors import FieldError, InvalidInput, NotFound
from functions.domain.period import Cadence, period_at, rfc3339
from functions.domain.subscriptions.subscribe import PLAIN, SubscriptionTerms, subscribe
from functions.domain.subscriptions.subscription import Subscription
from functions.domain.subscriptions.succession import had_before, phase_after_trials

# A subscription that far ahead is a typing error in the year.
FARTHEST_START = timedelta(days=3 * 366)


@dataclass(frozen=True)
class PlanChoice:
    """A version of a plan, the active one unless it is named."""

    key: str
    version: int | None = None


@dataclass(frozen=True)
class NewSubscription:
    """What the caller asks for; `customer` is an id or key, `timing` a word or an instant."""

    plan: PlanChoice | CustomPlan
    customer: str
    timing: datetime | str = "immediate"
    terms: SubscriptionTerms = PLAIN


@dataclass(frozen=True)
class Catalogue:
    """Where plans and their features are looked up."""

    plans: Plans
    features: MeteredFeatures

    def chosen(self, tenant: str, choice: PlanChoice | CustomPlan) -> tuple[Plan | CustomPlan, Premises]:
        """The plan, and by what a write can tell that it is still so; raises NotFound."""
        if isinstance(choice, CustomPlan):
            refuse([*currency_problems(choice.currency), *phase_tax_problems(choice.phases)])
            return choice, NO_PREMISES
        plan, family = versioned_plans(self.plans, NO_CLOCK).current(tenant, self._found(tenant, choice).id)
        return plan, Premises(plan=family)

    def _found(self, tenant: str, choice: PlanChoice) -> Plan:
        try:
            return find_plan(tenant, choice.key, plans=self.plans, version=choice.version)
        except NotFound:
            # Without an active version it is the latest one, so that the refusal can say what that one lacks.
            latest = find_plan(tenant, choice.key, plans=self.plans, latest=True)
            if choice.version is not None or latest.deleted_at is not None:
                raise
            return latest

    def features_of(self, tenant: str, phases: Sequence[PlanPhase]) -> dict[str, MeteredFeature]:
        """As they are now; raises InvalidInput when one that is sold is gone or has no meter to be billed by."""
        return dict(known_features(tenant, phases, self.features))


def create_subscription(
    tenant: str,
    new: NewSubscription,
    *,
    accept_past: timedelta,
    catalogue: Catalogue,
    subscriptions: Subscriptions,
    customers: BilledCustomers,
    clock: Clock,
    new_id: NewId,
) -> Subscription:
    """Raises NotFound for plan or customer, InvalidInput for its times, Conflict while another one sells the same."""
    customer_id = _customer(tenant, new.customer, customers).id

    def decide(present: Sequence[Subscription], now: datetime) -> Sequence[SubscriptionChange]:
        customer = _customer(tenant, customer_id, customers)
        plan, premises = catalogue.chosen(tenant, new.plan)
        _require_currency(customer, plan.currency)
        features = catalogue.features_of(tenant, plan.phases)
        start = _start(new, plan, customer.time_zone, now, accept_past)
        had = had_before(present, plan, start)
        terms = replace(new.terms, time_zone=customer.time_zone, charged=had.one_time)
        if had.plan and terms.starting_phase is None:
            terms = replace(terms, starting_phase=phase_after_trials(plan.phases))
        made = subscribe(
            plan, new_id=new_id, customer_id=customer.id, features=features, start=start, now=now, terms=terms
        )
        return [SubscriptionChange(None, made, premises)]

    (change,) = write_subscriptions(tenant, customer_id, decide, subscriptions=subscriptions, clock=clock)
    assert change.after is not None
    return change.after


def _customer(tenant: str, id_or_key: str, customers: BilledCustomers) -> BilledCustomer:
    found = customers.find(tenant, id_or_key)
    if found is None:
        raise customer_not_found(id_or_key)
    return found


def _start(new: NewSubscription, plan: Plan | CustomPlan, zone: str, now: datetime, accept_past: timedelta) -> datetime:
    timing = new.timing
    if timing == "immediate":
        return now
    if not isinstance(timing, datetime):
        if new.terms.anchor is None:
            message = (
                "Without a billingAnchor a new subscription has no next_billing_cycle; "
                "name the anchor, or start it `immediate` or at an instant."
            )
            raise InvalidInput(message, code="invalid_timing")
        return period_at(now, new.terms.anchor, Cadence.parse(plan.billing_cadence, zone)).end
    if timing < now - accept_past:
        message = (
            f"A subscription can start at most {accept_past.days} days ago, now at {rfc3339(now - accept_past)} or "
            f"later, not at {rfc3339(timing)}: usage before then is not accepted any more."
        )
        raise InvalidInput(message, code="invalid_timing", fields=[FieldError("timing", "invalid_timing", message)])
    if timing > (latest := now + FARTHEST_START):
        message = f"A subscription can start at most three years ahead, now at {rfc3339(latest)} or earlier."
        raise InvalidInput(message, code="invalid_timing", fields=[FieldError("timing", "invalid_timing", message)])
    return timing


def _require_currency(customer: BilledCustomer, currency: str) -> None:
    if customer.currency is not None and customer.currency != currency:
        message = f"Customer {customer.id} is billed in {customer.currency}, the plan is in {currency}."
        raise InvalidInput(message, code="currency_mismatch")

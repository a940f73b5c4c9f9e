"""Change a subscription to another plan, or migrate it to another version of its own: one ends, the next begins."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from functions.application.create_subscription import Catalogue, PlanChoice
from functions.application.ports.billing import NewId, SubscriptionChange, Subscriptions
from functions.application.ports.clock import Clock
from functions.application.write_subscriptions import subscription_not_found, write_subscription
from functions.domain.catalog.plan import CustomPlan, Plan
from functions.domain.errors import Conflict, InvalidInput
from functions.domain.period import rfc3339
from functions.domain.subscriptions.item import SubscriptionPhase
from functions.domain.subscriptions.subscribe import Terms, offset_of, subscribe
from functions.domain.subscriptions.subscription import Subscription, SubscriptionStatus
from functions.domain.subscriptions.succession import had_before, is_trial, phase_after_trials


@dataclass(frozen=True)
class Changed:
    """The subscription that ends and the one that takes its place."""

    current: Subscription
    following: Subscription


def change_subscription(
    tenant: str,
    subscription_id: str,
    choice: PlanChoice | CustomPlan,
    timing: datetime | str,
    terms: Terms,
    *,
    catalogue: Catalogue,
    subscriptions: Subscriptions,
    clock: Clock,
    new_id: NewId,
    is_migration: bool = False,
) -> Changed:
    """The anchor stays unless the terms name one, and tiers go on from the usage of the running period.

    Whoever pays, or has had the plan before, gets no trial unless the terms name it; a one-time fee of a plan is paid
    once.

    Raises NotFound, InvalidInput for times and plans, Conflict when it is not running or another one sells the same.
    """

    def decide(this: Subscription, every: Sequence[Subscription], now: datetime) -> Sequence[SubscriptionChange]:
        plan, premises = catalogue.chosen(tenant, choice)
        features = catalogue.features_of(tenant, plan.phases)
        if this.status(now) not in (SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELED):
            raise Conflict(f"Only a running subscription can be changed; {this.id} is {this.status(now).value}.")
        if this.currency != plan.currency:
            message = f"Subscription {this.id} is billed in {this.currency}, the new plan is in {plan.currency}."
            raise InvalidInput(message, code="currency_mismatch")
        at = this.effective_time(timing, now)
        if this.active_to is not None and this.active_to < at:
            raise Conflict(f"Subscription {this.id} ends at {rfc3339(this.active_to)}, before it would change.")
        _require_no_successor(this, every, now)
        had = had_before(every, plan, at)
        starting_phase, running = terms.starting_phase, _running(this, at)
        if starting_phase is None and (had.plan or (running is not None and not is_trial(running))):
            starting_phase = phase_after_trials(plan.phases)
        made = subscribe(
            plan,
            new_id=new_id,
            customer_id=this.customer_id,
            features=features,
            start=at,
            now=now,
            terms=replace(
                terms,
                anchor=terms.anchor or this.billing_anchor,
                counts_from=this.counting_since(at),
                starting_phase=starting_phase,
                charged=had.one_time,
                time_zone=this.time_zone,
                follows=this.followed(at, is_migration=is_migration),
            ),
        )
        return [SubscriptionChange(this, this.cancelled(at, now)), SubscriptionChange(None, made, premises)]

    changes = write_subscription(tenant, subscription_id, decide, subscriptions=subscriptions, clock=clock)
    ended, made = (change.after for change in changes)
    assert ended is not None
    assert made is not None
    return Changed(ended, made)


def _require_no_successor(this: Subscription, every: Sequence[Subscription], now: datetime) -> None:
    """Whoever has changed their mind would else have both plans."""
    is_next = (each for each in every if each.active_from == this.active_to)
    following = next((each for each in is_next if each.status(now) is SubscriptionStatus.SCHEDULED), None)
    if following is not None:
        message = (
            f"Subscription {this.id} ends at {rfc3339(following.active_from)}, when {following.id} ({following.label}) "
            "takes its place; restore it before you change it to something else."
        )
        raise Conflict(message, code="change_scheduled")


def _running(this: Subscription, at: datetime) -> SubscriptionPhase | None:
    """The phase that is on until `at`, or from then on if nothing else begins."""
    return this.model_copy(update={"active_to": None}).phase_at(at)


def _going_on(this: Subscription, plan: Plan, at: datetime, terms: Terms) -> Terms:
    """In the phase that is on, for what is left of it; of one that is over in the newer version, in the next."""
    running, keys = _running(this, at), [each.key for each in plan.phases]
    if running is None or running.key not in keys:
        return terms
    n, began = keys.index(running.key), running.began_at or running.starts_at
    duration = plan.phases[n].duration
    if duration is not None and offset_of(duration).after(began, this.time_zone) <= at:
        return replace(terms, starting_phase=keys[n + 1])
    return replace(terms, starting_phase=running.key, phase_began=began if began < at else None)


def migrate_subscription(
    tenant: str,
    subscription_id: str,
    version: int | None,
    timing: datetime | str,
    terms: Terms,
    *,
    catalogue: Catalogue,
    subscriptions: Subscriptions,
    clock: Clock,
    new_id: NewId,
) -> Changed:
    """To the active version of the same plan, or the one named; it stays in the phase it is in then, if that exists.

    The phase lasts as long as it would have, and coupons go on with what is left of them.

    Raises Conflict when the version is not another one than it has, InvalidInput for one that is not active.
    """
    this = subscriptions.get(tenant, subscription_id)
    if this is None:
        raise subscription_not_found(subscription_id)
    if this.plan is None:
        raise Conflict(f"Subscription {this.id} has a plan of its own, which has no versions; change it instead.")
    choice = PlanChoice(this.plan.key, version)
    plan, _ = catalogue.chosen(tenant, choice)
    assert isinstance(plan, Plan)
    if plan.version <= this.plan.version:
        message = f"Subscription {this.id} has version {this.plan.version} already; migrate to a newer one."
        raise Conflict(message, code="plan_version_not_newer")
    at = this.effective_time(timing, clock.now().replace(microsecond=0))
    if terms.starting_phase is None:
        terms = _going_on(this, plan, at, terms)
    terms = replace(terms, name=this.name, description=this.description, metadata=this.metadata)
    return change_subscription(
        tenant,
        subscription_id,
        choice,
        timing,
        terms,
        catalogue=catalogue,
        subscriptions=subscriptions,
        clock=clock,
        new_id=new_id,
        is_migration=True,
    )

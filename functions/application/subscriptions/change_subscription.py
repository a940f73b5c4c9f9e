"""Change a subscription to another plan, or migrate it to another version of its own: one ends, the next begins."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from functions.application.catalog.manage_plan_addons import Assigned
from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId
from functions.application.ports.subscriptions import SubscriptionChange, Subscriptions
from functions.application.subscriptions.create_subscription import Catalogue, PlanChoice
from functions.application.subscriptions.write_subscriptions import (
    require_no_successor,
    subscription_not_found,
    write_subscription,
)
from functions.domain.catalog.plan import CustomPlan, Plan
from functions.domain.errors import Conflict, FieldError, InvalidInput
from functions.domain.period import rfc3339
from functions.domain.subscriptions.addons import SubscriptionAddon
from functions.domain.subscriptions.billable_period import MOMENT
from functions.domain.subscriptions.edit import with_carried_addons
from functions.domain.subscriptions.subscribe import SubscriptionTerms, offset_of, subscribe
from functions.domain.subscriptions.subscription import Subscription, SubscriptionStatus
from functions.domain.subscriptions.succession import (
    addons_held,
    carried,
    had_before,
    had_one_time,
    is_trial,
    phase_after_trials,
)

# Of the subscription that ends to the one that follows, by its plan: what comes along.
Carry = Callable[[Subscription, Subscription, Plan | CustomPlan, datetime], Subscription]


class SoldWithPlan(Protocol):
    """The add-ons that a version of a plan sells."""

    def of_plan(self, tenant: str, plan_id_or_key: str) -> Sequence[Assigned]: ...


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
    terms: SubscriptionTerms,
    *,
    catalogue: Catalogue,
    subscriptions: Subscriptions,
    clock: Clock,
    new_id: NewId,
    plan_addons: SoldWithPlan | None = None,
    drop_addons: Collection[str] = (),
    is_migration: bool = False,
    keeps_end: bool = False,
) -> Changed:
    """The anchor stays unless the terms name one, and tiers go on from the usage of the running period.

    Add-ons that the plan sells come along; others have to be named in `drop_addons`, by key.

    A customer who pays, or has had the plan before, gets no trial unless the terms name it; a one-time fee of a plan
    is paid once.

    Raises NotFound, InvalidInput for times and plans, Conflict when it is not running, another one sells the same, or
    an add-on would be lost that was not named.
    """

    carry = _carrying(tenant, plan_addons, drop_addons, new_id)

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
        require_no_successor(this, every, now, "restore it before you change it to something else.")
        had = had_before(every, plan, at)
        starting_phase, running = terms.starting_phase, this.running_phase_at(at)
        if starting_phase is None and (had.plan or (running is not None and not is_trial(running))):
            starting_phase = phase_after_trials(plan.phases)
        # A later phase begins anew in everything, as it would have without the migration.
        before = this.phase_at(max(at - MOMENT, this.active_from))
        is_same_phase = before is not None and before.key == (starting_phase or plan.phases[0].key)
        counts_from = this.counting_since(at) if is_same_phase or not is_migration else {}
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
                counts_from=counts_from,
                starting_phase=starting_phase,
                charged=had.one_time,
                time_zone=this.time_zone,
                follows=this.followed(at, is_migration=is_migration),
            ),
        )
        made = carry(this, made, plan, now)
        if keeps_end and this.active_to is not None:
            made = made.cancelled(this.active_to, now)
        return [SubscriptionChange(this, this.cancelled(at, now)), SubscriptionChange(None, made, premises)]

    changes = write_subscription(tenant, subscription_id, decide, subscriptions=subscriptions, clock=clock)
    ended, made = (change.after for change in changes)
    assert ended is not None
    assert made is not None
    return Changed(ended, made)


def _going_on(this: Subscription, plan: Plan, at: datetime, terms: SubscriptionTerms) -> SubscriptionTerms:
    """In the phase that is on, for what is left of it; of one that is over in the newer version, in the next."""
    running, keys = this.running_phase_at(at), [each.key for each in plan.phases]
    if running is None or running.key not in keys:
        return terms
    n, began = keys.index(running.key), running.began_at or running.starts_at
    duration = plan.phases[n].duration
    if duration is not None and offset_of(duration).after(began, this.time_zone) <= at:
        return replace(terms, starting_phase=keys[n + 1])
    return replace(terms, starting_phase=running.key, phase_began=began if began < at else None)


def _carrying(tenant: str, plan_addons: SoldWithPlan | None, drop_addons: Collection[str], new_id: NewId) -> Carry:
    def carry(was: Subscription, made: Subscription, plan: Plan | CustomPlan, now: datetime) -> Subscription:
        held = addons_held(was, made.active_from)
        if not held:
            return made
        # A plan made for one subscription sells none.
        offers = plan_addons.of_plan(tenant, plan.id) if plan_addons is not None and isinstance(plan, Plan) else ()
        sold = {each.addon.key: each.terms.from_plan_phase for each in offers}
        left = [each.addon.key for each in held if not _is_sold(each, sold, plan, made)]
        if lost := sorted(set(left) - set(drop_addons)):
            message = (
                f"{made.label} does not sell add-on {', '.join(map(repr, lost))} in this phase; "
                "name it in dropAddons to go on without it, or assign it to that version first."
            )
            fields = [FieldError("dropAddons", "missing", key) for key in lost]
            raise Conflict(message, code="addons_not_carried", fields=fields)
        kept = [carried(each, made.active_from, now) for each in held if each.addon.key not in (*left, *drop_addons)]
        return with_carried_addons(made, kept, had_one_time(was, made.active_from), now=now, new_id=new_id)

    return carry


def _is_sold(addon: SubscriptionAddon, sold: Mapping[str, str], plan: Plan | CustomPlan, made: Subscription) -> bool:
    """From the phase that the subscription begins with, or from one before it."""
    keys = [phase.key for phase in plan.phases]
    first = sold.get(addon.addon.key)
    return first is not None and keys.index(first) <= keys.index(made.phases[0].key)


def migrate_subscription(
    tenant: str,
    subscription_id: str,
    version: int | None,
    timing: datetime | str,
    terms: SubscriptionTerms,
    *,
    catalogue: Catalogue,
    plan_addons: SoldWithPlan,
    subscriptions: Subscriptions,
    clock: Clock,
    new_id: NewId,
    drop_addons: Collection[str] = (),
    keeps_end: bool = False,
) -> Changed:
    """To the active version of the same plan, or the one named; it stays in the phase it is in then, if that exists.

    The phase lasts as long as it would have, coupons go on with what is left of them, and add-ons come along. One that
    the newer version does not sell has to be named in `drop_addons`, by key; raises Conflict if it is not. An end that
    it is to have is taken back, as somebody has asked for the newer version, unless `keeps_end` says that nobody has.

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
        plan_addons=plan_addons,
        drop_addons=drop_addons,
        is_migration=True,
        keeps_end=keeps_end,
    )

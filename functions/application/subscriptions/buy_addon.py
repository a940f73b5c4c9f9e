"""Add-ons on a subscription: buy one, change how many there are, end it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.application.catalog.manage_plan_addons import PlanAddonsOf
from functions.application.ports.catalog import MeteredFeatures
from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId
from functions.application.ports.subscriptions import SubscriptionChange, Subscriptions
from functions.application.subscriptions.write_subscriptions import (
    DecideOne,
    subscription_not_found,
    write_subscription,
)
from functions.domain.catalog.plan import Plan
from functions.domain.catalog.versioned import VersionStatus
from functions.domain.errors import Conflict, NotFound
from functions.domain.period import rfc3339
from functions.domain.subscriptions.addons import MAX_ADDONS, SubscriptionAddon, bought
from functions.domain.subscriptions.edit import with_addons
from functions.domain.subscriptions.subscription import Subscription

Timing = datetime | str


@dataclass(frozen=True)
class Purchase:
    """What the caller asks for."""

    addon_id: str
    name: str
    quantity: int
    timing: Timing
    description: str | None = None
    metadata: dict[str, str] | None = None


@dataclass(frozen=True)
class AddonChange:
    """None leaves it as it is; a quantity takes effect at `timing`."""

    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] | None = None
    quantity: int | None = None
    timing: Timing = "immediate"


@dataclass(frozen=True)
class Bought:
    subscription: Subscription
    addon: SubscriptionAddon


@dataclass(frozen=True)
class SubscriptionAddons:
    """The add-ons of subscriptions, over the stores they need."""

    catalogue: PlanAddonsOf
    subscriptions: Subscriptions
    features: MeteredFeatures
    clock: Clock
    new_id: NewId

    def buy(self, tenant: str, subscription_id: str, purchase: Purchase) -> Bought:
        """Raises NotFound, InvalidInput for quantity and time, Conflict when the plan or phase does not have it."""
        found = self._subscription(tenant, subscription_id)
        if found.plan is None:
            message = f"Subscription {found.id} has a plan of its own; add its items by editing it."
            raise Conflict(message, code="no_plan_addons")
        plan_id, new_id = found.plan.id, self.new_id()

        def decide(this: Subscription, _all: Sequence[Subscription], now: datetime) -> Sequence[SubscriptionChange]:
            plan, assigned, premises = self.catalogue.current(tenant, plan_id, purchase.addon_id)
            addon = assigned.addon
            if addon.status(now) is not VersionStatus.ACTIVE:
                raise Conflict(f"Add-on {addon.label} is not for sale any more.", code="addon_not_active")
            sold = sorted({each.feature_key for each in addon.rate_cards if each.feature_key})
            at = self._effective(this, purchase.timing, now)
            _require_phase(this, plan, assigned.terms.from_plan_phase, at)
            if any(each.addon.key == addon.key and not _is_over(each, now) for each in this.addons):
                message = f"Subscription {this.id} has add-on {addon.key!r} already; change its quantity."
                raise Conflict(message, code="subscription_addon_exists")
            if len(this.addons) >= MAX_ADDONS:
                raise Conflict(f"Subscription {this.id} has had {MAX_ADDONS} add-ons, the most it can.")
            made = bought(
                addon,
                id=new_id,
                name=purchase.name,
                description=purchase.description,
                metadata=purchase.metadata,
                quantity=purchase.quantity,
                max_quantity=assigned.terms.max_quantity,
                features=self.features.metered(tenant, sold),
                at=at,
                now=now,
            )
            after = with_addons(this, [*this.addons, made], at=at, now=now, new_id=self.new_id)
            return [SubscriptionChange(this, after, premises)]

        return self._written(tenant, subscription_id, decide, new_id)

    def change(self, tenant: str, subscription_id: str, addon_id: str, change: AddonChange) -> Bought:
        """Raises NotFound, InvalidInput for quantity and time, Conflict when nothing can change any more."""
        found = self.get(tenant, subscription_id, addon_id).addon.id

        def decide(this: Subscription, _all: Sequence[Subscription], now: datetime) -> Sequence[SubscriptionChange]:
            before = _find(this, found)
            said = {"name": change.name, "description": change.description, "metadata": change.metadata}
            after = before.model_copy(update={name: value for name, value in said.items() if value is not None})
            after = after.model_copy(update={"updated_at": now})
            at = now
            if change.quantity is not None:
                at = self._effective(this, change.timing, now)
                if _is_over(before, now):
                    raise Conflict(f"Add-on {before.addon.key!r} has ended; buy it again.", code="addon_ended")
                after = after.with_quantity(change.quantity, at, now)
            addons = [after if each.id == found else each for each in this.addons]
            return [SubscriptionChange(this, with_addons(this, addons, at=at, now=now, new_id=self.new_id))]

        return self._written(tenant, subscription_id, decide, found)

    def get(self, tenant: str, subscription_id: str, addon_id: str) -> Bought:
        found = self._subscription(tenant, subscription_id)
        return Bought(found, _find(found, addon_id))

    def of(self, tenant: str, subscription_id: str) -> list[Bought]:
        found = self._subscription(tenant, subscription_id)
        return [Bought(found, each) for each in found.addons]

    def _subscription(self, tenant: str, subscription_id: str) -> Subscription:
        found = self.subscriptions.get(tenant, subscription_id)
        if found is None:
            raise subscription_not_found(subscription_id)
        return found

    def _effective(self, this: Subscription, timing: Timing, now: datetime) -> datetime:
        at = max(this.effective_time(timing, now), this.active_from)
        this.require_changeable(at, now)
        if this.active_to is not None and this.active_to <= at:
            raise Conflict(f"Subscription {this.id} ends at {rfc3339(this.active_to)}; nothing can change then.")
        return at

    def _written(self, tenant: str, subscription_id: str, decide: DecideOne, addon_id: str) -> Bought:
        (change,) = write_subscription(
            tenant, subscription_id, decide, subscriptions=self.subscriptions, clock=self.clock
        )
        assert change.after is not None
        return Bought(change.after, _find(change.after, addon_id))


def _find(subscription: Subscription, addon_id: str) -> SubscriptionAddon:
    for each in subscription.addons:
        if each.id == addon_id:
            return each
    message = f"Subscription {subscription.id} has no add-on {addon_id[:100]!r}."
    raise NotFound(message, code="subscription_addon_not_found")


def _is_over(addon: SubscriptionAddon, now: datetime) -> bool:
    return addon.active_to is not None and addon.active_to <= now


def _require_phase(subscription: Subscription, plan: Plan, first: str, at: datetime) -> None:
    """The phase that is on at that time, or one before it, is not earlier than the one the add-on is sold from."""
    keys = [phase.key for phase in plan.phases]
    begun = [phase.key for phase in subscription.phases if phase.starts_at <= at and phase.key in keys]
    if not begun or keys.index(begun[-1]) < keys.index(first):
        message = f"The add-on is sold from phase {first!r} on, which the subscription has not reached."
        raise Conflict(message, code="addon_not_available_in_phase")

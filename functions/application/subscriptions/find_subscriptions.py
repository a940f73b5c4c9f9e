"""Which subscriptions a list shows: by plan, version, status, customer and the phase that is on."""

from dataclasses import dataclass
from datetime import datetime

from functions.domain.subscriptions.subscription import Subscription


@dataclass(frozen=True)
class SubscriptionFilter:
    """All that is asked for must hold; what is None or empty asks for nothing. `phase` is the key of the one on now."""

    plan_key: str | None = None
    plan_version: int | None = None
    statuses: frozenset[str] = frozenset()
    customer_id: str | None = None
    phase: str | None = None

    @property
    def asks(self) -> bool:
        return self != SubscriptionFilter()

    def matches(self, subscription: Subscription, now: datetime) -> bool:
        plan, phase = subscription.plan, subscription.phase_at(now)
        return (
            (self.plan_key is None or (plan is not None and plan.key == self.plan_key))
            and (self.plan_version is None or (plan is not None and plan.version == self.plan_version))
            and (not self.statuses or subscription.status(now).value in self.statuses)
            and (self.customer_id is None or subscription.customer_id == self.customer_id)
            and (self.phase is None or (phase is not None and phase.key == self.phase))
        )

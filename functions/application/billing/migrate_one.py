"""One subscription of a plan's migration: migrate it, or say what migrating it would come to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from functions.application.billing.issue_invoice import BillingPorts
from functions.application.billing.preview_deed import preview_deed
from functions.application.ports.catalog import Premises
from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId
from functions.application.ports.subscriptions import Subscriptions
from functions.application.subscriptions.change_subscription import Changed, SoldWithPlan, migrate_subscription
from functions.application.subscriptions.create_subscription import Catalogue, PlanChoice
from functions.domain.catalog.feature import MeteredFeature
from functions.domain.catalog.phase import PlanPhase
from functions.domain.catalog.plan import CustomPlan, Plan
from functions.domain.errors import TollboothError
from functions.domain.subscriptions.plan_migration import FollowingInvoice, MigratedSubscription, PlanMigration
from functions.domain.subscriptions.subscribe import PLAIN
from functions.domain.subscriptions.subscription import Subscription


@dataclass(frozen=True)
class Migrating:
    """What migrating one subscription reads and writes."""

    tenant: str
    migration: PlanMigration
    catalogue: Catalogue
    plan_addons: SoldWithPlan
    subscriptions: Subscriptions
    clock: Clock
    new_id: NewId

    def migrate(self, each: MigratedSubscription) -> MigratedSubscription:
        """Now; one that has been migrated already is looked up and not migrated again."""
        try:
            changed = self._changed(each, self.subscriptions)
        except TollboothError:
            found = self._found(each)
            if found is None:
                raise
            changed = found
        return each.compared(changed.current, changed.following, following_id=changed.following.id)

    def preview(self, each: MigratedSubscription, ports: BillingPorts) -> MigratedSubscription:
        """The same on copies, with the invoice that would follow."""

        def deed(copies: Subscriptions) -> tuple[list[Subscription], datetime]:
            changed = self._changed(each, copies)
            return [changed.current, changed.following], changed.following.active_from

        preview = preview_deed(self.tenant, each.subscription_id, deed, ports=ports)
        totals = [line.total_minor for _, line in preview.lines]
        invoice = FollowingInvoice(
            charges_minor=sum(total for total in totals if total > 0),
            credits_minor=-sum(total for total in totals if total < 0),
        )
        return each.compared(preview.before, preview.after[-1], invoice=invoice)

    def _changed(self, each: MigratedSubscription, subscriptions: Subscriptions) -> Changed:
        return migrate_subscription(
            self.tenant,
            each.subscription_id,
            self.migration.to_version,
            "immediate",
            PLAIN,
            catalogue=self.catalogue,
            plan_addons=self.plan_addons,
            subscriptions=subscriptions,
            clock=self.clock,
            new_id=self.new_id,
            # It must not bring back a customer who has cancelled.
            keeps_end=True,
        )

    def _found(self, each: MigratedSubscription) -> Changed | None:
        """What follows it on the version, made by a worker that was killed, or by somebody else."""
        this = self.subscriptions.get(self.tenant, each.subscription_id)
        if this is None or this.active_to is None:
            return None
        wanted = self.migration.plan_key, self.migration.to_version
        for other in self.subscriptions.of_customer(self.tenant, this.customer_id):
            is_wanted = other.plan is not None and (other.plan.key, other.plan.version) == wanted
            if is_wanted and other.active_from == this.active_to:
                return Changed(this, other)
        return None


@dataclass(frozen=True)
class RememberedCatalogue(Catalogue):
    """Of one tenant, for a page: the same plan is not read again for each of its subscriptions.

    A write with a plan that has changed since is refused by its premises, and the next page reads it anew.
    """

    _plans: dict[PlanChoice, tuple[Plan | CustomPlan, Premises]] = field(default_factory=dict)
    _features: dict[tuple[str, ...], dict[str, MeteredFeature]] = field(default_factory=dict)

    def chosen(self, tenant: str, choice: PlanChoice | CustomPlan) -> tuple[Plan | CustomPlan, Premises]:
        assert isinstance(choice, PlanChoice), choice
        if choice not in self._plans:
            self._plans[choice] = super().chosen(tenant, choice)
        return self._plans[choice]

    def features_of(self, tenant: str, phases: Sequence[PlanPhase]) -> dict[str, MeteredFeature]:
        keys = tuple(sorted({card.feature_key for phase in phases for card in phase.rate_cards if card.feature_key}))
        if keys not in self._features:
            self._features[keys] = super().features_of(tenant, phases)
        return self._features[keys]

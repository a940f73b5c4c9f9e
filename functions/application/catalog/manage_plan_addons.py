"""Assign add-ons to a plan, change and end the assignment."""

from dataclasses import dataclass
from datetime import datetime

from functions.application.catalog.find_plan import versioned_plans
from functions.application.catalog.manage_addon import versioned_addons
from functions.application.ports.catalog import Addons, Family, PlanAddons, Plans, Premises
from functions.application.ports.clock import Clock
from functions.application.retry import decide_again_when_stale
from functions.domain.catalog.addon import Addon
from functions.domain.catalog.plan import Plan
from functions.domain.catalog.plan_addon import PlanAddon, PlanAddonCreate, PlanAddonReplaceUpdate, require_assignable
from functions.domain.errors import Conflict, NotFound

# A person chooses from them; a subscription keeps copies of those it has.
MAX_ADDONS = 100


@dataclass(frozen=True)
class Assigned:
    terms: PlanAddon
    addon: Addon


@dataclass(frozen=True)
class PlanAddonsOf:
    """The add-ons of plans, over the stores they need."""

    plans: Plans
    addons: Addons
    plan_addons: PlanAddons
    clock: Clock

    def assign(self, tenant: str, plan_id: str, create: PlanAddonCreate) -> Assigned:
        """Raises NotFound, Conflict when it is assigned already, InvalidInput when the two do not go together."""
        return decide_again_when_stale(lambda: self._assign(tenant, plan_id, create))

    def _assign(self, tenant: str, plan_id: str, create: PlanAddonCreate) -> Assigned:
        plan, family = self._current_plan(tenant, plan_id)
        addon, addon_family = self._current_addon(tenant, create.addon_id)
        now = self._now()
        require_assignable(plan, addon, create, now)
        present = self._assigned(tenant, plan)
        if any(each.addon.key == addon.key for each in present):
            message = f"Plan {plan.label} has add-on {addon.key!r} already; change that assignment."
            raise Conflict(message, code="plan_addon_exists")
        if len(present) >= MAX_ADDONS:
            raise Conflict(f"Plan {plan.label} has {MAX_ADDONS} add-ons, the most there can be.")
        terms = create.model_dump(exclude={"addon_id"})
        made = PlanAddon(**terms, plan_id=plan.id, addon_id=addon.id, created_at=now, updated_at=now)
        self.plan_addons.save(tenant, made, Premises(family, addon_family))
        return Assigned(made, addon)

    def change(self, tenant: str, plan_id: str, id_or_key: str, terms: PlanAddonReplaceUpdate) -> Assigned:
        def change() -> Assigned:
            plan, family = self._current_plan(tenant, plan_id)
            before, now = self._find(tenant, plan, id_or_key), self._now()
            addon, addon_family = self._current_addon(tenant, before.addon.id)
            require_assignable(plan, addon, terms, now)
            after = before.terms.model_copy(update={**dict(terms), "updated_at": now})
            self.plan_addons.save(tenant, after, Premises(family, addon_family))
            return Assigned(after, addon)

        return decide_again_when_stale(change)

    def end(self, tenant: str, plan_id: str, id_or_key: str) -> None:
        """Nobody can buy it with this plan any more; subscriptions that have it keep it."""

        def end() -> None:
            plan, family = self._current_plan(tenant, plan_id)
            before, now = self._find(tenant, plan, id_or_key), self._now()
            ended = before.terms.model_copy(update={"deleted_at": now, "updated_at": now})
            self.plan_addons.save(tenant, ended, Premises(plan=family))

        decide_again_when_stale(end)

    def get(self, tenant: str, plan_id_or_key: str, id_or_key: str) -> Assigned:
        return self._find(tenant, self.plan(tenant, plan_id_or_key), id_or_key)

    def of_plan(self, tenant: str, plan_id_or_key: str, *, with_deleted: bool = False) -> list[Assigned]:
        return self._assigned(tenant, self.plan(tenant, plan_id_or_key), with_deleted=with_deleted)

    def _assigned(self, tenant: str, plan: Plan, *, with_deleted: bool = False) -> list[Assigned]:
        terms = [each for each in self.plan_addons.of_plan(tenant, plan.id) if with_deleted or each.deleted_at is None]
        return [Assigned(each, self._addon(tenant, each.addon_id)) for each in terms]

    def _find(self, tenant: str, plan: Plan, id_or_key: str) -> Assigned:
        for each in self._assigned(tenant, plan):
            if id_or_key in (each.addon.id, each.addon.key):
                return each
        message = f"Plan {plan.label} has no add-on {id_or_key[:100]!r}."
        raise NotFound(message, code="plan_addon_not_found")

    def plan(self, tenant: str, id_or_key: str) -> Plan:
        return versioned_plans(self.plans, self.clock).find(tenant, id_or_key)

    def current(self, tenant: str, plan_id: str, addon_id: str) -> tuple[Plan, Assigned, Premises]:
        """A plan with one of its add-ons, and the families by which a write can tell that they are still so."""
        plan, family = self._current_plan(tenant, plan_id)
        assigned = self._find(tenant, plan, addon_id)
        addon, addon_family = self._current_addon(tenant, assigned.addon.id)
        return plan, Assigned(assigned.terms, addon), Premises(family, addon_family)

    def _current_plan(self, tenant: str, id_or_key: str) -> tuple[Plan, Family]:
        return versioned_plans(self.plans, self.clock).current(tenant, self.plan(tenant, id_or_key).id)

    def _current_addon(self, tenant: str, id_or_key: str) -> tuple[Addon, Family]:
        return versioned_addons(self.addons, self.clock).current(tenant, self._addon(tenant, id_or_key).id)

    def _addon(self, tenant: str, addon_id: str) -> Addon:
        return versioned_addons(self.addons, self.clock).find(tenant, addon_id)

    def _now(self) -> datetime:
        return self.clock.now().replace(microsecond=0)

"""Which add-on a plan's subscribers can have: from which phase on, and how many times."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from functions.domain.catalog.addon import Addon
from functions.domain.catalog.merging import why_not
from functions.domain.catalog.plan import Plan
from functions.domain.catalog.rate_card import without_nulls
from functions.domain.catalog.validation import cadence_problems, refuse
from functions.domain.catalog.versioned import VersionStatus
from functions.domain.errors import Conflict, FieldError
from functions.domain.wire import Instant, Key, Metadata, WireModel

MAX_QUANTITY = 1_000_000


class PlanAddonReplaceUpdate(WireModel):
    metadata: Metadata = None
    from_plan_phase: Key
    max_quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)] | None = None


class PlanAddonCreate(PlanAddonReplaceUpdate):
    addon_id: str


class PlanAddon(PlanAddonReplaceUpdate):
    plan_id: str
    addon_id: str
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None = None

    def to_wire(self, addon: Addon, now: datetime) -> dict[str, Any]:
        wire = self.model_dump(mode="json", by_alias=True, exclude={"plan_id", "addon_id"})
        return without_nulls(wire) | {"addon": addon.to_wire(now), "validationErrors": []}


def require_assignable(plan: Plan, addon: Addon, terms: PlanAddonReplaceUpdate, now: datetime) -> None:
    """Raises Conflict for versions that are not for sale, InvalidInput for what does not go together."""
    if plan.status(now) is VersionStatus.ARCHIVED:
        raise Conflict(f"Plan {plan.label} is archived; assign add-ons to a draft or active version.")
    if addon.status(now) is not VersionStatus.ACTIVE:
        message = f"Add-on {addon.label} is {addon.status(now)}; publish it before it is assigned."
        raise Conflict(message, code="addon_not_active")
    keys = [phase.key for phase in plan.phases]
    problems = []
    if addon.currency != plan.currency:
        message = f"the add-on is in {addon.currency}, the plan in {plan.currency}"
        problems.append(FieldError("addonId", "currency_mismatch", message))
    if addon.instance_type == "single" and terms.max_quantity not in (None, 1):
        message = "an add-on of type single can be had once; leave it out"
        problems.append(FieldError("maxQuantity", "single_instance_addon", message))
    if terms.from_plan_phase not in keys:
        message = f"the plan has no phase {terms.from_plan_phase!r}; it has {', '.join(keys)}"
        problems.append(FieldError("fromPlanPhase", "unknown_phase", message))
        refuse(problems, "invalid_plan_addon")
    for c, card in enumerate(addon.rate_cards):
        where = f"addon.rateCards[{c}]"
        if card.billing_cadence is not None:
            problems += cadence_problems(f"{where}.billingCadence", card.billing_cadence, plan.billing_cadence)
        for phase in plan.phases[keys.index(terms.from_plan_phase) :]:
            base = next((each for each in phase.rate_cards if each.key == card.key), None)
            reason = why_not(base, card) if base is not None else None
            if reason is not None:
                message = f"{card.key!r} {reason} in phase {phase.key!r}"
                problems.append(FieldError(where, "addon_not_compatible", message))
                break
    refuse(problems, "invalid_plan_addon")

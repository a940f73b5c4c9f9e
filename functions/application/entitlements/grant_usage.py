"""Grants of a metered entitlement, also of one that a subscription gave: more of it, less of it, and a new period."""

from datetime import datetime

from functions.application.entitlements.create_entitlement import require_in_period
from functions.application.entitlements.find_entitlement import (
    EntitlementPorts,
    Found,
    find_entitlement,
    require_present,
    with_others,
)
from functions.application.ports.entitlements import EntitledChange, EntitledCustomer
from functions.application.retry import decide_again_when_stale
from functions.domain.entitlements.course import Course
from functions.domain.entitlements.entitlement import MAX_GRANTS, MAX_RESETS, Entitlement, ResetRecord
from functions.domain.entitlements.entitlement_create import GrantCreate, GrantCreateV2, UsageReset, to_minute
from functions.domain.entitlements.grant_record import GrantRecord
from functions.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from functions.domain.period import rfc3339


def create_grant(
    tenant: str,
    customer: EntitledCustomer,
    id_or_feature_key: str,
    create: GrantCreate | GrantCreateV2,
    *,
    ports: EntitlementPorts,
) -> tuple[Entitlement, GrantRecord]:
    """Raises NotFound, InvalidInput for one that begins before the usage period, Conflict for too many."""
    require_present(customer)

    def decide() -> tuple[Entitlement, GrantRecord]:
        now = ports.now()
        found = find_entitlement(tenant, customer, id_or_feature_key, ports=ports)
        entitlement = _counting(found, now)
        require_in_period(create.effective_at, entitlement.current_period(now).start, "effectiveAt")
        if len(entitlement.grants) >= MAX_GRANTS:
            message = (
                f"Entitlement {entitlement.id} has {MAX_GRANTS} grants, the most it can; override it with a new one."
            )
            raise Conflict(message, code="too_many_grants")
        grant = GrantRecord.made(create, ports.new_id(), now)
        after = entitlement.model_copy(update={"grants": (*entitlement.grants, grant), "updated_at": now})
        _save(tenant, found, after, ports)
        return after, grant

    return decide_again_when_stale(decide)


def void_grant(tenant: str, grant_id: str, at: datetime | None, *, ports: EntitlementPorts) -> None:
    """From an instant of the current usage period on, now unless given; what was used of it stays used.

    Raises NotFound, and InvalidInput for an instant that is none or a grant that was voided.
    """

    def decide() -> None:
        now = ports.now()
        stored = ports.entitlements.grant(tenant, grant_id)
        holder = ports.entitlements.get(tenant, stored.entitlement_id) if stored else None
        if stored is None or holder is None:
            raise NotFound(f"There is no grant {grant_id[:100]!r}.", code="grant_not_found")
        found = with_others(tenant, holder, ports.entitlements)
        entitlement = found.entitlement
        grant = next(each for each in entitlement.grants if each.id == grant_id)
        voided_at = _voided_at(found, grant, at, now)
        voided = grant.model_copy(update={"voided_at": voided_at, "updated_at": now})
        grants = tuple(voided if each.id == grant_id else each for each in entitlement.grants)
        _save(tenant, found, entitlement.model_copy(update={"grants": grants, "updated_at": now}), ports)

    decide_again_when_stale(decide)


def _voided_at(found: Found, grant: GrantRecord, at: datetime | None, now: datetime) -> datetime:
    if grant.voided_at is not None:
        message = f"Grant {grant.id} was voided at {rfc3339(grant.voided_at)} already."
        raise InvalidInput(message, code="grant_already_voided")
    if grant.is_issued and found.entitlement.is_managed:
        message = f"Grant {grant.id} is what subscription {found.entitlement.subscription_id} issues; change that one."
        raise InvalidInput(message, code="entitlement_managed_by_subscription")
    if at is not None and at > now:
        raise _wrong_time("at", "in_the_future", "A grant cannot be voided in the future.")
    # A top-up of an entitlement that another one carries counts in that one's usage period.
    counting = found.entitled.at(now) or found.entitlement
    started = counting.current_period(now).start
    voided_at = to_minute(at or now)
    if at is not None and voided_at < started:
        message = f"A grant can be voided within the current usage period, which began {rfc3339(started)}, not earlier."
        raise _wrong_time("at", "before_usage_period", message)
    return voided_at


def reset_usage(
    tenant: str, customer: EntitledCustomer, id_or_feature_key: str, reset: UsageReset, *, ports: EntitlementPorts
) -> None:
    """Begin a new usage period; raises NotFound, and InvalidInput for a minute that is none for it."""
    require_present(customer)

    def decide() -> None:
        now = ports.now()
        found = find_entitlement(tenant, customer, id_or_feature_key, ports=ports)
        entitlement = _counting(found, now)
        at = reset.effective_at or to_minute(now)
        started = Course.of(found.entitled, entitlement).measured_period_at(now).start
        if at > now:
            raise _wrong_time("effectiveAt", "in_the_future", "Usage cannot be reset in the future.")
        if at <= max(started, *(each.at for each in entitlement.resets), started):
            message = (
                f"The current usage period began at {rfc3339(started)}; a reset is at a later minute than that, and "
                "there is one a minute at most."
            )
            raise _wrong_time("effectiveAt", "before_usage_period", message)
        if len(entitlement.resets) >= MAX_RESETS:
            message = (
                f"Entitlement {entitlement.id} was reset {MAX_RESETS} times by hand, the most it can; override it."
            )
            raise Conflict(message, code="too_many_resets")
        made = ResetRecord(at=at, retains_anchor=reset.retain_anchor, preserves_overage=reset.preserve_overage)
        after = entitlement.model_copy(update={"resets": (*entitlement.resets, made), "updated_at": now})
        _save(tenant, found, after, ports)

    decide_again_when_stale(decide)


def _counting(found: Found, now: datetime) -> Entitlement:
    """Raises InvalidInput for what has no grants, Conflict for what is over."""
    entitlement = found.entitlement
    if not entitlement.is_metered:
        message = f"Entitlement {entitlement.id} is {entitlement.type}; only metered ones have grants and usage."
        raise InvalidInput(message, code="entitlement_not_metered")
    if not entitlement.is_active_at(now):
        raise Conflict(f"Entitlement {entitlement.id} is not active now.", code="entitlement_not_active")
    return entitlement


def _save(tenant: str, found: Found, after: Entitlement, ports: EntitlementPorts) -> None:
    ports.entitlements.save(tenant, EntitledChange(found.entitled, found.entitled.with_changed(after)))


def _wrong_time(field: str, code: str, message: str) -> InvalidInput:
    return InvalidInput(message, code=code, fields=[FieldError(field, code, message)])

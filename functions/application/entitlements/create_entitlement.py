"""Entitle a customer to a feature, for good or until it is deleted; put one entitlement in the place of another."""

from datetime import datetime, timedelta

from functions.application.catalog.find_feature import find_feature
from functions.application.entitlements.find_entitlement import (
    EntitlementPorts,
    Found,
    find_entitlement,
    require_present,
)
from functions.application.ports.catalog import Features
from functions.application.ports.entitlements import EntitledChange, EntitledCustomer
from functions.application.retry import decide_again_when_stale
from functions.domain.catalog.feature import MeteredFeature
from functions.domain.entitlements.entitlement import Entitlement
from functions.domain.entitlements.entitlement_create import (
    AnyCreate,
    AnyMeteredCreate,
    MeteredEntitlementCreate,
    MeteredEntitlementCreateV2,
    StaticEntitlementCreate,
    to_minute,
)
from functions.domain.entitlements.grant_record import GrantRecord, Recurring
from functions.domain.errors import FieldError, Forbidden, InvalidInput
from functions.domain.period import period_at, rfc3339

# Whoever measures from earlier on wants another year's usage, or mistook the year.
LONGEST_MEASURED = timedelta(days=366)


def create_entitlement(
    tenant: str, customer: EntitledCustomer, create: AnyCreate, *, ports: EntitlementPorts
) -> Entitlement:
    """Raises NotFound for the feature, InvalidInput, and Conflict while the customer has an entitlement to it."""
    require_present(customer)

    def decide() -> Entitlement:
        now = ports.now()
        made = _made(tenant, customer, create, ports, now)
        before = ports.entitlements.entitled(tenant, customer.id, made.feature.key)
        ports.entitlements.save(tenant, EntitledChange(before, before.with_one(made, now)))
        return made

    return decide_again_when_stale(decide)


def override_entitlement(
    tenant: str, customer: EntitledCustomer, id_or_feature_key: str, create: AnyCreate, *, ports: EntitlementPorts
) -> Entitlement:
    """The one that is there ends as the new one begins; raises NotFound without one, and as `create_entitlement`."""
    require_present(customer)

    def decide() -> Entitlement:
        now = ports.now()
        found = find_entitlement(tenant, customer, id_or_feature_key, ports=ports)
        require_own(found.entitlement, "overridden")
        made = _made(tenant, customer, create, ports, now)
        if made.feature.key != found.entitlement.feature.key:
            message = f"{found.entitlement.id} is of feature {found.entitlement.feature.key!r}; name the same feature."
            raise InvalidInput(message, fields=[FieldError("featureKey", "other_feature", message)])
        ended = found.entitled.with_changed(_deleted(found, now))
        ports.entitlements.save(tenant, EntitledChange(found.entitled, ended.with_one(made, now)))
        return made

    return decide_again_when_stale(decide)


def delete_entitlement(
    tenant: str, customer: EntitledCustomer, id_or_feature_key: str, *, ports: EntitlementPorts
) -> None:
    """From now on; what was allowed before stays so. Raises NotFound, and Forbidden for one of a subscription."""

    def decide() -> None:
        found = find_entitlement(tenant, customer, id_or_feature_key, ports=ports)
        require_own(found.entitlement, "deleted")
        if not found.entitlement.is_deleted:
            after = found.entitled.with_changed(_deleted(found, ports.now()))
            ports.entitlements.save(tenant, EntitledChange(found.entitled, after))

    decide_again_when_stale(decide)


def require_own(entitlement: Entitlement, what: str) -> None:
    if entitlement.is_managed:
        message = (
            f"Entitlement {entitlement.id} comes from subscription {entitlement.subscription_id} and cannot be {what}; "
            "edit, change or cancel that one."
        )
        raise Forbidden(message, code="entitlement_managed_by_subscription")


def _deleted(found: Found, now: datetime) -> Entitlement:
    at = max(now, found.entitlement.active_from)
    return found.entitlement.model_copy(update={"deleted_at": at, "updated_at": now})


def _made(
    tenant: str, customer: EntitledCustomer, create: AnyCreate, ports: EntitlementPorts, now: datetime
) -> Entitlement:
    made = Entitlement(
        id=ports.new_id(),
        type=create.type,
        customer_id=customer.id,
        feature=_feature(tenant, create, ports.features),
        metadata=create.metadata,
        active_from=now,
        created_at=now,
        updated_at=now,
    )
    if isinstance(create, StaticEntitlementCreate):
        return made.model_copy(update={"config": create.config})
    if isinstance(create, MeteredEntitlementCreate | MeteredEntitlementCreateV2):
        return _metered(made, create, ports, now)
    return made


def _feature(tenant: str, create: AnyCreate, features: Features) -> MeteredFeature:
    found = find_feature(tenant, create.feature_key or create.feature_id or "", features=features)
    if create.feature_id is not None and found.id != create.feature_id:
        message = (
            f"featureKey {create.feature_key!r} is the key of another feature than featureId {create.feature_id!r}."
        )
        raise InvalidInput(message, fields=[FieldError("featureId", "other_feature", message)])
    if found.is_archived:
        message = f"Feature {found.key!r} is archived; nobody can be entitled to it any more."
        raise InvalidInput(message, fields=[FieldError("featureKey", "archived", message)])
    if create.type == "metered" and found.meter_slug is None:
        message = f"Feature {found.key!r} has no meter; make its entitlement boolean or static, or a feature with one."
        raise InvalidInput(message, fields=[FieldError("featureKey", "no_meter", message)])
    return MeteredFeature(
        id=found.id,
        key=found.key,
        name=found.name,
        meter_slug=found.meter_slug,
        filters=found.filters,
        unit=found.unit,
    )


def _metered(made: Entitlement, create: AnyMeteredCreate, ports: EntitlementPorts, now: datetime) -> Entitlement:
    period = Recurring.made(create.usage_period, to_minute(now))
    started = period_at(now, period.anchor, period.cadence).start
    measured = _measured_from(create, started, now)
    made = made.model_copy(
        update={
            "usage_period": period,
            "measure_usage_from": measured,
            "is_soft_limit": create.is_soft_limit,
            "preserve_overage_at_reset": create.preserve_overage_at_reset,
        }
    )
    issued = create.issued
    # Nothing is issued where nothing is asked for: the id of a grant is one it really has.
    grants = [] if issued is None else [GrantRecord.issued(issued, ports.new_id(), measured, now)]
    for n, each in enumerate(create.granted):
        require_in_period(each.effective_at, started, f"grants[{n}].effectiveAt")
        grants.append(GrantRecord.made(each, ports.new_id(), now))
    return made.model_copy(update={"grants": tuple(grants)})


def _measured_from(create: AnyMeteredCreate, started: datetime, now: datetime) -> datetime:
    asked = create.measure_usage_from
    if asked is None or asked == "NOW":
        return to_minute(now)
    if asked == "CURRENT_PERIOD_START":
        return started
    assert isinstance(asked, datetime), asked
    if asked > now:
        message = f"measureUsageFrom is {rfc3339(asked)}, in the future; usage is measured from now or earlier."
        raise InvalidInput(message, fields=[FieldError("measureUsageFrom", "in_the_future", message)])
    if asked < now - LONGEST_MEASURED:
        message = f"Usage can be measured from a year ago at most, not from {rfc3339(asked)}."
        raise InvalidInput(message, fields=[FieldError("measureUsageFrom", "too_early", message)])
    return asked


def require_in_period(effective_at: datetime, started: datetime, field: str) -> None:
    if effective_at < started:
        message = f"must not be before the current usage period, which began {rfc3339(started)}"
        raise InvalidInput(f"{field} {message}.", fields=[FieldError(field, "before_usage_period", message)])

"""Create a feature, measured by a meter or not."""

from collections.abc import Callable

from functions.application.metering.meters.find_meter import find_meter
from functions.application.ports.catalog import Features
from functions.application.ports.clock import Clock
from functions.application.ports.meters import Meters
from functions.application.ports.stored import Stored, Taken
from functions.application.retry import decide_again_when_stale
from functions.domain.catalog.feature import Feature, FeatureCreate
from functions.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from functions.domain.metering.meters.meter_record import MeterRecord


def create_feature(
    tenant: str,
    create: FeatureCreate,
    *,
    features: Features,
    meters: Meters,
    clock: Clock,
    new_id: Callable[[], str],
) -> Feature:
    """Raises InvalidInput for an unknown meter or dimension, Conflict when an active feature has the key."""
    return decide_again_when_stale(lambda: _create(tenant, create, features, meters, clock, new_id))


def _create(
    tenant: str, create: FeatureCreate, features: Features, meters: Meters, clock: Clock, new_id: Callable[[], str]
) -> Feature:
    meter = _meter(tenant, create, meters)
    now = clock.now()
    asked = {name: getattr(create, name) for name in FeatureCreate.model_fields}
    feature = Feature(**asked, id=new_id(), meter_id=meter.record.id if meter else None, created_at=now, updated_at=now)
    try:
        features.add(tenant, feature, meter)
    except Taken as taken:
        message = f"There is a feature with the key {create.key!r} already; archive it first or choose another key."
        fields = [FieldError("key", "already_exists", message)]
        raise Conflict(message, code="feature_already_exists", fields=fields) from taken
    return feature


def _meter(tenant: str, create: FeatureCreate, meters: Meters) -> Stored[MeterRecord] | None:
    if create.meter_slug is None:
        return None
    try:
        meter = find_meter(tenant, create.meter_slug, meters=meters)
    except NotFound as error:
        raise InvalidInput(
            error.detail, code=error.code, fields=[FieldError("meterSlug", error.code, error.detail)]
        ) from error
    known = sorted(meter.record.group_by or {})
    filtered = "advancedMeterGroupByFilters" if create.advanced_meter_group_by_filters else "meterGroupByFilters"
    named = [(name, f"{filtered}.{name[:100]}") for name in create.filters]
    for name, field in (*named, *((name, "unitCost") for name in create.dimensions)):
        if name not in known:
            message = f"Meter {create.meter_slug!r} has no groupBy {name[:100]!r}; it has {', '.join(known) or 'none'}."
            raise InvalidInput(message, fields=[FieldError(field, "unknown", message)])
    return meter

"""Change or delete a meter without breaking a feature that uses it."""

from functions.application.create_meter import checked
from functions.application.find_meter import find_meter
from functions.application.ports.clock import Clock
from functions.application.ports.registry import Features, Meters, Stored
from functions.application.retry import decide_again_when_stale
from functions.domain.catalog.feature import Feature
from functions.domain.errors import Conflict, FieldError, InvalidInput
from functions.domain.metering.meter import MeterSet
from functions.domain.metering.meter_record import MeterRecord, MeterUpdate


def update_meter(
    tenant: str, id_or_slug: str, wish: MeterUpdate, *, meters: Meters, features: Features, clock: Clock
) -> MeterRecord:
    """A full replacement of what can be changed; raises Conflict when a feature filters by a dropped dimension."""
    return decide_again_when_stale(lambda: _update(tenant, id_or_slug, wish, meters, features, clock))


def delete_meter(tenant: str, id_or_slug: str, *, meters: Meters, features: Features, clock: Clock) -> None:
    """Raises Conflict while a feature uses it."""
    decide_again_when_stale(lambda: _delete(tenant, id_or_slug, meters, features, clock))


# The set is read before the record: a change of the meter between the two reads then makes this write stale.


def _update(
    tenant: str, id_or_slug: str, wish: MeterUpdate, meters: Meters, features: Features, clock: Clock
) -> MeterRecord:
    counting = meters.counting(tenant)
    stored = find_meter(tenant, id_or_slug, meters=meters)
    meter = stored.record
    if meter.value_property and meter.value_property in (wish.group_by or {}).values():
        message = "groupBy must not use the path of valueProperty."
        raise InvalidInput(message, fields=[FieldError("groupBy", "value_property_used", message)])
    dropped = set(meter.group_by or {}) - set(wish.group_by or {})
    for feature in _used_by(tenant, meter, features):
        if used := sorted(dropped & set(feature.filters)):
            raise Conflict(
                f"Feature {feature.key!r} filters by {', '.join(used)}; archive it before dropping that groupBy.",
                code="meter_group_by_in_use",
                fields=[FieldError(f"groupBy.{used[0]}", "in_use", f"Feature {feature.key!r} filters by it.")],
            )
    changed = meter.model_copy(
        update={
            "name": wish.name or meter.slug,
            "description": wish.description,
            "metadata": wish.metadata,
            "group_by": wish.group_by,
            "updated_at": clock.now().replace(microsecond=0),
        }
    )
    others = tuple(changed.counting() if each.id == meter.id else each for each in counting.meters)
    meters.save(tenant, Stored(changed, stored.version), checked(MeterSet(counting.version + 1, others)))
    return changed


def _delete(tenant: str, id_or_slug: str, meters: Meters, features: Features, clock: Clock) -> None:
    counting = meters.counting(tenant)
    stored = find_meter(tenant, id_or_slug, meters=meters)
    meter = stored.record
    for feature in _used_by(tenant, meter, features):
        raise Conflict(
            f"Feature {feature.key!r} uses meter {meter.slug!r}; archive the feature first.", code="meter_in_use"
        )
    now = clock.now().replace(microsecond=0)
    deleted = meter.model_copy(update={"deleted_at": now, "updated_at": now})
    others = tuple(each for each in counting.meters if each.id != meter.id)
    meters.save(tenant, Stored(deleted, stored.version), MeterSet(counting.version + 1, others))


def _used_by(tenant: str, meter: MeterRecord, features: Features) -> list[Feature]:
    return [each for each in features.all(tenant) if not each.is_archived and each.meter_id == meter.id]

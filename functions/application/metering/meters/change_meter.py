"""Change or delete a meter without breaking a feature or a subscription that uses it."""

from collections.abc import Set
from datetime import datetime
from typing import Protocol

from functions.application.metering.meters.create_meter import checked
from functions.application.metering.meters.find_meter import find_meter
from functions.application.ports.catalog import SaleCounts
from functions.application.ports.clock import Clock
from functions.application.ports.meters import Meters
from functions.application.ports.stored import Stored
from functions.application.retry import decide_again_when_stale
from functions.domain.errors import Conflict, FieldError, InvalidInput
from functions.domain.metering.ledger.history import require_reach
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.meters.meter_record import MeterRecord, MeterUpdate, dimension_at

MAX_GROUP_BY_CHANGES = 20  # each is kept, because events counted before it stay under the dimensions of then


class References(Protocol):
    """Who needs a meter: its features, what is for sale, what is subscribed to. Rooms above this one know."""

    def sale_counts(self, tenant: str) -> SaleCounts:
        """As of now: `Meters.save` refuses when something was offered or subscribed to since."""
        ...

    def require_none(self, tenant: str, meter: MeterRecord) -> None:
        """Raises Conflict while somebody needs the meter."""
        ...

    def require_none_by(self, tenant: str, meter: MeterRecord, dimensions: Set[str]) -> None:
        """Raises Conflict while somebody needs one of these dimensions of it."""
        ...


def update_meter(
    tenant: str, id_or_slug: str, update: MeterUpdate, *, meters: Meters, references: References, clock: Clock
) -> MeterRecord:
    """A full replacement of what can be changed.

    Raises Conflict when a feature, a price that is for sale or a subscription uses a dimension that is dropped.
    """
    return decide_again_when_stale(lambda: _update(tenant, id_or_slug, update, meters, references, clock))


def delete_meter(tenant: str, id_or_slug: str, *, meters: Meters, references: References, clock: Clock) -> None:
    """Raises Conflict while a feature uses it, or a subscription is billed by it."""
    decide_again_when_stale(lambda: _delete(tenant, id_or_slug, meters, references, clock))


def with_history(tenant: str, id_or_slug: str, event_from: datetime, *, meters: Meters, clock: Clock) -> MeterRecord:
    """The meter, from now on with a history from `event_from`; raises Conflict when its history begins elsewhere."""
    return decide_again_when_stale(lambda: _with_history(tenant, id_or_slug, event_from, meters, clock))


# The set is read before the record: a change of the meter between the two reads then makes this write stale.


def _update(
    tenant: str, id_or_slug: str, update: MeterUpdate, meters: Meters, references: References, clock: Clock
) -> MeterRecord:
    counts = references.sale_counts(tenant)
    counting = meters.counting(tenant)
    stored = find_meter(tenant, id_or_slug, meters=meters)
    meter = stored.record
    if used := dimension_at(meter.value_property, update.group_by):
        message = f"groupBy.{used} must not use the path of valueProperty."
        raise InvalidInput(message, fields=[FieldError(f"groupBy.{used}", "value_property_used", message)])
    if dropped := set(meter.group_by or {}) - set(update.group_by or {}):
        references.require_none_by(tenant, meter, dropped)
    changed = meter.model_copy(
        update={
            "name": update.name or meter.slug,
            "description": update.description,
            "metadata": update.metadata,
            "group_by": update.group_by,
            "former": _former(meter, update, counting.version + 1),
            "updated_at": clock.now().replace(microsecond=0),
        }
    )
    others = tuple(changed.counting() if each.id == meter.id else each for each in counting.meters)
    after = checked(MeterSet(counting.version + 1, others), meter.event_type)
    meters.save(tenant, Stored(changed, stored.version), after, unsold_at=counts if dropped else None)
    return changed


def _delete(tenant: str, id_or_slug: str, meters: Meters, references: References, clock: Clock) -> None:
    counts = references.sale_counts(tenant)
    counting = meters.counting(tenant)
    stored = find_meter(tenant, id_or_slug, meters=meters)
    meter = stored.record
    references.require_none(tenant, meter)
    now = clock.now().replace(microsecond=0)
    deleted = meter.model_copy(update={"deleted_at": now, "updated_at": now})
    others = tuple(each for each in counting.meters if each.id != meter.id)
    meters.save(tenant, Stored(deleted, stored.version), MeterSet(counting.version + 1, others), unsold_at=counts)


def _with_history(tenant: str, id_or_slug: str, event_from: datetime, meters: Meters, clock: Clock) -> MeterRecord:
    counting = meters.counting(tenant)
    stored = find_meter(tenant, id_or_slug, meters=meters)
    meter = stored.record
    if meter.event_from is not None:
        if meter.event_from != event_from:
            message = (
                f"The history of {meter.slug!r} begins at {meter.event_from:%Y-%m-%dT%H:%M:%SZ} and cannot be moved; "
                "send that eventFrom, or create another meter."
            )
            raise Conflict(message, code="history_begins_elsewhere", fields=[FieldError("eventFrom", "fixed", message)])
        return meter
    now = clock.now()
    require_reach(event_from, now)
    version = counting.version + 1
    change = {"event_from": event_from, "history_since": version, "updated_at": now.replace(microsecond=0)}
    changed = meter.model_copy(update=change)
    others = tuple(changed.counting() if each.id == meter.id else each for each in counting.meters)
    meters.save(tenant, Stored(changed, stored.version), checked(MeterSet(version, others), meter.event_type))
    return changed


def _former(meter: MeterRecord, update: MeterUpdate, version: int) -> tuple[tuple[int, dict[str, str]], ...]:
    before = meter.group_by or {}
    if before == (update.group_by or {}):
        return meter.former
    if len(meter.former) >= MAX_GROUP_BY_CHANGES:
        message = f"The groupBy of {meter.slug!r} was changed {MAX_GROUP_BY_CHANGES} times; create another meter."
        raise Conflict(message, code="too_many_changes", fields=[FieldError("groupBy", "too_many_changes", message)])
    return (*meter.former, (version, before))

"""Change or delete a meter without breaking a feature that uses it."""

from collections.abc import Iterable
from datetime import datetime

from functions.application.create_meter import checked
from functions.application.find_meter import find_meter
from functions.application.for_sale import cards_for_sale
from functions.application.ports.catalogue import Addons, Plans, SaleCounts
from functions.application.ports.clock import Clock
from functions.application.ports.registry import Features, Meters, Stored
from functions.application.retry import decide_again_when_stale
from functions.domain.catalog.feature import Feature
from functions.domain.catalog.rate_card import FlatFeeCard, UsageBasedCard
from functions.domain.errors import Conflict, FieldError, InvalidInput
from functions.domain.metering.history import require_reach
from functions.domain.metering.meter import MeterSet
from functions.domain.metering.meter_record import MeterRecord, MeterUpdate, dimension_at

MAX_GROUP_BY_CHANGES = 20  # each is kept, because events counted before it stay under the dimensions of then
MAX_NAMED_FEATURES = 10  # in the sentence

# Rate cards that can be had, each with the version that sells it.
Sold = Iterable[tuple[str, FlatFeeCard | UsageBasedCard]]


def update_meter(
    tenant: str,
    id_or_slug: str,
    wish: MeterUpdate,
    *,
    meters: Meters,
    features: Features,
    plans: Plans,
    addons: Addons,
    clock: Clock,
) -> MeterRecord:
    """A full replacement of what can be changed; raises Conflict when a feature or price uses a dropped dimension."""

    def update() -> MeterRecord:
        counts = plans.sale_counts(tenant)
        sold = cards_for_sale(tenant, plans, addons, clock)
        return _update(tenant, id_or_slug, wish, meters, features, sold, counts, clock)

    return decide_again_when_stale(update)


def delete_meter(tenant: str, id_or_slug: str, *, meters: Meters, features: Features, clock: Clock) -> None:
    """Raises Conflict while a feature uses it."""
    decide_again_when_stale(lambda: _delete(tenant, id_or_slug, meters, features, clock))


def with_history(tenant: str, id_or_slug: str, event_from: datetime, *, meters: Meters, clock: Clock) -> MeterRecord:
    """The meter, from now on with a history from `event_from`; raises Conflict when its history begins elsewhere."""
    return decide_again_when_stale(lambda: _with_history(tenant, id_or_slug, event_from, meters, clock))


# The set is read before the record: a change of the meter between the two reads then makes this write stale.


def _update(
    tenant: str,
    id_or_slug: str,
    wish: MeterUpdate,
    meters: Meters,
    features: Features,
    sold: Sold,
    counts: SaleCounts,
    clock: Clock,
) -> MeterRecord:
    counting = meters.counting(tenant)
    stored = find_meter(tenant, id_or_slug, meters=meters)
    meter = stored.record
    if used := dimension_at(meter.value_property, wish.group_by):
        message = f"groupBy.{used} must not use the path of valueProperty."
        raise InvalidInput(message, fields=[FieldError(f"groupBy.{used}", "value_property_used", message)])
    if dropped := set(meter.group_by or {}) - set(wish.group_by or {}):
        _require_unused(meter, dropped, _used_by(tenant, meter, features), sold)
    changed = meter.model_copy(
        update={
            "name": wish.name or meter.slug,
            "description": wish.description,
            "metadata": wish.metadata,
            "group_by": wish.group_by,
            "former": _former(meter, wish, counting.version + 1),
            "updated_at": clock.now().replace(microsecond=0),
        }
    )
    others = tuple(changed.counting() if each.id == meter.id else each for each in counting.meters)
    after = checked(MeterSet(counting.version + 1, others), meter.event_type)
    meters.save(tenant, Stored(changed, stored.version), after, unsold_at=counts if dropped else None)
    return changed


def _delete(tenant: str, id_or_slug: str, meters: Meters, features: Features, clock: Clock) -> None:
    counting = meters.counting(tenant)
    stored = find_meter(tenant, id_or_slug, meters=meters)
    meter = stored.record
    if used := _used_by(tenant, meter, features):
        message = f"{_named(used)} measured by meter {meter.slug!r}; archive each before deleting the meter."
        raise Conflict(message, code="meter_in_use")
    now = clock.now().replace(microsecond=0)
    deleted = meter.model_copy(update={"deleted_at": now, "updated_at": now})
    others = tuple(each for each in counting.meters if each.id != meter.id)
    meters.save(tenant, Stored(deleted, stored.version), MeterSet(counting.version + 1, others))


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


def _used_by(tenant: str, meter: MeterRecord, features: Features) -> list[Feature]:
    return [each for each in features.all(tenant) if not each.is_archived and each.meter_id == meter.id]


def _former(meter: MeterRecord, wish: MeterUpdate, version: int) -> tuple[tuple[int, dict[str, str]], ...]:
    before = meter.group_by or {}
    if before == (wish.group_by or {}):
        return meter.former
    if len(meter.former) >= MAX_GROUP_BY_CHANGES:
        message = f"The groupBy of {meter.slug!r} was changed {MAX_GROUP_BY_CHANGES} times; create another meter."
        raise Conflict(message, code="too_many_changes", fields=[FieldError("groupBy", "too_many_changes", message)])
    return (*meter.former, (version, before))


def _require_unused(meter: MeterRecord, dropped: set[str], features: list[Feature], sold: Sold) -> None:
    keys = {each.key for each in features}
    priced = [(label, card.price.needs.dimensions) for label, card in sold if card.feature_key in keys and card.price]
    problems = []
    for name in sorted(dropped):
        if using := [each for each in features if name in each.filters]:
            message = f"{_named(using)} filtering by {name}; archive it before dropping this groupBy of {meter.slug!r}."
            problems.append(FieldError(f"groupBy.{name}", "in_use", message))
        if using := [each for each in features if name in each.dimensions]:
            message = f"{_named(using)} given a cost by {name}; archive it before dropping it from {meter.slug!r}."
            problems.append(FieldError(f"groupBy.{name}", "in_use", message))
        if selling := next((label for label, needed in priced if name in needed), None):
            message = f"{selling} has a price by {name}; archive it before dropping this groupBy of {meter.slug!r}."
            problems.append(FieldError(f"groupBy.{name}", "in_use", message))
    if problems:
        raise Conflict(" ".join(each.message for each in problems), code="meter_group_by_in_use", fields=problems)


def _named(features: list[Feature]) -> str:
    keys = [repr(each.key) for each in features[:MAX_NAMED_FEATURES]]
    more = f" and {len(features) - len(keys)} more" if len(features) > len(keys) else ""
    return f"Feature {', '.join(keys)}{more} is" if len(features) == 1 else f"Features {', '.join(keys)}{more} are"

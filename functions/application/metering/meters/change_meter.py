"""Change or delete a meter without breaking a feature or a subscription that uses it."""

from collections.abc import Callable, Iterable
from datetime import datetime

from functions.application.catalog.for_sale import cards_for_sale
from functions.application.metering.meters.create_meter import checked
from functions.application.metering.meters.find_meter import find_meter
from functions.application.ports.billing import SellingSubscriptions
from functions.application.ports.catalog import Addons, Plans, SaleCounts
from functions.application.ports.clock import Clock
from functions.application.ports.stored import Features, Meters, Stored
from functions.application.retry import decide_again_when_stale
from functions.application.subscriptions.held_by_subscriptions import Holders
from functions.domain.catalog.feature import Feature
from functions.domain.catalog.rate_card import FlatFeeCard, UsageBasedCard
from functions.domain.errors import Conflict, FieldError, InvalidInput
from functions.domain.metering.ledger.history import require_reach
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.meters.meter_record import MeterRecord, MeterUpdate, dimension_at
from functions.domain.subscriptions.held import dimensions_needed, items_measured
from functions.domain.subscriptions.item import SubscriptionItem

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
    subscriptions: SellingSubscriptions,
    clock: Clock,
) -> MeterRecord:
    """A full replacement of what can be changed.

    Raises Conflict when a feature, a price that is for sale or a subscription uses a dimension that is dropped.
    """

    def update() -> MeterRecord:
        counts = plans.sale_counts(tenant)
        sold = cards_for_sale(tenant, plans, addons, clock)
        return _update(tenant, id_or_slug, wish, meters, features, sold, counts, Holders(subscriptions, clock))

    return decide_again_when_stale(update)


def delete_meter(
    tenant: str,
    id_or_slug: str,
    *,
    meters: Meters,
    features: Features,
    plans: Plans,
    subscriptions: SellingSubscriptions,
    clock: Clock,
) -> None:
    """Raises Conflict while a feature uses it, or a subscription is billed by it."""

    def delete() -> None:
        counts = plans.sale_counts(tenant)
        _delete(tenant, id_or_slug, meters, features, counts, Holders(subscriptions, clock))

    decide_again_when_stale(delete)


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
    holders: Holders,
) -> MeterRecord:
    counting = meters.counting(tenant)
    stored = find_meter(tenant, id_or_slug, meters=meters)
    meter = stored.record
    if used := dimension_at(meter.value_property, wish.group_by):
        message = f"groupBy.{used} must not use the path of valueProperty."
        raise InvalidInput(message, fields=[FieldError(f"groupBy.{used}", "value_property_used", message)])
    if dropped := set(meter.group_by or {}) - set(wish.group_by or {}):
        _require_unused(meter, dropped, _used_by(tenant, meter, features), sold)
        _require_unsubscribed(tenant, meter, dropped, holders)
    changed = meter.model_copy(
        update={
            "name": wish.name or meter.slug,
            "description": wish.description,
            "metadata": wish.metadata,
            "group_by": wish.group_by,
            "former": _former(meter, wish, counting.version + 1),
            "updated_at": holders.clock.now().replace(microsecond=0),
        }
    )
    others = tuple(changed.counting() if each.id == meter.id else each for each in counting.meters)
    after = checked(MeterSet(counting.version + 1, others), meter.event_type)
    meters.save(tenant, Stored(changed, stored.version), after, unsold_at=counts if dropped else None)
    return changed


def _delete(
    tenant: str, id_or_slug: str, meters: Meters, features: Features, counts: SaleCounts, holders: Holders
) -> None:
    counting = meters.counting(tenant)
    stored = find_meter(tenant, id_or_slug, meters=meters)
    meter = stored.record
    if used := _used_by(tenant, meter, features):
        message = f"{_named(used)} measured by meter {meter.slug!r}; archive each before deleting the meter."
        raise Conflict(message, code="meter_in_use")
    if holding := holders.of(tenant, meter.slug, items_measured, _by_meter(meter)):
        who = holders.told(holding, "edit it so that it no longer sells what the meter measures")
        raise Conflict(f"Meter {meter.slug!r} is needed to bill {who}.", code="meter_in_use")
    now = holders.clock.now().replace(microsecond=0)
    deleted = meter.model_copy(update={"deleted_at": now, "updated_at": now})
    others = tuple(each for each in counting.meters if each.id != meter.id)
    after = MeterSet(counting.version + 1, others)
    meters.save(tenant, Stored(deleted, stored.version), after, unsold_at=counts)


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


def _require_unsubscribed(tenant: str, meter: MeterRecord, dropped: set[str], holders: Holders) -> None:
    """Subscriptions keep the price and the filters they were made with, whatever became of plan and feature."""
    is_by_meter = _by_meter(meter)

    def needs(item: SubscriptionItem) -> bool:
        return is_by_meter(item) and not dropped.isdisjoint(dimensions_needed(item))

    if not (holding := holders.of(tenant, meter.slug, items_measured, needs)):
        return
    now = holders.clock.now()
    items = [item for each in holding for item in items_measured(each, now) if is_by_meter(item)]
    needed = dropped & {name for item in items for name in dimensions_needed(item)}
    who = holders.told(holding, "edit it so that it no longer sells by what is dropped")
    message = f"groupBy {', '.join(sorted(needed))} of {meter.slug!r} is needed to bill {who}."
    problems = [FieldError(f"groupBy.{name}", "in_use", message) for name in sorted(needed)]
    raise Conflict(message, code="meter_group_by_in_use", fields=problems)


def _by_meter(meter: MeterRecord) -> Callable[[SubscriptionItem], bool]:
    return lambda item: item.feature is not None and item.feature.meter_slug == meter.slug


def _named(features: list[Feature]) -> str:
    keys = [repr(each.key) for each in features[:MAX_NAMED_FEATURES]]
    more = f" and {len(features) - len(keys)} more" if len(features) > len(keys) else ""
    return f"Feature {', '.join(keys)}{more} is" if len(features) == 1 else f"Features {', '.join(keys)}{more} are"

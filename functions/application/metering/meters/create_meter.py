"""Create a meter: from the moment it is stored, every event that is counted is counted by it too."""

from collections.abc import Callable

from functions.application.ports.clock import Clock
from functions.application.ports.meters import Meters
from functions.application.ports.stored import Stored
from functions.application.retry import decide_again_when_stale
from functions.domain.errors import Conflict, FieldError
from functions.domain.metering.ledger.history import require_reach
from functions.domain.metering.meters.meter import (
    MAX_METERS,
    MAX_METERS_PER_TYPE,
    MAX_PATTERNS_PER_TYPE,
    MAX_SEARCHES_PER_TYPE,
    MeterSet,
    pattern_characters,
    searches,
)
from functions.domain.metering.meters.meter_record import MeterCreate, MeterRecord

# The set is one item of at most 400 KB, next to its key and version.
MAX_SET_BYTES = 380_000


def create_meter(
    tenant: str,
    create: MeterCreate,
    *,
    meters: Meters,
    clock: Clock,
    new_id: Callable[[], str],
    former: MeterRecord | None = None,
) -> MeterRecord:
    """Raises Conflict when the slug is taken or the tenant has as many meters as it may.

    `former` is the deleted meter in whose place it comes.
    A meter with `event_from` has its history still to be counted: `fill_meter`.
    """
    return decide_again_when_stale(lambda: _create(tenant, create, meters, clock, new_id, former))


def _create(
    tenant: str,
    create: MeterCreate,
    meters: Meters,
    clock: Clock,
    new_id: Callable[[], str],
    former: MeterRecord | None,
) -> MeterRecord:
    counting = meters.counting(tenant)
    _require_room(create, counting)
    now = clock.now()
    if create.event_from is not None:
        require_reach(create.event_from, now)
    meter = MeterRecord(
        id=new_id(),
        slug=create.slug,
        name=create.name or create.slug,
        description=create.description,
        metadata=create.metadata,
        event_type=create.event_type,
        aggregation=create.aggregation,
        value_property=create.value_property,
        group_by=create.group_by,
        percentile=create.percentile,
        event_filter=create.event_filter,
        event_from=create.event_from,
        created_at=now,
        updated_at=now,
        since=counting.version + 1,
        history_since=counting.version + 1 if create.event_from else 0,
        succeeds=former.id if former else None,
    )
    every = MeterSet(counting.version + 1, (*counting.meters, meter.counting()))
    meters.save(tenant, Stored(meter), checked(every, meter.event_type))
    return meter


def _require_room(create: MeterCreate, counting: MeterSet) -> None:
    if any(meter.slug == create.slug for meter in counting.meters):
        message = f"There is a meter with the slug {create.slug!r} already."
        raise Conflict(message, code="meter_already_exists", fields=[FieldError("slug", "already_exists", message)])
    if len(counting.meters) >= MAX_METERS:
        raise Conflict(f"A tenant has at most {MAX_METERS} meters; delete one first.", code="too_many_meters")
    of_same_type = sum(meter.event_type == create.event_type for meter in counting.meters)
    if of_same_type >= MAX_METERS_PER_TYPE:
        raise Conflict(
            f"At most {MAX_METERS_PER_TYPE} meters count events of one type; delete one of {create.event_type[:80]!r}.",
            code="too_many_meters",
        )


def checked(counting: MeterSet, event_type: str) -> MeterSet:
    """Raises Conflict when the set no longer fits where it is kept, or its meters of the type search too much."""
    of_type = [meter for meter in counting.meters if meter.event_type == event_type]
    if (count := len(searches(of_type))) > MAX_SEARCHES_PER_TYPE:
        raise Conflict(
            f"The meters of one event type have at most {MAX_SEARCHES_PER_TYPE} different paths with wildcards, "
            f"slices, filters or descent; those of {event_type[:80]!r} would have {count}. Use paths of names and "
            "indexes, such as $.usage.tokens, or send what is searched for as a property of its own.",
            code="too_many_searches",
        )
    if (characters := pattern_characters(of_type)) > MAX_PATTERNS_PER_TYPE:
        raise Conflict(
            f"The patterns ($like and the like) of all meters of one event type have at most {MAX_PATTERNS_PER_TYPE} "
            f"characters together; those of {event_type[:80]!r} would have {characters}. Use $eq or $in.",
            code="too_many_patterns",
        )
    if len(counting.encode()) > MAX_SET_BYTES:
        raise Conflict(
            "The definitions of all meters together are too long; shorten paths or delete meters.",
            code="too_many_meters",
        )
    return counting

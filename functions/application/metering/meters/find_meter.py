"""Find a meter by its id or slug; the orders of their list."""

from collections.abc import Callable
from typing import Any

from functions.application.ports.meters import Meters
from functions.application.ports.stored import Stored
from functions.domain.errors import NotFound
from functions.domain.metering.meters.meter import Meter
from functions.domain.metering.meters.meter_record import MeterRecord

METER_ORDERS: dict[str, Callable[[MeterRecord], Any]] = {
    "key": lambda meter: meter.slug,
    "name": lambda meter: meter.name,
    "aggregation": lambda meter: meter.aggregation,
    "createdAt": lambda meter: meter.created_at,
    "updatedAt": lambda meter: meter.updated_at,
}


def find_counting_meter(tenant: str, id_or_slug: str, *, meters: Meters) -> Meter:
    """The meter as the aggregator knows it; raises NotFound."""
    found = next((each for each in meters.counting(tenant).meters if id_or_slug in (each.id, each.slug)), None)
    if found is None:
        raise no_such_meter(id_or_slug)
    return found


def find_meter(tenant: str, id_or_slug: str, *, meters: Meters) -> Stored[MeterRecord]:
    """The full record of a meter that is not deleted; raises NotFound."""
    stored = meters.get(tenant, find_counting_meter(tenant, id_or_slug, meters=meters).id)
    if stored is None:
        raise no_such_meter(id_or_slug)
    return stored


def no_such_meter(id_or_slug: str) -> NotFound:
    return NotFound(f"There is no meter {id_or_slug[:100]!r}.", code="meter_not_found")

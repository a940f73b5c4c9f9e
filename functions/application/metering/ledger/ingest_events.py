"""Ingest: checked events leave for their lanes in packs; stateless, never dedupes."""

from collections.abc import Callable, Iterator, Sequence

from functions.application.ports.ledger import EventStream
from functions.domain.metering.values.event import Event, Pack
from functions.domain.metering.values.lanes import Lanes

MAX_PACK_BYTES = 700_000  # raw; a stream record ends at 1 MiB
EVENT_OVERHEAD_BYTES = 64


def ingest_events(
    events: Sequence[Event],
    tenant: str,
    lanes: Lanes,
    stream: EventStream,
    new_pack_id: Callable[[], str],
    now: int,
    body_bytes: int,
) -> int:
    """Returns the number of packs once the stream has acknowledged all of them; raises Unavailable.

    `body_bytes` is the size the events came in: packs of a small body need not be weighed.
    """
    by_lane: dict[int, list[Event]] = {}
    lane_of = lanes.lane_of
    for event in events:
        lane = lane_of(tenant, event.subject)
        if lane in by_lane:
            by_lane[lane].append(event)
        else:
            by_lane[lane] = [event]
    packs = [
        Pack(tenant, lane, new_pack_id(), now, portion)
        for lane, its_events in by_lane.items()
        for portion in ([its_events] if body_bytes <= MAX_PACK_BYTES else _portions(its_events))
    ]
    stream.put(packs)
    return len(packs)


def _portions(events: list[Event]) -> Iterator[list[Event]]:
    """The events in their order, cut where a pack would become too large."""
    size = start = 0
    for index, event in enumerate(events):
        added = len(event.data) + len(event.extensions) + len(event.id) + len(event.source) + len(event.type)
        added += len(event.subject) + EVENT_OVERHEAD_BYTES
        if size + added > MAX_PACK_BYTES and index > start:
            yield events[start:index]
            size, start = 0, index
        size += added
    yield events[start:]

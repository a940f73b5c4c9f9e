"""Ingest: checked events leave for their lanes in packs; stateless, never dedupes."""

from collections.abc import Callable, Sequence

from functions.application.ports.ledger import EventStream
from functions.domain.metering.event import Event, Pack
from functions.domain.metering.lanes import Lanes

MAX_PACK_BYTES = 700_000  # raw; a stream record ends at 1 MiB
EVENT_OVERHEAD_BYTES = 64


def ingest_events(
    events: Sequence[Event], tenant: str, lanes: Lanes, stream: EventStream, new_pack_id: Callable[[], str], now: int
) -> int:
    """Returns the number of packs once the stream has acknowledged all of them; raises Unavailable."""
    packs: list[Pack] = []
    open_packs: dict[int, Pack] = {}
    sizes: dict[int, int] = {}
    lane_of = lanes.lane_of
    for event in events:
        lane = lane_of(tenant, event.subject)
        size = len(event.data) + len(event.extensions) + len(event.id) + len(event.source) + len(event.type)
        size += len(event.subject) + EVENT_OVERHEAD_BYTES
        pack = open_packs.get(lane)
        if pack is None or sizes[lane] + size > MAX_PACK_BYTES:
            pack = open_packs[lane] = Pack(tenant, lane, new_pack_id(), now, [])
            packs.append(pack)
            sizes[lane] = 0
        pack.events.append(event)
        sizes[lane] += size
    stream.put(packs)
    return len(packs)

"""Sending what was refused back into the stream after a fix; the ledger counts what it has counted before only once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from msgspec.structs import replace

from functions.application.metering.events.correct_event import CorrectionPorts, Instead, correct_event
from functions.application.metering.events.further_rejects import Further
from functions.application.metering.events.list_rejects import RejectFilter, list_rejects
from functions.application.metering.ledger.ingest_events import MAX_PACK_BYTES, ingest_events
from functions.application.ports.clock import Clock
from functions.application.ports.events import Rejects
from functions.application.ports.ledger import EventStream, KeptRecords
from functions.application.ports.meters import Meters
from functions.domain.errors import Conflict, InvalidInput, NotFound, TollboothError
from functions.domain.metering.ledger.correction import EventName
from functions.domain.metering.ledger.reject import StoredReject
from functions.domain.metering.meters.groupings import MetersByType, compile_meters
from functions.domain.metering.meters.values import Uncountable, decode_data
from functions.domain.metering.values.cloudevents import parse_partially
from functions.domain.metering.values.event import AcceptanceWindow, CloseMarker, Event, Pack, Void
from functions.domain.metering.values.lanes import Lanes

MAX_REPLAYED = 200  # a call: each is a write, and a kept record a read of up to a megabyte


class _Accepted(msgspec.Struct):
    """An event as it is listed."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True)
class ReplayPorts:
    """`decode` raises ValueError for bytes that are no record."""

    rejects: Rejects
    further: Further
    meters: Meters
    corrections: CorrectionPorts
    records: KeptRecords
    decode: Callable[[bytes], Pack | CloseMarker]
    stream: EventStream
    lanes: Lanes
    window: AcceptanceWindow
    clock: Clock
    new_id: Callable[[], str]


@dataclass
class Replayed:
    """What became of a list of rejects; `refused` says of each why it cannot be counted. `cursor` goes on."""

    replayed: int = 0
    already_replayed: int = 0
    counted_elsewhere: int = 0
    refused: list[tuple[str, TollboothError]] = field(default_factory=list)
    cursor: str | None = None


def replay_reject(tenant: str, reject_id: str, *, by: str, ports: ReplayPorts) -> StoredReject:
    """One, also if it was replayed before. Raises NotFound, and Conflict when it cannot be counted by a replay."""
    reject = ports.rejects.get(tenant, reject_id) or ports.further.get(tenant, reject_id)
    if reject is None:
        raise NotFound(f"There is no reject {reject_id[:200]!r}.", code="reject_not_found")
    if reject.is_counted_elsewhere:
        _count_anew(tenant, reject, by, compile_meters(ports.meters.counting(tenant)), ports)
    else:
        _send(tenant, reject, ports)
    return ports.rejects.mark_replayed(tenant, reject, int(ports.clock.now().timestamp()), by)


def replay_rejects(
    tenant: str, wanted: RejectFilter, *, cursor: str | None, limit: int, by: str, ports: ReplayPorts
) -> Replayed:
    """Those of a filter that were not replayed before, newest first, `limit` looked at."""
    assert limit <= MAX_REPLAYED, limit
    page = list_rejects(tenant, wanted, cursor=cursor, limit=limit, rejects=ports.rejects, further=ports.further)
    report = Replayed(cursor=page.cursor)
    by_type = compile_meters(ports.meters.counting(tenant)) if page.items else MetersByType()
    for reject in page.items:
        if reject.replayed_at:
            report.already_replayed += 1
        elif reject.is_counted_elsewhere and not _is_taken_today(reject, by_type):
            report.counted_elsewhere += 1
        else:
            try:
                if reject.is_counted_elsewhere:
                    _count_anew(tenant, reject, by, by_type, ports)
                else:
                    _send(tenant, reject, ports)
            except (Conflict, InvalidInput, NotFound) as error:
                report.refused.append((reject.id, error))
                continue
            ports.rejects.mark_replayed(tenant, reject, int(ports.clock.now().timestamp()), by)
            report.replayed += 1
    return report


def _count_anew(tenant: str, reject: StoredReject, by: str, by_type: MetersByType, ports: ReplayPorts) -> None:
    """The event was accepted, so it is taken back and counted once more, by this meter as well: a correction."""
    if not _is_taken_today(reject, by_type):
        raise Conflict(
            "This event was accepted, and the meter still takes no value from it. Correct the event if its data is "
            "wrong (POST events/corrections), or create the meter anew with eventFrom if the meter was.",
            code="already_accepted",
        )
    event = msgspec.json.decode(reject.event, type=_Accepted)
    name = EventName(event.id, event.source, event.subject, int(event.time.timestamp() // 1))
    instead = Instead(bytes(event.data), type=event.type)
    correct_event(tenant, name, f"replay of reject {reject.id}", instead, by=by, ports=ports.corrections)


def _is_taken_today(reject: StoredReject, by_type: MetersByType) -> bool:
    if not reject.event or not reject.meter_id:
        return False
    event = msgspec.json.decode(reject.event, type=_Accepted)
    for meter in by_type.get(event.type, ()):
        if meter.id == reject.meter_id:
            try:
                return meter.value(decode_data(bytes(event.data))) is not None
            except Uncountable:
                return False
    return False


def _send(tenant: str, reject: StoredReject, ports: ReplayPorts) -> None:
    """Back into the stream, for its reader; a process that dies before the mark leaves a duplicate at most."""
    now = int(ports.clock.now().timestamp())
    if reject.event:
        _ingest(tenant, [_checked(tenant, reject.event, now, ports)], len(reject.event), now, ports)
        return
    body = ports.records.rejected_record(reject.object_key)
    try:
        record = ports.decode(body)
    except ValueError as error:
        raise Conflict(
            "The record is still unreadable; it can be replayed once a version that reads it is deployed.",
            code="unreadable_record",
        ) from error
    if isinstance(record, CloseMarker):
        ports.stream.put([record])
        return
    # Of every event in it the lane looks again whether it is still inside the window, and lists those that are not.
    if record.events:
        _ingest(record.tenant, list(_known_anew(record, ports.lanes)), MAX_PACK_BYTES + 1, now, ports)
    if record.voids:  # after the events, some of which they may be about
        ports.stream.put(list(_packs_of_voids(record, now, ports)))


def _ingest(tenant: str, events: list[Event], size: int, now: int, ports: ReplayPorts) -> None:
    ingest_events(events, tenant, ports.lanes, ports.stream, ports.new_id, now, size)


def _checked(tenant: str, event: bytes, now: int, ports: ReplayPorts) -> Event:
    """Checked as if it was sent today."""
    (judged,) = parse_partially(event, tenant, ports.lanes, ports.window, now)
    if judged.event is not None:
        return judged.event
    error = judged.errors[0]
    if error.code in ("too_old", "too_new"):
        raise _outside_window(ports)
    raise Conflict(f"The event is not valid: {error.field}: {error.message}.", code=error.code)


def _known_anew(pack: Pack, lanes: Lanes) -> Iterator[Event]:
    """For a record of any writer, the event is known by its own content."""
    for event in pack.events:
        event.fingerprint = lanes.fingerprint(pack.tenant, event.subject, event.source, event.id)
        yield event


def _packs_of_voids(pack: Pack, now: int, ports: ReplayPorts) -> Iterator[Pack]:
    by_lane: dict[int, list[Void]] = {}
    for void in pack.voids:
        fingerprint = ports.lanes.fingerprint(pack.tenant, void.subject, void.source, void.id)
        known = replace(void, fingerprint=fingerprint)
        by_lane.setdefault(ports.lanes.lane_of(pack.tenant, void.subject), []).append(known)
    for lane, voids in by_lane.items():
        yield Pack(pack.tenant, lane, ports.new_id(), now, [], voids)


def _outside_window(ports: ReplayPorts) -> Conflict:
    return Conflict(
        f"Its time lies outside of the acceptance window, {ports.window.past // 86_400} days back to "
        f"{ports.window.ahead} seconds ahead: it could no longer be told from a duplicate.",
        code="outside_acceptance_window",
    )

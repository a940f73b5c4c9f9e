"""Taking an event back, with or without another in its place: first it is on record who did so and why, then it goes
the way of events. What has come of it is read from the ledger.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from functions.application.metering.events.list_events import EventReader
from functions.application.metering.events.search_events import Listed
from functions.application.ports.clock import Clock
from functions.application.ports.events import Corrections
from functions.application.ports.ledger import EventStream
from functions.domain.errors import Conflict, FieldError, InvalidInput
from functions.domain.metering.ledger.correction import Correction, EventName, Replacement, correction_id, digest_of
from functions.domain.metering.usage.event_filter import EventFilter
from functions.domain.metering.values.cloudevents import parse_partially
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack, Void
from functions.domain.metering.values.lanes import Lanes


@dataclass(frozen=True)
class Instead:
    """What to count instead; what is left out is as it was. `data` is JSON, `micros` belongs to `time`."""

    data: bytes
    id: str | None = None
    type: str | None = None
    subject: str | None = None
    time: int | None = None
    micros: int = 0


@dataclass(frozen=True)
class CorrectionPorts:
    corrections: Corrections
    events: Callable[[], EventReader]
    stream: EventStream
    lanes: Lanes
    window: AcceptanceWindow
    clock: Clock
    new_id: Callable[[], str]


@dataclass(frozen=True)
class CorrectionPage:
    items: Sequence[Correction]
    cursor: str | None


def correct_event(
    tenant: str, event: EventName, reason: str, instead: Instead | None, *, by: str, ports: CorrectionPorts
) -> Correction:
    """The same correction again is the first one again. Raises InvalidInput, and Conflict for another correction of an
    event that has one.
    """
    now = int(ports.clock.now().timestamp())
    _check_window(event, ports.window, now)
    lanes = ports.lanes
    fingerprint = lanes.fingerprint(tenant, event.subject, event.source, event.id)
    wanted = Correction(correction_id(fingerprint, event.time), event, reason, by, now)
    replacement = _replacement(tenant, event, instead, now, ports) if instead else None
    if replacement and instead:
        wanted = replace(wanted, replacement=_on_record(replacement, instead))
    kept = ports.corrections.add(tenant, wanted)
    if kept.replacement != wanted.replacement:
        raise Conflict(
            f"The event was corrected before ({kept.id}) in another way. To change what counts instead, correct its "
            "replacement; to count something in place of a voided event, send it with an id of its own.",
            code="already_corrected",
        )
    void = Void(fingerprint, event.time, event.id, event.source, event.subject, kept.id)
    lane = lanes.lane_of(tenant, event.subject)
    packs = {lane: Pack(tenant, lane, ports.new_id(), now, [], [void])}
    if replacement:
        lane = lanes.lane_of(tenant, replacement.subject)
        packs.setdefault(lane, Pack(tenant, lane, ports.new_id(), now, [])).events.append(replacement)
    ports.stream.put(list(packs.values()))
    return ports.corrections.with_effects(tenant, [kept])[0]


def list_corrections(tenant: str, *, cursor: str | None, limit: int, corrections: Corrections) -> CorrectionPage:
    """Newest first."""
    found, after = corrections.newest(tenant, before=cursor, limit=limit)
    return CorrectionPage(corrections.with_effects(tenant, found), after)


def _check_window(event: EventName, window: AcceptanceWindow, now: int) -> None:
    problem = window.judge(event.time, now)
    if problem:
        message = (
            f"must lie in the acceptance window, {window.past // 86_400} days back to {window.ahead} seconds ahead: "
            "of other events nobody knows any more whether they were counted"
        )
        raise InvalidInput(f"event.time {message}.", fields=[FieldError("event.time", problem, message)])


def _replacement(tenant: str, event: EventName, instead: Instead, now: int, ports: CorrectionPorts) -> Event:
    """An event like any other, checked as if it was sent today."""
    subject, time = instead.subject or event.subject, event.time if instead.time is None else instead.time
    is_said = instead.type is not None and instead.time is not None
    original = None if is_said else _original(tenant, event, ports)
    kind = instead.type or _type_of(original)
    # Not part of the digest: asked again once the original has come, it is the same correction.
    micros = instead.micros if instead.time is not None else original.micros if original else 0
    names = (event.source, event.id, event.subject, str(event.time))
    event_id = instead.id or f"correction-{digest_of(*names, kind, subject, _said(time, instead), instead.data)}"
    if event_id == event.id:
        message = "must differ from the id of the event it replaces, or it would be its duplicate"
        raise InvalidInput(f"replacement.id {message}.", fields=[FieldError("replacement.id", "not_unique", message)])
    body = {
        "specversion": "1.0",
        "id": event_id,
        "source": event.source,
        "type": kind,
        "subject": subject,
        "time": datetime.fromtimestamp(time, UTC),
        "data": msgspec.Raw(instead.data),
    }
    (judged,) = parse_partially(msgspec.json.encode(body), tenant, ports.lanes, ports.window, now)
    if judged.event is None:
        fields = [replace(each, field=each.field.replace("[0]", "replacement")) for each in judged.errors]
        raise InvalidInput(f"The replacement is not valid: {fields[0].field}: {fields[0].message}.", fields=fields)
    return msgspec.structs.replace(judged.event, micros=micros)


def _original(tenant: str, event: EventName, ports: CorrectionPorts) -> Listed | None:
    wanted = EventFilter(
        tenant,
        event.time,
        event.time,
        named=frozenset([event.subject]),
        texts=(("id", lambda text: text == event.id), ("source", lambda text: text == event.source)),
    )
    return ports.events().first(wanted)


def _type_of(original: Listed | None) -> str:
    if original is None:
        message = "is needed, because the event it replaces has not been counted so far"
        raise InvalidInput(f"replacement.type {message}.", fields=[FieldError("replacement.type", "required", message)])
    return original.type


def _said(time: int, instead: Instead) -> str:
    return f"{time}.{instead.micros:06d}" if instead.micros else str(time)


def _on_record(event: Event, instead: Instead) -> Replacement:
    digest = digest_of(event.id, event.type, event.subject, _said(event.time, instead), event.data)
    return Replacement(event.id, event.type, event.subject, event.time, digest)

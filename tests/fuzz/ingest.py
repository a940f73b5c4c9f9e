"""Ingest alone: its answers to many requests beside what Python's own JSON reads in them."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from functions.adapters.memory.ledger import MemoryStream
from functions.domain.metering.values.event import Event, Pack
from functions.handlers.metering import http_ingest
from functions.handlers.wiring import base
from tests.fuzz import reading
from tests.fuzz.fragments import NOW
from tests.fuzz.reading import Sent, Unreadable, Unsure
from tests.fuzz.sending import Request, Requests
from tests.fuzz.world import LANES, FixedClock
from tests.handlers.gateway import payload
from tests.wired import wire

MAX_LISTED = 100  # errors in an answer


def judge(chance: Random, patch: pytest.MonkeyPatch, count: int) -> list[str]:
    """What is wrong with the answers to so many requests."""
    stream = MemoryStream()
    wire(patch, clock=FixedClock(), lanes=LANES, event_stream=stream)
    patch.setattr(base, "new_id", lambda: "id")
    requests, problems = Requests(chance), []
    for _ in range(count):
        request, stream.records = requests.next(), []
        query = "partial=true" if request.is_partial else ""
        event = payload("POST", "/api/v1/events", params=query, body=request.body, headers=request.headers)
        answer = http_ingest.handler(event, None)
        if problem := _problem(
            request, answer, [each for pack in stream.records if isinstance(pack, Pack) for each in pack.events]
        ):
            problems.append(f"{problem}: {answer} to {request}"[:3_000])
    return problems


def _problem(request: Request, answer: dict[str, Any], events: Sequence[Event]) -> str:
    status = answer["statusCode"]
    if status >= 500:
        return "an error of ours"
    body = reading.document(answer["body"].encode()) if answer.get("body") else {}
    if status >= 400 and events:
        return "refused, and yet sent on"
    if status >= 400 and request.is_usual:
        return "a usual request is refused"
    try:
        sent = reading.events_of(request)
    except Unreadable as why:
        return f"taken although {why}" if events else ""
    except Unsure:
        return ""
    if status == 204:
        return _difference(sent, events)
    if status == 200:
        taken = [sent[int(each["index"])] for each in body["results"] if each["status"] == "accepted"]
        return _difference(taken, events)
    return _unnamed(sent, body)


def _difference(sent: Sequence[Sent | Unreadable | Unsure], events: Sequence[Event]) -> str:
    if len(sent) != len(events):
        return f"{len(events)} of {len(sent)} events were sent on"
    waiting = list(events)
    for each in sent:
        if isinstance(each, Unreadable):
            return f"an event is taken although {each}"
        if isinstance(each, Unsure):
            continue
        found = next((event for event in waiting if _is(each, event)), None)
        if found is None:
            return f"{each} is not what was sent on"
        waiting.remove(found)
    return ""


def _is(sent: Sent, event: Event) -> bool:
    if (event.subject, event.source, event.id, event.type) != (*sent.identity, sent.type):
        return False
    if abs(event.time - (sent.time or NOW).timestamp()) > timedelta(seconds=1).total_seconds():
        return False
    extensions = reading.document(event.extensions) if event.extensions else {}
    data = reading.document(event.data) if event.data else None
    return data == sent.data and sent.extensions.items() <= extensions.items()


def _unnamed(sent: Sequence[Sent | Unreadable | Unsure], body: Any) -> str:
    """Is an invalid event not named by its index?"""
    errors = body.get("extensions", {}).get("validationErrors", [])
    named = {each["field"].partition("]")[0] for each in errors}
    wrong = [f"[{index}" for index, each in enumerate(sent) if isinstance(each, Unreadable)]
    if not named or len(errors) >= MAX_LISTED:
        return ""
    return next((f"{index}] is invalid and not named" for index in wrong if index not in named), "")

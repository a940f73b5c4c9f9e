"""POST /api/v1/events: checks the request, sends its events on their way, answers 204.

With ?partial=true the valid events of a batch are taken also when others are wrong, and the answer says which.
"""

from collections.abc import Mapping
from typing import Any

from functions import names
from functions.application.metering.ledger.ingest_events import ingest_events
from functions.domain.errors import TollboothError
from functions.domain.metering.values.cloudevents import parse_events
from functions.handlers import log
from functions.handlers.edge import problem
from functions.handlers.edge.caller import caller_of
from functions.handlers.metering import ingest_body, ingest_partial
from functions.handlers.wiring import access, base, metering


def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    request_id = problem.request_id_of(payload)
    try:
        caller = caller_of(payload)
        caller.require(names.SCOPE_INGEST)
        arrived = ingest_body.size(payload)
        charges = access.charges()
        arrival = charges.arrival(caller, arrived)
        body = ingest_body.read(payload)
        limits = problem.rate_headers([*arrival, *charges.contents(caller, arrived, len(body))])
        if ingest_partial.is_asked(payload.get("rawQueryString") or ""):
            return ingest_partial.answer(body, caller.tenant, limits)
        now = int(base.clock().now().timestamp())
        lanes = metering.lanes()
        events = parse_events(body, caller.tenant, lanes, metering.acceptance_window(), now)
        ingest_events(events, caller.tenant, lanes, metering.event_stream(), base.new_id, now, len(body))
    except TollboothError as error:
        return problem.answer(error, request_id)
    except Exception as error:  # the gateway would show the error's type to the caller
        log.unexpected(error, request_id=request_id)
        return problem.answer(error, request_id)
    return {"statusCode": 204, "headers": limits} if limits else {"statusCode": 204}

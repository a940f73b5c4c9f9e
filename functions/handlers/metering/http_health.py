"""GET /healthz: whether this deployment answers and counts, for monitors without a key; nothing of tenants."""

from datetime import UTC, datetime
from typing import Any

from functions import names
from functions.application.metering.ledger.tell_health import tell_health
from functions.domain.errors import TollboothError, Unavailable
from functions.handlers import log, settings
from functions.handlers.edge import http, json_body
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, metering

routes = Routes()

# For any number of callers, each process asks the database once in so many seconds, also when it does not answer.
KEPT_SECONDS = 5
RETRY_AFTER_SECONDS = 5
DAY_SECONDS = 86_400

_kept: dict[str, tuple[datetime, dict[str, Any] | None]] = {}


@routes.get(names.HEALTH_PATH, "Get the health of the deployment", scope=None, answers="DeploymentHealth", fails=(503,))
def get(_request: Request) -> Answer:
    """`countedAge` is for how many seconds the oldest decision has not been in the stored counters. It is 0 up to three
    minutes: until then it is read from the log.

    An event that was counted since `resendsKnownSince` is not counted again, even when it is sent with a new time.
    """
    now = base.clock().now()
    until, found = _kept.get("health", (now, None))
    if now >= until:
        found = _look(now)
        _kept["health"] = (datetime.fromtimestamp(now.timestamp() + KEPT_SECONDS, UTC), found)
    if found is None:
        raise Unavailable("The database does not answer.", retry_after_seconds=RETRY_AFTER_SECONDS, code="no_database")
    headers = {"Cache-Control": f"public, max-age={KEPT_SECONDS}"}
    return http.text_answer(200, "application/json", json_body.encode(found), headers)


def forget() -> None:
    _kept.clear()


def _look(now: datetime) -> dict[str, Any] | None:
    try:
        health = tell_health(metering.progress(), settings.lanes(), now, settings.accept_past_days() * DAY_SECONDS)
    except Exception as error:
        if not isinstance(error, TollboothError):
            log.unexpected(error, request_id="health")
        return None
    counted_at = health.last_counted_at
    return http.without_none(
        {
            "status": "behind" if health.is_behind else "ok",
            "version": names.VERSION,
            "countedAge": health.counted_age,
            "lastCountedAt": datetime.fromtimestamp(counted_at, UTC) if counted_at is not None else None,
            "resendsKnownSince": datetime.fromtimestamp(health.remembered_since, UTC),
        }
    )

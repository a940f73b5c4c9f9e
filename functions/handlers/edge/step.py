"""A step of a workflow: what it raises is kept in the execution's history, so only sentences of ours may leave it."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from functions.domain.errors import TollboothError
from functions.handlers import log

Handler = Callable[[Any, Any], dict[str, Any]]
NAMED = ("tenant", "customer_id", "invoice_id", "meter_id", "run", "run_id", "marker", "migration_id")
MAX_NAME_CHARACTERS = 100


class InternalError(Exception):
    """Something nobody planned for; the log has where and what, by the ids of the step."""


def step(handler: Handler) -> Handler:
    """Errors of ours pass, for the workflow's retriers know them by name; any other is logged and says nothing."""

    @wraps(handler)
    def told(payload: Mapping[str, Any], context: Any) -> dict[str, Any]:
        try:
            return handler(payload, context)
        except (TollboothError, InternalError):
            raise
        except Exception as error:
            log.unexpected(error, **_named(payload))
            raise InternalError("The step failed on our side; the log has the reason.") from None

    return told


def _named(payload: Any) -> dict[str, str]:
    if not isinstance(payload, Mapping):
        return {}
    return {name: str(payload[name])[:MAX_NAME_CHARACTERS] for name in NAMED if name in payload}

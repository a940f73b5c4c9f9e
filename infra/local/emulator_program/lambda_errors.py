"""What the emulator's Lambda lacks of AWS's: the errorType of a failed invocation is the class that was raised.

It says Runtime.HandlerError of every exception, which no state machine tries again. A database that did not answer for
a moment, as on a busy machine, then failed a whole run that AWS would have gone on with.
"""

from typing import Any

from ministack.services import lambda_svc  # type: ignore[import-not-found]
from raised import class_raised  # type: ignore[import-not-found]

UNTOLD = "Runtime.HandlerError"

_execute = lambda_svc._execute_function_warm


def teach() -> None:
    lambda_svc._execute_function_warm = _execute_and_tell


def _execute_and_tell(function: dict[str, Any], event: Any, request_id: str) -> Any:
    result = _execute(function, event, request_id)
    body = result.get("body")
    if result.get("error") and isinstance(body, dict) and body.get("errorType") == UNTOLD:
        body["errorType"] = class_raised(result.get("log", "")) or UNTOLD
    return result

"""CloudFormation's custom resource of a deployment: genesis and first admin key; deletes nothing, ever.

Called by CloudFormation itself it answers at the ResponseURL; called by the CDK provider framework, which hides that
address behind dots, it returns or raises.
"""

import time
from typing import Any

from functions.application.access.bootstrap import ensure_admin_key
from functions.application.metering.ledger.record_genesis import record_genesis
from functions.application.ports.access import RefusesToDeploy
from functions.handlers import log
from functions.handlers.wiring import access, base, metering

# One id for ever: CloudFormation would send a Delete for an id that changed.
RESOURCE_ID = "tollbooth-bootstrap"
# A policy attached a moment ago is not yet known everywhere (IAM User Guide, Changes that I make are not always
# immediately visible).
DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
SETTLING_SECONDS = (1, 2, 4, 8, 16)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    url = str(event.get("ResponseURL") or "")
    waits_for_answer = url.startswith(("https://", "http://"))
    try:
        if event["RequestType"] != "Delete":
            _bootstrap_once_allowed()
    except Exception as error:
        reason = _reason(error)
        log.unexpected(error, reason=reason)
        if not waits_for_answer:
            raise
        _answer(url, event, {"Status": "FAILED", "Reason": reason})
    else:
        if waits_for_answer:
            _answer(url, event, {"Status": "SUCCESS"})
    return {"PhysicalResourceId": RESOURCE_ID}


def _bootstrap_once_allowed() -> None:
    for pause in SETTLING_SECONDS:
        try:
            return _bootstrap()
        except Exception as error:
            if log.aws_code(error) not in DENIED:
                raise
        time.sleep(pause)
    return _bootstrap()


def _reason(error: Exception) -> str:
    """What CloudFormation shows the operator; an error nobody planned for may hold a secret in its text."""
    if isinstance(error, RefusesToDeploy):
        return str(error)
    code, operation = log.aws_code(error), getattr(error, "operation_name", None)
    told = f" ({code} of {operation})" if code and operation else ""
    return f"{type(error).__name__}{told}; see the function's log."


def _bootstrap() -> None:
    record_genesis(metering.configured_lanes(), genesis=metering.genesis())
    ensure_admin_key(
        vault=access.admin_vault(),
        keys=access.api_keys(),
        clock=base.clock(),
        new_id=base.new_ulid,
        new_secret=access.new_secret,
    )


def _answer(url: str, event: dict[str, Any], outcome: dict[str, str]) -> None:
    echoed = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    access.put_answer(url, {"PhysicalResourceId": RESOURCE_ID, "NoEcho": True, **echoed, **outcome})

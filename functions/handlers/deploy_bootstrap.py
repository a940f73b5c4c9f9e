"""CloudFormation's custom resource of a deployment: genesis and first admin key; deletes nothing, ever.

Called by CloudFormation itself it answers at the ResponseURL; called by the CDK provider framework, which hides that
address behind dots, it returns or raises.
"""

from typing import Any

from functions.application.bootstrap import RefusesToDeploy, ensure_admin_key, record_genesis
from functions.handlers import log, wiring

# One id for ever: CloudFormation would send a Delete for an id that changed.
RESOURCE_ID = "tollbooth-bootstrap"


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    url = str(event.get("ResponseURL") or "")
    waits_for_answer = url.startswith(("https://", "http://"))
    try:
        if event["RequestType"] != "Delete":
            _bootstrap()
    except Exception as error:
        reason = (
            str(error) if isinstance(error, RefusesToDeploy) else f"{type(error).__name__}; see the function's log."
        )
        log.unexpected(error, reason=reason)
        if not waits_for_answer:
            raise
        _answer(url, event, {"Status": "FAILED", "Reason": reason})
    else:
        if waits_for_answer:
            _answer(url, event, {"Status": "SUCCESS"})
    return {"PhysicalResourceId": RESOURCE_ID}


def _bootstrap() -> None:
    record_genesis(wiring.lanes(), genesis=wiring.genesis())
    ensure_admin_key(
        vault=wiring.admin_vault(),
        keys=wiring.api_keys(),
        clock=wiring.clock(),
        new_id=wiring.new_ulid,
        new_secret=wiring.new_secret,
    )


def _answer(url: str, event: dict[str, Any], outcome: dict[str, str]) -> None:
    echoed = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    wiring.put_answer(url, {"PhysicalResourceId": RESOURCE_ID, "NoEcho": True, **echoed, **outcome})

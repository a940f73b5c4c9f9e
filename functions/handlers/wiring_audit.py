"""The composition root of audits."""

import time
from functools import cache
from typing import TYPE_CHECKING

from functions.handlers import settings, wiring

if TYPE_CHECKING:
    from functions.adapters.dynamo.audit_store import DynamoAuditResults
    from functions.application.audit_lane import LaneAuditor


@cache
def results() -> "DynamoAuditResults":
    from functions.adapters.dynamo.audit_store import DynamoAuditResults

    return DynamoAuditResults(wiring.aws("dynamodb"), settings.usage_table())


@cache
def auditor() -> "LaneAuditor":
    from functions.application.audit_lane import LaneAuditor

    window, clock = wiring.acceptance_window(), wiring.clock()
    return LaneAuditor(wiring.ledger(), wiring.archive(), results(), wiring.lanes(), window, clock, time.sleep)

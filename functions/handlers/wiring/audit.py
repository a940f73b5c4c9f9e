"""The composition root of audits, and of repairs of what they cannot read."""

import time
from functools import cache
from typing import TYPE_CHECKING

from functions.handlers import settings
from functions.handlers.wiring import base as wiring

if TYPE_CHECKING:
    from functions.adapters.dynamo.metering.audit_store import DynamoAuditResults
    from functions.application.metering.audit.audit_lane import LaneAuditor
    from functions.application.metering.audit.repair_archive import ArchiveRepairer


@cache
def results() -> "DynamoAuditResults":
    from functions.adapters.dynamo.metering.audit_store import DynamoAuditResults

    return DynamoAuditResults(wiring.aws("dynamodb"), settings.usage_table())


@cache
def auditor() -> "LaneAuditor":
    from functions.application.metering.audit.audit_lane import LaneAuditor

    window, clock = wiring.acceptance_window(), wiring.clock()
    return LaneAuditor(wiring.ledger(), wiring.archive(), results(), wiring.lanes(), window, clock, time.sleep)


@cache
def repairer() -> "ArchiveRepairer":
    from functions.adapters.archive_repair import S3ArchiveRepair
    from functions.application.metering.audit.repair_archive import ArchiveRepairer
    from functions.names import DEFAULT_TENANT

    archive = S3ArchiveRepair(wiring.aws("s3"), settings.archive_bucket())
    return ArchiveRepairer(archive, wiring.ledger(), wiring.lanes(), DEFAULT_TENANT)

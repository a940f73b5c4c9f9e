"""The composition root of metering: the ledger, its archive, and everything that reads or mends them."""

import time
from functools import cache
from typing import TYPE_CHECKING

from functions.handlers import settings
from functions.handlers.wiring import access, base

if TYPE_CHECKING:
    from functions.adapters.archive import S3Archive
    from functions.adapters.dynamo.metering.audit_store import DynamoAuditResults
    from functions.adapters.dynamo.metering.backfill_slots import DynamoBackfillSlots
    from functions.adapters.dynamo.metering.correction_store import DynamoCorrections
    from functions.adapters.dynamo.metering.genesis_store import DynamoGenesis
    from functions.adapters.dynamo.metering.heartbeat_store import DynamoHeartbeats
    from functions.adapters.dynamo.metering.late_store import DynamoLateIndex
    from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
    from functions.adapters.dynamo.metering.meter_store import DynamoMeters
    from functions.adapters.dynamo.metering.progress_store import DynamoProgress
    from functions.adapters.dynamo.metering.reject_store import DynamoRejects
    from functions.adapters.failed_batches import S3FailedBatches
    from functions.adapters.kinesis import KinesisStream
    from functions.adapters.look_back_store import StoredLookBacks
    from functions.adapters.workflow import StepFunctionsBackfills
    from functions.application.billing.measure_usage import MeasuredUsage
    from functions.application.metering.audit.audit_lane import LaneAuditor
    from functions.application.metering.audit.repair_archive import ArchiveRepairer
    from functions.application.metering.events.correct_event import CorrectionPorts
    from functions.application.metering.events.further_rejects import Further
    from functions.application.metering.events.list_events import EventReader
    from functions.application.metering.events.replay_rejects import ReplayPorts
    from functions.application.metering.ledger.aggregate_usage import Aggregator
    from functions.application.metering.ledger.commit_usage import LaneWriter
    from functions.application.metering.meters.fill_history import HistoryFiller
    from functions.application.metering.usage.query_usage import UsageReader
    from functions.domain.metering.values.event import AcceptanceWindow
    from functions.domain.metering.values.lanes import Lanes


@cache
def acceptance_window() -> "AcceptanceWindow":
    from functions.domain.metering.values.event import AcceptanceWindow

    return AcceptanceWindow(
        past=settings.accept_past_days() * 86_400,
        ahead=settings.accept_ahead_seconds(),
        stream_retention=settings.stream_retention_hours() * 3_600,
    )


@cache
def lanes() -> "Lanes":
    """Refuses to work on a ledger that was made with another lane count or hash key."""
    from functions.adapters.aws import HASTY, aws_client
    from functions.adapters.ledger_key import check_genesis

    found = configured_lanes()
    check_genesis(aws_client("dynamodb", HASTY, is_checked=False), settings.usage_table(), found)
    return found


def configured_lanes() -> "Lanes":
    from functions.adapters.aws import HASTY, aws_client
    from functions.adapters.ledger_key import load_lanes

    return load_lanes(aws_client("secretsmanager", HASTY, is_checked=False), settings.ledger_secret(), settings.lanes())


def genesis() -> "DynamoGenesis":
    from functions.adapters.dynamo.metering.genesis_store import DynamoGenesis

    return DynamoGenesis(base.usage_table())


@cache
def event_stream() -> "KinesisStream":
    from functions.adapters.aws import ONCE, aws_client
    from functions.adapters.kinesis import KinesisStream

    return KinesisStream(aws_client("kinesis", ONCE, is_checked=False), settings.stream_name(), settings.lanes())


@cache
def ledger() -> "DynamoLedger":
    """Refuses to work on a ledger that was made with another lane count or hash key."""
    from functions.adapters.dynamo.metering.ledger_store import DynamoLedger

    lanes()
    return DynamoLedger(base.aws("dynamodb"), settings.usage_table(), acceptance_window())


@cache
def archive() -> "S3Archive":
    from functions.adapters.archive import S3Archive

    return S3Archive(base.aws("s3"), settings.archive_bucket())


@cache
def heartbeats() -> "DynamoHeartbeats":
    from functions.adapters.dynamo.metering.heartbeat_store import DynamoHeartbeats

    return DynamoHeartbeats(base.aws("dynamodb"), settings.usage_table())


@cache
def failed_batches() -> "S3FailedBatches":
    from functions.adapters.failed_batches import S3FailedBatches

    return S3FailedBatches(base.aws("s3"), settings.archive_bucket())


@cache
def lane_writer() -> "LaneWriter":
    from functions.application.metering.ledger.commit_usage import LaneWriter

    window, fingerprint = acceptance_window(), lanes().value_fingerprint
    return LaneWriter(
        ledger(), archive(), base.clock(), base.new_id, window, look_backs(), fingerprint, access.charge_surplus
    )


@cache
def look_backs() -> "StoredLookBacks":
    from functions.adapters.look_back_store import StoredLookBacks

    table, bucket = settings.usage_table(), settings.archive_bucket()
    return StoredLookBacks(base.aws("dynamodb"), table, base.aws("s3"), bucket, base.new_id)


@cache
def aggregator() -> "Aggregator":
    from functions.adapters.records import decode_record, decoded_size
    from functions.application.metering.ledger.aggregate_usage import Aggregator
    from functions.names import DEFAULT_TENANT

    return Aggregator(lane_writer(), ledger(), archive(), decode_record, decoded_size, settings.lanes(), DEFAULT_TENANT)


@cache
def usage_reader() -> "UsageReader":
    from functions.application.metering.usage.query_usage import UsageReader

    return UsageReader(ledger(), archive(), lanes())


def api_usage_meter() -> "MeasuredUsage":
    """The same for one request, which together reads what one question may: nobody waits as long as a run does."""
    from functions.application.billing.measure_usage import MeasuredUsage

    reader = usage_reader().sharing("ask for fewer customers, fewer or shorter periods, or fewer lines at once")
    return MeasuredUsage(reader, ledger(), base.clock())


@cache
def history_filler() -> "HistoryFiller":
    from functions.application.metering.meters.fill_history import HistoryFiller

    return HistoryFiller(ledger(), archive(), ledger(), lanes().value_fingerprint)


@cache
def backfill_slots() -> "DynamoBackfillSlots":
    from functions.adapters.dynamo.metering.backfill_slots import DynamoBackfillSlots

    return DynamoBackfillSlots(base.aws("dynamodb"), settings.usage_table())


@cache
def backfill_runs() -> "StepFunctionsBackfills":
    from functions.adapters.workflow import StepFunctionsBackfills

    return StepFunctionsBackfills(base.aws("stepfunctions"), settings.backfill_machine())


@cache
def event_reader() -> "EventReader":
    from functions.application.metering.events.list_events import EventReader

    return EventReader(ledger(), archive(), lanes())


def replay_ports() -> "ReplayPorts":
    from functions.adapters.records import decode_record
    from functions.application.metering.events.replay_rejects import ReplayPorts

    return ReplayPorts(
        rejects=rejects(),
        further=further_rejects(),
        meters=meters(),
        corrections=correction_ports(),
        records=archive(),
        decode=decode_record,
        stream=event_stream(),
        lanes=lanes(),
        window=acceptance_window(),
        clock=base.clock(),
        new_id=base.new_id,
    )


def corrections() -> "DynamoCorrections":
    from functions.adapters.dynamo.metering.correction_store import DynamoCorrections

    return DynamoCorrections(base.usage_table())


def correction_ports() -> "CorrectionPorts":
    from functions.application.metering.events.correct_event import CorrectionPorts

    return CorrectionPorts(
        corrections=corrections(),
        events=event_reader,
        stream=event_stream(),
        lanes=lanes(),
        window=acceptance_window(),
        clock=base.clock(),
        new_id=base.new_id,
    )


@cache
def progress() -> "DynamoProgress":
    from functions.adapters.dynamo.metering.progress_store import DynamoProgress

    return DynamoProgress(base.aws("dynamodb"), settings.usage_table())


def meters() -> "DynamoMeters":
    from functions.adapters.dynamo.metering.meter_store import DynamoMeters

    return DynamoMeters(base.billing_table(), base.usage_table())


def further_rejects() -> "Further":
    from functions.application.metering.events.further_rejects import Further

    return Further(rejects(), archive())


def rejects() -> "DynamoRejects":
    from functions.adapters.dynamo.metering.reject_store import DynamoRejects

    return DynamoRejects(base.usage_table())


@cache
def late_index() -> "DynamoLateIndex":
    from functions.adapters.dynamo.metering.late_store import DynamoLateIndex

    return DynamoLateIndex(base.aws("dynamodb"), settings.usage_table())


@cache
def audit_results() -> "DynamoAuditResults":
    from functions.adapters.dynamo.metering.audit_store import DynamoAuditResults

    return DynamoAuditResults(base.aws("dynamodb"), settings.usage_table())


@cache
def auditor() -> "LaneAuditor":
    from functions.application.metering.audit.audit_lane import LaneAuditor

    window, clock = acceptance_window(), base.clock()
    return LaneAuditor(ledger(), archive(), audit_results(), lanes(), window, clock, time.sleep)


@cache
def repairer() -> "ArchiveRepairer":
    from functions.adapters.archive_repair import S3ArchiveRepair
    from functions.application.metering.audit.repair_archive import ArchiveRepairer
    from functions.names import DEFAULT_TENANT

    archive = S3ArchiveRepair(base.aws("s3"), settings.archive_bucket())
    return ArchiveRepairer(archive, ledger(), lanes(), DEFAULT_TENANT)

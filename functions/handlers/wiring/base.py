"""The composition root: one cached factory per port, importing its technology only when first asked.

What only billing needs is in `wiring_billing`.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from functions.handlers import settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from functions.adapters.archive import S3Archive
    from functions.adapters.clock import SystemClock
    from functions.adapters.dynamo.access.api_key_store import DynamoApiKeys
    from functions.adapters.dynamo.access.bucket_store import DynamoBuckets
    from functions.adapters.dynamo.catalog.feature_store import DynamoFeatures
    from functions.adapters.dynamo.metering.backfill_slots import DynamoBackfillSlots
    from functions.adapters.dynamo.metering.correction_store import DynamoCorrections
    from functions.adapters.dynamo.metering.genesis_store import DynamoGenesis
    from functions.adapters.dynamo.metering.heartbeat_store import DynamoHeartbeats
    from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
    from functions.adapters.dynamo.metering.meter_store import DynamoMeters
    from functions.adapters.dynamo.metering.progress_store import DynamoProgress
    from functions.adapters.dynamo.metering.reject_store import DynamoRefusals
    from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers
    from functions.adapters.dynamo.table import Table
    from functions.adapters.failed_batches import S3FailedBatches
    from functions.adapters.kinesis import KinesisStream
    from functions.adapters.look_back_store import StoredLookBacks
    from functions.adapters.secrets import SecretsManagerVault
    from functions.adapters.workflow import StepFunctionsBackfills
    from functions.application.access.limit_rate import RateLimiter
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
def clock() -> "SystemClock":
    from functions.adapters.clock import SystemClock

    return SystemClock()


@cache
def _database() -> "DynamoDBClient":
    """One that looks at parameters: records of people are of every shape."""
    from functions.adapters.aws import aws_client, patience_of

    client: DynamoDBClient = aws_client("dynamodb", patience_of(settings.function_seconds()))
    return client


@cache
def billing_table() -> "Table":
    from functions.adapters.dynamo.table import Table

    return Table(_database(), settings.billing_table())


def new_id() -> str:
    return uuid.uuid4().hex


@cache
def aws(service: str) -> Any:
    """A plain client of one service; hot paths send requests we build ourselves, so botocore need not check them."""
    from functions.adapters.aws import aws_client, patience_of

    return aws_client(service, patience_of(settings.function_seconds()), is_checked=False)


# Metering.


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
    return DynamoLedger(aws("dynamodb"), settings.usage_table(), acceptance_window())


@cache
def archive() -> "S3Archive":
    from functions.adapters.archive import S3Archive

    return S3Archive(aws("s3"), settings.archive_bucket())


@cache
def heartbeats() -> "DynamoHeartbeats":
    from functions.adapters.dynamo.metering.heartbeat_store import DynamoHeartbeats

    return DynamoHeartbeats(aws("dynamodb"), settings.usage_table())


@cache
def failed_batches() -> "S3FailedBatches":
    from functions.adapters.failed_batches import S3FailedBatches

    return S3FailedBatches(aws("s3"), settings.archive_bucket())


@cache
def lane_writer() -> "LaneWriter":
    from functions.application.metering.ledger.commit_usage import LaneWriter
    from functions.handlers.edge.rate_limits import charge_surplus

    window, fingerprint = acceptance_window(), lanes().value_fingerprint
    return LaneWriter(ledger(), archive(), clock(), new_id, window, look_backs(), fingerprint, charge_surplus)


@cache
def look_backs() -> "StoredLookBacks":
    from functions.adapters.look_back_store import StoredLookBacks

    table, bucket = settings.usage_table(), settings.archive_bucket()
    return StoredLookBacks(aws("dynamodb"), table, aws("s3"), bucket, new_id)


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


@cache
def history_filler() -> "HistoryFiller":
    from functions.application.metering.meters.fill_history import HistoryFiller

    return HistoryFiller(ledger(), archive(), ledger(), lanes().value_fingerprint)


@cache
def backfill_slots() -> "DynamoBackfillSlots":
    from functions.adapters.dynamo.metering.backfill_slots import DynamoBackfillSlots

    return DynamoBackfillSlots(aws("dynamodb"), settings.usage_table())


@cache
def backfill_runs() -> "StepFunctionsBackfills":
    from functions.adapters.workflow import StepFunctionsBackfills

    return StepFunctionsBackfills(aws("stepfunctions"), settings.backfill_machine())


def new_ulid() -> str:
    from ulid import ULID

    return str(ULID())


@cache
def event_reader() -> "EventReader":
    from functions.application.metering.events.list_events import EventReader

    return EventReader(ledger(), archive(), lanes())


def replay_ports() -> "ReplayPorts":
    from functions.adapters.records import decode_record
    from functions.application.metering.events.replay_rejects import ReplayPorts

    return ReplayPorts(
        refusals=refusals(),
        further=further_refusals(),
        meters=meters(),
        corrections=correction_ports(),
        records=archive(),
        decode=decode_record,
        stream=event_stream(),
        lanes=lanes(),
        window=acceptance_window(),
        clock=clock(),
        new_id=new_id,
    )


def corrections() -> "DynamoCorrections":
    from functions.adapters.dynamo.metering.correction_store import DynamoCorrections

    return DynamoCorrections(usage_table())


def correction_ports() -> "CorrectionPorts":
    from functions.application.metering.events.correct_event import CorrectionPorts

    return CorrectionPorts(
        corrections=corrections(),
        events=event_reader,
        stream=event_stream(),
        lanes=lanes(),
        window=acceptance_window(),
        clock=clock(),
        new_id=new_id,
    )


@cache
def progress() -> "DynamoProgress":
    from functions.adapters.dynamo.metering.progress_store import DynamoProgress

    return DynamoProgress(aws("dynamodb"), settings.usage_table())


# Access and records.


@cache
def buckets() -> "DynamoBuckets":
    """With a client of its own: a request waits a moment for a limit, and then goes on without."""
    from functions.adapters.aws import AT_ONCE, aws_client
    from functions.adapters.dynamo.access.bucket_store import DynamoBuckets

    client = aws_client("dynamodb", AT_ONCE, is_checked=False, raises_unavailable=False)
    return DynamoBuckets(client, settings.usage_table())


@cache
def rate_limiter() -> "RateLimiter":
    from functions.application.access.limit_rate import RateLimiter
    from functions.handlers.edge.rate_limits import note_failure

    return RateLimiter(buckets(), microseconds, note_failure)


def microseconds() -> int:
    """Of the clock, since the epoch."""
    return (clock().now() - EPOCH) // timedelta(microseconds=1)


@cache
def usage_table() -> "Table":
    from functions.adapters.dynamo.table import Table

    return Table(_database(), settings.usage_table())


def new_secret() -> str:
    from functions.adapters.ids import new_secret

    return new_secret()


def api_keys() -> "DynamoApiKeys":
    from functions.adapters.dynamo.access.api_key_store import DynamoApiKeys

    return DynamoApiKeys(billing_table())


def meters() -> "DynamoMeters":
    from functions.adapters.dynamo.metering.meter_store import DynamoMeters

    return DynamoMeters(billing_table(), usage_table())


def features() -> "DynamoFeatures":
    from functions.adapters.dynamo.catalog.feature_store import DynamoFeatures

    return DynamoFeatures(billing_table())


def customers() -> "DynamoCustomers":
    from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers

    return DynamoCustomers(billing_table())


def further_refusals() -> "Further":
    from functions.application.metering.events.further_rejects import Further

    return Further(refusals(), archive())


def refusals() -> "DynamoRefusals":
    from functions.adapters.dynamo.metering.reject_store import DynamoRefusals

    return DynamoRefusals(usage_table())


# Deployment.


def genesis() -> "DynamoGenesis":
    from functions.adapters.dynamo.metering.genesis_store import DynamoGenesis

    return DynamoGenesis(usage_table())


def admin_vault() -> "SecretsManagerVault":
    from functions.adapters.secrets import SecretsManagerVault

    return SecretsManagerVault(aws("secretsmanager"), settings.admin_secret())


def put_answer(url: str, answer: Mapping[str, Any]) -> None:
    from functions.adapters.cloudformation import put_answer

    put_answer(url, answer)

"""The way of an event: the ledger's beginning, the stream, the function that writes it, the ones that count it."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_kinesis as kinesis
from constructs import Construct

from functions import names
from infra.constructs import python_code
from infra.constructs.access import Access, Resource
from infra.constructs.dead_letter_queue import DeadLetterQueue
from infra.constructs.python_function import FunctionFactory, rate_limits_of, settings_of
from infra.constructs.schedule import Schedule
from infra.constructs.stage_stack import KEPT, StageStack
from infra.constructs.stream_source import stream_source
from infra.stacks.data import ARCHIVE, BUCKETS, LOOK_BACK, QUARANTINE, REJECTS, STAGING, DataStack
from infra.stage import StageSettings

GENESIS_KEY = "genesis"
AUDIT_KEY = "audit"
HEARTBEAT_KEY = "heartbeat"
REJECT_KEYS = "R#*"  # of all tenants
AUDIT_EVERY_MINUTES = 60  # audits what is left of yesterday, and usually nothing is
SWEEP_EVERY_MINUTES = 5
HEARTBEAT_EVERY_MINUTES = 1
READ_SECRET = "secretsmanager:GetSecretValue"
# The handler answers CloudFormation itself; if it cannot even be imported, do not wait the default hour.
BOOTSTRAP_SECONDS = 120


def permissions(data: DataStack, stream: Resource) -> Mapping[str, Sequence[Access]]:
    """What each function of this stack may do; its variables follow from it."""
    # To apply a commit; only who decides one puts it.
    apply = (
        data.usage.allows(
            *("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"),
            *("dynamodb:UpdateItem", "dynamodb:BatchWriteItem"),
            *("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"),
        ),
        data.ledger_key.allows(READ_SECRET),
        # Publishing a commit copies what was staged.
        data.archive.allows("s3:GetObject", under=(STAGING,)),
    )
    return {
        "http_ingest": (
            stream.allows("kinesis:PutRecords"),
            data.ledger_key.allows(READ_SECRET),
            data.usage.allows("dynamodb:GetItem", only_keys=(GENESIS_KEY,)),
            data.usage.allows("dynamodb:UpdateItem", only_keys=(BUCKETS,)),
        ),
        "deploy_bootstrap": (
            data.usage.allows("dynamodb:PutItem", only_keys=(GENESIS_KEY,)),
            # Nothing but the first admin key and its place in the list of its tenant.
            data.billing.allows(
                *("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
                only_keys=(names.CREDENTIALS, f"{names.DEFAULT_TENANT}#{names.CREDENTIALS}"),
                writes_protected=True,
            ),
            data.admin_key.allows(READ_SECRET, "secretsmanager:PutSecretValue"),
            data.ledger_key.allows(READ_SECRET),
        ),
        "stream_aggregate": (
            *apply,
            data.usage.allows("dynamodb:PutItem"),
            data.archive.allows("s3:PutObject", under=(STAGING, ARCHIVE, REJECTS)),
            # What the next process should know of a lane without reading its log.
            data.archive.allows("s3:GetObject", "s3:PutObject", "s3:DeleteObject", under=(LOOK_BACK,)),
            # Voiding an event finds what it was counted for in the archive.
            data.archive.allows("s3:GetObject", under=(ARCHIVE,)),
            # Without it a missing object would look like a forbidden one.
            data.archive.allows("s3:ListBucket"),
        ),
        "schedule_heartbeat": (
            stream.allows("kinesis:PutRecords"),
            data.usage.allows("dynamodb:GetItem", only_keys=(HEARTBEAT_KEY,)),
        ),
        "schedule_sweep": (*apply, data.archive.allows("s3:PutObject", under=(ARCHIVE,))),
        # Reads everything; an audit writes its results, a repair what it lists, keeps and mends.
        "schedule_audit": (
            data.usage.allows("dynamodb:GetItem", "dynamodb:Query"),
            data.usage.allows("dynamodb:PutItem", only_keys=(AUDIT_KEY,)),
            data.usage.allows("dynamodb:BatchWriteItem", only_keys=(REJECT_KEYS,)),
            data.ledger_key.allows(READ_SECRET),
            data.archive.allows("s3:GetObject", under=(ARCHIVE,)),
            data.archive.allows("s3:PutObject", under=(ARCHIVE, QUARANTINE)),
            # Without it a missing object would look like a forbidden one.
            data.archive.allows("s3:ListBucket"),
        ),
    }


class IngestionStack(StageStack):
    """The stream is stateful too: for a day it holds what has not been counted yet."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings, data: DataStack) -> None:
        super().__init__(scope, construct_id, stage=stage, description="stream, ingest and aggregation")
        stream = kinesis.Stream(
            self,
            "Stream",
            stream_mode=kinesis.StreamMode.PROVISIONED,
            shard_count=stage.shards,
            retention_period=Duration.hours(stage.stream_retention_hours),
            encryption=kinesis.StreamEncryption.MANAGED,
            removal_policy=KEPT,
        )
        self.stream = Resource(stream.stream_arn, names.ENV_STREAM_NAME, stream.stream_name)
        self.undelivered = DeadLetterQueue(self, "Undelivered", stage=stage)

        make = FunctionFactory(self, stage, permissions(data, self.stream))
        self.functions = make.made
        bootstrap = self._bootstrap(make, stage, data)
        # 1,769 MB is one whole vCPU; ingest waits for the stream more than it computes.
        self.http_ingest = make.make(
            "http_ingest", memory_mb=1024, timeout_seconds=29, environment=rate_limits_of(stage)
        )
        self.stream_aggregate = make.make(
            "stream_aggregate", memory_mb=1769, timeout_seconds=120, environment=rate_limits_of(stage)
        )
        self.schedule_heartbeat = make.make("schedule_heartbeat", memory_mb=256, timeout_seconds=30)
        self.schedule_sweep = make.make("schedule_sweep", memory_mb=1769, timeout_seconds=240)
        self.schedule_audit = make.make("schedule_audit", memory_mb=1769, timeout_seconds=900)

        for name, function in self.functions.items():
            # Another lane count is refused before anybody works with it.
            if name != "deploy_bootstrap":
                function.node.add_dependency(bootstrap)

        self.stream_aggregate.add_event_source(stream_source(stream, data.archive_bucket, stage))
        Schedule(
            self,
            "Heartbeat",
            function=self.schedule_heartbeat,
            every_minutes=HEARTBEAT_EVERY_MINUTES,
            undelivered=self.undelivered,
        )
        Schedule(
            self,
            "Sweep",
            function=self.schedule_sweep,
            every_minutes=SWEEP_EVERY_MINUTES,
            undelivered=self.undelivered,
        )
        Schedule(
            self,
            "Audit",
            function=self.schedule_audit,
            every_minutes=AUDIT_EVERY_MINUTES,
            undelivered=self.undelivered,
        )

    def _bootstrap(self, make: FunctionFactory, stage: StageSettings, data: DataStack) -> CustomResource:
        """The ledger's genesis and the first admin key: made once, looked at by every deployment."""
        function = make.make("deploy_bootstrap", memory_mb=512, timeout_seconds=60)
        resource = CustomResource(
            self,
            "Bootstrap",
            service_token=function.function_arn,
            service_timeout=Duration.seconds(BOOTSTRAP_SECONDS),
            # CloudFormation calls again only when one of these changes.
            properties={
                "deployed": deployed(stage),
                "lanes": stage.lanes,
                "ledgerFormat": names.LEDGER_FORMAT,
                "usageTable": data.usage.value,
                "billingTable": data.billing.value,
                "ledgerKey": data.ledger_key.value,
                "adminKey": data.admin_key.value,
            },
        )
        # Without its policy the function would start before it may do anything.
        assert function.role is not None
        resource.node.add_dependency(function.role)
        return resource


def deployed(stage: StageSettings) -> str:
    """A digest of the code and settings that work on the ledger: another one exactly when one of them is."""
    platform = python_code.platform_for(stage.build_for_host)
    code = [python_code.asset_hash(asset, platform) for asset in (names.STREAM_ASSET, names.SERVICE_ASSET)]
    return hashlib.sha256(json.dumps([code, settings_of(stage)]).encode()).hexdigest()

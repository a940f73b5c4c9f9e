"""What must survive: the two tables, the archive with its catalogue, the secrets. Renaming them would lose data."""

import json

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from functions import names
from infra.constructs.access import Resource
from infra.constructs.archive_catalog import RESULTS, ArchiveCatalog
from infra.constructs.stage_stack import KEPT, StageStack
from infra.constructs.stream_source import FAILED_PREFIX
from infra.sizing import WARM_WRITES
from infra.stage import StageSettings

STAGING = "staging/*"
ARCHIVE = "archive/*"
REJECTS = "rejects/*"
LOOK_BACK = "look-back/*"  # parts of look-backs, which their writer deletes; no rule expires them
# The token buckets of tenants and their keys, in the usage table.
BUCKETS = "Q#*"
QUARANTINE = "quarantine/*"  # what a repair of the archive has replaced; kept as it is, no rule expires it

# As long as a commit lives (8 days): until then a crash may still need the staged events.
STAGING_DAYS = 8
# As long as the API answers for a query of the archive.
RESULT_DAYS = 7
# What an overwrite or a deletion left behind: the audit of the night tells of it, and somebody has a month to undo it.
REPLACED_DAYS = 30
# Of what expires or can be made anew, nobody wants an earlier version: the least that S3 takes.
EXPIRED_DAYS = 1
# After the acceptance window nothing new refers to an archived event; queries of old ranges still do.
ARCHIVE_COLD_AFTER_DAYS = 60
COLD = s3.Transition(
    storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL, transition_after=Duration.days(ARCHIVE_COLD_AFTER_DAYS)
)
# An object costs $0.00002 to move and $0.00001 and $0.03 a GB to read there, and saves $0.019 a GB-month
# (aws.amazon.com/s3/pricing): from this size on a move and a reading are earned back within a year. S3 itself moves
# none below 128 KB unless told to (TransitionDefaultMinimumObjectSize), and bills each there as 128 KB.
ARCHIVE_COLD_FROM_BYTES = 160 * 1024


class DataStack(StageStack):
    """Retained on deletion in every stage; prod adds point-in-time recovery and deletion protection."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings) -> None:
        super().__init__(scope, construct_id, stage=stage, description="tables, archive and secrets")
        self._stage = stage
        usage_table = self._table("UsageTable", stage.sizing.warm_writes)
        billing_table = self._table("BillingTable")
        self.archive_bucket = self._archive()
        self.catalog = ArchiveCatalog(self, "Catalog", stage=stage, bucket=self.archive_bucket)
        ledger_key = self._generated_secret("LedgerKey", "Keys lanes and fingerprints; never rotated")
        admin_key = self._generated_secret("AdminKey", "First admin API key, written by the deployment")
        portal_key = self._generated_secret("PortalKey", "Signs portal tokens; the version before is believed, too")
        stripe_secret = self._stripe_secret()

        self.usage = self._table_resource(usage_table, names.ENV_USAGE_TABLE)
        self.billing = self._table_resource(
            billing_table, names.ENV_BILLING_TABLE, protected=(names.CREDENTIALS, f"*#{names.CREDENTIALS}")
        )
        self.archive = Resource(
            self.archive_bucket.bucket_arn, names.ENV_ARCHIVE_BUCKET, self.archive_bucket.bucket_name
        )
        self.ledger_key = _secret_resource(ledger_key, names.ENV_LEDGER_SECRET)
        self.admin_key = _secret_resource(admin_key, names.ENV_ADMIN_SECRET)
        self.portal_key = _secret_resource(portal_key, names.ENV_PORTAL_SECRET)
        self.stripe_secret = _secret_resource(stripe_secret, names.ENV_STRIPE_SECRET)

    def _table(self, construct_id: str, writes_per_second: int = WARM_WRITES) -> dynamodb.TableV2:
        """More writes than a new table takes have to be asked for, and paid once; AWS never takes them back.

        Reads are left alone: a figure below what the table has warmed to by itself would be refused.
        """
        warm = dynamodb.WarmThroughput(write_units_per_second=writes_per_second)
        protect = self._stage.protect_data
        return dynamodb.TableV2(
            self,
            construct_id,
            partition_key=dynamodb.Attribute(name=names.PARTITION_KEY, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=names.SORT_KEY, type=dynamodb.AttributeType.STRING),
            time_to_live_attribute=names.EXPIRES_AT,
            billing=dynamodb.Billing.on_demand(),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=protect
            ),
            deletion_protection=protect,
            warm_throughput=warm if writes_per_second > WARM_WRITES else None,
            # A protected table cannot be taken back: a failed first deployment would end in ROLLBACK_FAILED.
            removal_policy=RemovalPolicy.RETAIN if protect else KEPT,
        )

    def _table_resource(self, table: dynamodb.TableV2, variable: str, *, protected: tuple[str, ...] = ()) -> Resource:
        also_on_all = (
            {"dynamodb:BatchExecuteStatement": "dynamodb:PartiQLUpdate"} if self._stage.some_actions_on_all else {}
        )
        return Resource(table.table_arn, variable, table.table_name, self._stage.key_conditions, protected, also_on_all)

    def _archive(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Archive",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=self._stage.tls_only,
            versioned=True,
            removal_policy=KEPT,
            # No two rules of one kind of action meet: in their older form S3 refuses prefixes that overlap.
            lifecycle_rules=[
                _expiring("staging-ends-with-its-commit", STAGING, STAGING_DAYS),
                _expiring("answers-are-forgotten", RESULTS, RESULT_DAYS),
                _kept("archive-stays", ARCHIVE),
                # Of its own: a rule with a size may say nothing of delete markers.
                s3.LifecycleRule(
                    id="old-events-get-cheaper",
                    prefix=ARCHIVE.removesuffix("*"),
                    object_size_greater_than=ARCHIVE_COLD_FROM_BYTES,
                    transitions=[COLD],
                ),
                _kept("rejects-stay", REJECTS),
                _kept("quarantine-stays", QUARANTINE),
                _kept("failed-batches-stay", FAILED_PREFIX),
                _kept("look-backs-go-with-their-writer", LOOK_BACK, replaced_days=EXPIRED_DAYS),
                s3.LifecycleRule(id="unfinished-uploads-go", abort_incomplete_multipart_upload_after=Duration.days(1)),
            ],
        )

    def _generated_secret(self, construct_id: str, description: str) -> secretsmanager.CfnSecret:
        """An L1: its Id is the ARN everywhere, where the L2 grants on Ref, which the emulator answers with a name."""
        generate = secretsmanager.CfnSecret.GenerateSecretStringProperty(password_length=64, exclude_punctuation=True)
        secret = secretsmanager.CfnSecret(
            self, construct_id, description=f"Tollbooth: {description}", generate_secret_string=generate
        )
        secret.apply_removal_policy(KEPT)
        return secret

    def _stripe_secret(self) -> secretsmanager.CfnSecret:
        """Empty until the operator fills it in; a later deployment leaves what was filled in."""
        secret = secretsmanager.CfnSecret(
            self,
            "StripeSecret",
            description="Tollbooth: Stripe API key and webhook signing secrets, filled in by the operator",
            secret_string=json.dumps({"api_key": "", "webhook_secrets": []}),
        )
        secret.apply_removal_policy(KEPT)
        return secret


def _expiring(name: str, under: str, days: int) -> s3.LifecycleRule:
    """Its delete markers go by themselves: an expiration takes those that stand alone."""
    return s3.LifecycleRule(
        id=name,
        prefix=under.removesuffix("*"),
        expiration=Duration.days(days),
        noncurrent_version_expiration=Duration.days(EXPIRED_DAYS),
    )


def _kept(name: str, under: str, *, replaced_days: int = REPLACED_DAYS) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        id=name,
        prefix=under.removesuffix("*"),
        noncurrent_version_expiration=Duration.days(replaced_days),
        expired_object_delete_marker=True,
    )


def _secret_resource(secret: secretsmanager.CfnSecret, variable: str) -> Resource:
    return Resource(secret.attr_id, variable, secret.attr_id)

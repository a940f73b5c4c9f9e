"""Every string that functions and infra share; it imports nothing."""

VERSION = "0.1.0"  # that of pyproject.toml

PARTITION_KEY = "pk"
SORT_KEY = "sk"
EXPIRES_AT = "ttl"

ENV_STAGE = "TOLLBOOTH_STAGE"
ENV_USAGE_TABLE = "USAGE_TABLE"
ENV_BILLING_TABLE = "BILLING_TABLE"
ENV_STREAM_NAME = "STREAM_NAME"
ENV_ARCHIVE_BUCKET = "ARCHIVE_BUCKET"
ENV_ARCHIVE_WORKGROUP = "ARCHIVE_WORKGROUP"
ENV_ARCHIVE_DATABASE = "ARCHIVE_DATABASE"
ENV_FUNCTION_SECONDS = "FUNCTION_SECONDS"
ENV_LANES = "LANES"
ENV_LEDGER_SECRET = "LEDGER_SECRET_ARN"
ENV_ADMIN_SECRET = "ADMIN_SECRET_ARN"
ENV_PORTAL_SECRET = "PORTAL_SECRET_ARN"
ENV_STRIPE_SECRET = "STRIPE_SECRET_ARN"
ENV_STRIPE_API_BASE = "STRIPE_API_BASE"
ENV_BILLING_MACHINE = "BILLING_MACHINE_ARN"
ENV_BACKFILL_MACHINE = "BACKFILL_MACHINE_ARN"
ENV_MIGRATION_MACHINE = "MIGRATION_MACHINE_ARN"
ENV_ACCEPT_PAST_DAYS = "ACCEPT_PAST_DAYS"
ENV_INVOICES_IDLE = "INVOICES_IDLE"
ENV_ACCEPT_AHEAD_SECONDS = "ACCEPT_AHEAD_SECONDS"
ENV_STREAM_RETENTION_HOURS = "STREAM_RETENTION_HOURS"
ENV_COLLECTION_SECONDS = "COLLECTION_SECONDS"
ENV_ARCHIVE_QUERY_GIGABYTES = "ARCHIVE_QUERY_GIGABYTES"
ENV_ARCHIVE_DAY_GIGABYTES = "ARCHIVE_DAY_GIGABYTES"
ENV_RATE_LIMITS = "RATE_LIMITS"

HEALTH_PATH = "/healthz"
# The route by which browsers ask whether a page of another origin may ask the portal.
PORTAL_PREFLIGHT = "OPTIONS /api/v1/portal/{proxy+}"

# Where Lambda keeps a batch that could not be counted, in the archive bucket: <mapping>/<shard>/... It chooses the key.
FAILED_BATCHES = "aws/lambda/"

LEDGER_FORMAT = 3  # of what the ledger stores; another one when earlier items are no longer read

STREAM_ASSET = "stream"
SERVICE_ASSET = "service"

# handler name -> (asset, room); http_api opens every room and stands at their door
_HANDLER_ROOMS = {
    "http_ingest": (STREAM_ASSET, "metering"),
    "stream_aggregate": (STREAM_ASSET, "metering"),
    "schedule_heartbeat": (STREAM_ASSET, "metering"),
    "schedule_sweep": (STREAM_ASSET, "metering"),
    "schedule_audit": (STREAM_ASSET, "metering"),
    "http_authorize": (SERVICE_ASSET, "access"),
    "http_api": (SERVICE_ASSET, ""),
    "deploy_bootstrap": (SERVICE_ASSET, "access"),
    "schedule_reconcile": (SERVICE_ASSET, "billing"),
    "schedule_billing": (SERVICE_ASSET, "billing"),
    "workflow_close_lanes": (SERVICE_ASSET, "metering"),
    "workflow_count_lanes": (SERVICE_ASSET, "metering"),
    "workflow_list_due": (SERVICE_ASSET, "billing"),
    "workflow_issue_invoice": (SERVICE_ASSET, "billing"),
    "workflow_push_invoice": (SERVICE_ASSET, "billing"),
    "workflow_record_failure": (SERVICE_ASSET, "billing"),
    "workflow_queue_backfill": (SERVICE_ASSET, "metering"),
    "workflow_plan_backfill": (SERVICE_ASSET, "metering"),
    "workflow_fill_history": (SERVICE_ASSET, "metering"),
    "workflow_end_backfill": (SERVICE_ASSET, "metering"),
    "schedule_entitle": (SERVICE_ASSET, "subscriptions"),
    "workflow_list_migration": (SERVICE_ASSET, "subscriptions"),
    "workflow_migrate_subscriptions": (SERVICE_ASSET, "subscriptions"),
    "workflow_preview_migration": (SERVICE_ASSET, "subscriptions"),
    "workflow_end_migration": (SERVICE_ASSET, "subscriptions"),
    "webhook_stripe": (SERVICE_ASSET, "billing"),
}

# handler name -> (asset, path Lambda imports)
HANDLERS = {
    name: (asset, ".".join(filter(None, ("functions.handlers", room, name, "handler"))))
    for name, (asset, room) in _HANDLER_ROOMS.items()
}

# Metric namespace and the names alarms watch; written by handlers as embedded metrics.
METRIC_NAMESPACE = "Tollbooth"
# The only dimension: its value is the stage (ENV_STAGE), so that dev and prod can share an account.
METRIC_DIMENSION = "stage"
METRIC_REJECTED = "EventsRejected"
METRIC_ACCEPTED = "EventsAccepted"
METRIC_DUPLICATE = "EventsDuplicate"
METRIC_LANE_LAG = "LaneLag"
METRIC_HEARTBEAT_AGE = "HeartbeatAge"
METRIC_FAILED_BATCHES = "FailedBatches"
METRIC_GROUP_ROOM = "GroupRoomUsed"
METRIC_AUDIT_DIFFERENCE = "AuditDifference"
METRIC_BILLING_FAILED = "BillingCustomersFailed"
METRIC_BILLED_DIFFERENCE = "BilledDifference"
METRIC_WEBHOOK_FAILED = "WebhooksFailed"
METRIC_LIMITER_FAILED = "RateLimiterFailed"

SCOPE_INGEST = "ingest"
SCOPE_READ = "read"
SCOPE_ADMIN = "admin"
# Of portal tokens, and of no key: `admin` does not imply it.
SCOPE_PORTAL = "portal"

# Says where, not what: its holder may name any tenant and see what concerns all of them.
SCOPE_OPERATOR = "operator"
# Of the key a deployment makes: its holder can make every other key.
FIRST_KEY_SCOPES = (SCOPE_ADMIN, SCOPE_OPERATOR)

DEFAULT_TENANT = "default"

# Where API keys open doors: the one partition of the billing table without a tenant, and `<tenant>#` before it for
# their list. Policies name both, so that nobody else can write a key.
CREDENTIALS = "api_key"
# Whether portal tokens are in force, behind `<tenant>#`: the authorizer reads both partitions and no other of a tenant.
PORTAL_TOKENS = "portal_token"
PORTAL_EPOCHS = "portal_epoch"

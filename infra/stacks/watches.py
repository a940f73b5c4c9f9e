"""What is watched: every alarm with its metric, its limit and its meaning. `observability.py` makes alarms of them.

Each has a page of the runbook, named as it is, which its description names in turn.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aws_cdk import Duration, aws_lambda
from aws_cdk import aws_cloudwatch as cloudwatch

from functions import names
from infra.constructs.python_function import PythonFunction
from infra.stacks.api import ENTITLE_EVERY_MINUTES
from infra.stacks.billing import LOOK_FOR_DUE_EVERY_MINUTES, RECONCILE_EVERY_MINUTES
from infra.stacks.dashboard import TABLE_TROUBLE, Sources, own_metric, table_metric
from infra.stacks.ingestion import AUDIT_EVERY_MINUTES, SWEEP_EVERY_MINUTES
from infra.stage import StageSettings

ONE_MINUTE = Duration.minutes(1)
FIVE_MINUTES = Duration.minutes(5)
ONE_HOUR = Duration.hours(1)
RUNBOOK = "functions/pages/guide/runbook"

ITERATOR_AGE_MS = 5 * 60 * 1000
# Ticks of the Scheduler are a minute apart, and each comes within a minute ("60 second precision", Schedule types on
# EventBridge Scheduler): two minutes are usual. The third is for counting, which may be told to wait one.
HEARTBEAT_SECONDS = 180
# CloudWatch looks at some periods more than these for readings: one that is lost, or late, does not ring.
HEARTBEAT_PERIODS = 3
# A commit may be half applied for a moment; the sweeper helps within five minutes.
LANE_LAG_PERIODS = 3
# One customer's bad luck is not an incident, five failed or refused requests in five minutes are.
SERVER_ERRORS = 5
REFUSED_CALLS = 5
# The SDKs try again; one in three seconds for five minutes is felt.
THROTTLED_REQUESTS = 100
# A question that reads much may take 29 seconds by design, a cold start takes one. Each hundredth call above ten, for a
# quarter of an hour, is no such question.
LATENCY_MS = 10_000
LATENCY_PERIODS = 3
# Of what the account may run at once: what is left would not take one backfill more.
CLAIMED_PERCENT = 90


@dataclass(frozen=True)
class Watch:
    """One alarm: it rings when the metric is above the limit in `datapoints` (all) of so many `periods`.

    A cause says why something else rings as well: it is watched where somebody is woken, else seen on the dashboard.
    """

    name: str
    metric: cloudwatch.Metric
    above: int
    meaning: str
    periods: int = 1
    datapoints: int | None = None
    # Errors and our own counts are told when there are any.
    missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING
    is_cause: bool = False

    @property
    def page(self) -> str:
        """IngestErrors -> .../ingest-errors.md."""
        return f"{RUNBOOK}/{re.sub('(?<!^)(?=[A-Z])', '-', self.name).lower()}.md"


def watches(stage: StageSettings, sources: Sources) -> Sequence[Watch]:
    found = (
        *_counting(stage, sources),
        *_answering(stage, sources),
        *_billing(stage, sources),
        *_causes(stage, sources),
    )
    return [watch for watch in found if stage.notify or not watch.is_cause]


def _counting(stage: StageSettings, sources: Sources) -> Iterator[Watch]:
    ingestion = sources.ingestion
    aggregate = ingestion.stream_aggregate
    lane_lag = own_metric(stage, names.METRIC_LANE_LAG, "Maximum")
    group_room = own_metric(stage, names.METRIC_GROUP_ROOM, "Maximum")
    failed_batches = own_metric(stage, names.METRIC_FAILED_BATCHES, "Maximum", ONE_HOUR)
    lost = aggregate.metric("DestinationDeliveryFailures", statistic="Sum", period=FIVE_MINUTES)
    age = aggregate.metric("IteratorAge", statistic="Maximum", period=FIVE_MINUTES)
    yield Watch(
        "Heartbeat",
        own_metric(stage, names.METRIC_HEARTBEAT_AGE, "Maximum", ONE_MINUTE),
        HEARTBEAT_SECONDS,
        "Nothing that is sent is counted any more, in one lane at least.",
        periods=HEARTBEAT_PERIODS,
        datapoints=1,
        missing=cloudwatch.TreatMissingData.BREACHING,
    )
    yield Watch("IteratorAge", age, ITERATOR_AGE_MS, "Usage is counted more than 5 minutes late.")
    yield Watch("Rejects", own_metric(stage, names.METRIC_REJECTED), 0, "Accepted events could not be counted.")
    yield Watch("FailedBatches", failed_batches, 0, "Batches wait that could not be counted.")
    yield Watch("LostBatches", lost, 0, "A batch that could not be counted could not be kept either.")
    yield Watch("LaneLag", lane_lag, 0, "A lane's commit stays unfinished.", LANE_LAG_PERIODS)
    yield _scheduled(
        "SweepErrors", ingestion.schedule_sweep, SWEEP_EVERY_MINUTES, "What a dead writer left is not finished."
    )
    # Told from 80 percent on: then groups are counted as __other__, and bills read them from the events.
    yield Watch("GroupRoom", group_room, 0, "A meter has too many groups.")
    yield Watch("Audit", own_metric(stage, names.METRIC_AUDIT_DIFFERENCE), 0, "An audit found a difference.")
    yield _scheduled("AuditErrors", ingestion.schedule_audit, AUDIT_EVERY_MINUTES, "A lane was not audited.")
    ticks = ingestion.undelivered.metric_approximate_number_of_messages_visible(period=FIVE_MINUTES)
    yield Watch("Undelivered", ticks, 0, "The Scheduler could not reach a function.")


def _answering(stage: StageSettings, sources: Sources) -> Iterator[Watch]:
    api = sources.api.http
    server_errors = api.metric_server_error(statistic="Sum", period=FIVE_MINUTES)
    latency = api.metric_latency(statistic="p99", period=FIVE_MINUTES)
    yield Watch("IngestErrors", _errors(sources.ingestion.http_ingest), 0, "Events were refused by our fault.")
    # Throttled, timed-out and crashed functions all answer 5xx at the door.
    yield Watch("ServerErrors", server_errors, SERVER_ERRORS, "The API answers 5xx.")
    yield Watch("Latency", latency, LATENCY_MS, "The API is slow.", LATENCY_PERIODS)
    yield Watch("RateLimits", own_metric(stage, names.METRIC_LIMITER_FAILED), 0, "Rate limits are not kept.")


def _billing(stage: StageSettings, sources: Sources) -> Iterator[Watch]:
    billing = sources.billing
    runs = billing.workflow.machine.metric_failed(period=FIVE_MINUTES)
    timeouts = billing.workflow.machine.metric_timed_out(period=FIVE_MINUTES)
    backfills = sources.backfill.workflow.machine.metric_failed(period=FIVE_MINUTES)
    migrations = sources.migration.workflow.machine.metric_failed(period=FIVE_MINUTES)
    late = own_metric(stage, names.METRIC_BILLED_DIFFERENCE)
    webhooks = own_metric(stage, names.METRIC_WEBHOOK_FAILED)
    yield Watch("BillingRuns", runs, 0, "A billing run failed.")
    yield Watch("BillingTimeouts", timeouts, 0, "A billing run did not end in time.")
    yield _scheduled(
        "BillingSchedule", billing.schedule_billing, LOOK_FOR_DUE_EVERY_MINUTES, "Due periods were not looked for."
    )
    yield Watch("BillingCustomers", own_metric(stage, names.METRIC_BILLING_FAILED), 0, "A customer was not billed.")
    yield Watch("LateUsage", late, 0, "Usage came late for invoices that are out.")
    yield _scheduled(
        "Reconciliation",
        billing.schedule_reconcile,
        RECONCILE_EVERY_MINUTES,
        "Billed periods were not looked at again.",
    )
    yield Watch("Webhooks", webhooks, 0, "A payment notice of Stripe was not taken.")
    yield Watch("Backfills", backfills, 0, "A meter's history could not be counted.")
    yield _scheduled(
        "EntitlementBackfill",
        sources.api.schedule_entitle,
        ENTITLE_EVERY_MINUTES,
        "Customers were not entitled to what they had subscribed to before.",
    )
    yield Watch("Migrations", migrations, 0, "The subscriptions of a plan could not all be migrated.")


def _causes(stage: StageSettings, sources: Sources) -> Iterator[Watch]:
    functions = {
        "IngestThrottles": (sources.ingestion.http_ingest, "Lambda refuses calls with events."),
        "ApiThrottles": (sources.api.http_api, "Lambda refuses calls of the API."),
        "AuthorizeThrottles": (sources.api.http_authorize, "Lambda refuses to look at keys."),
        "CountingThrottles": (sources.ingestion.stream_aggregate, "Lambda refuses to count."),
    }
    for name, (function, meaning) in functions.items():
        yield Watch(name, function.metric_throttles(period=FIVE_MINUTES), REFUSED_CALLS, meaning, is_cause=True)
    for table, resource in (("Usage", sources.data.usage), ("Billing", sources.data.billing)):
        for what, metric_name in zip(("Reads", "Writes"), TABLE_TROUBLE, strict=True):
            metric = table_metric(resource.value, metric_name)
            meaning = f"DynamoDB refuses {what.lower()} of the {table.lower()} table."
            yield Watch(f"{table}Table{what}", metric, THROTTLED_REQUESTS, meaning, is_cause=True)
    for what, meaning in (("Write", "The stream takes no more events."), ("Read", "The stream is read too often.")):
        metric = _of_stream(sources, f"{what}ProvisionedThroughputExceeded")
        yield Watch(f"Stream{what}s", metric, THROTTLED_REQUESTS, meaning, is_cause=True)
    if stage.account_concurrency is not None:
        claimed = aws_lambda.Function.metric_all("ClaimedAccountConcurrency", statistic="Maximum", period=FIVE_MINUTES)
        limit = stage.account_concurrency * CLAIMED_PERCENT // 100
        yield Watch("Concurrency", claimed, limit, "The account can hardly run a function more.", is_cause=True)


def _scheduled(name: str, function: PythonFunction, every_minutes: int, meaning: str) -> Watch:
    """Silence is a schedule that is gone, or throttled: errors are told of each invocation, 0 most often ("binary
    indicators of the outcome", Lambda Developer Guide, Types of metrics).
    """
    errors = function.metric_errors(period=Duration.minutes(2 * every_minutes))
    return Watch(name, errors, 0, meaning, missing=cloudwatch.TreatMissingData.BREACHING)


def _errors(function: PythonFunction) -> cloudwatch.Metric:
    return function.metric_errors(period=FIVE_MINUTES)


def _of_stream(sources: Sources, name: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/Kinesis",
        metric_name=name,
        dimensions_map={"StreamName": sources.ingestion.stream.value},
        statistic="Sum",
        period=FIVE_MINUTES,
    )

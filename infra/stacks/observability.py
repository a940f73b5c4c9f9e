"""What customers would feel, as alarms, and one dashboard to look at when an alarm rings."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from functions import names
from infra.constructs.python_function import PythonFunction
from infra.constructs.stage_stack import StageStack
from infra.stacks.api import ApiStack
from infra.stacks.backfill import BackfillStack
from infra.stacks.billing import BillingStack
from infra.stacks.dashboard import Dashboard, Sources, own_metric
from infra.stacks.data import DataStack
from infra.stacks.ingestion import IngestionStack
from infra.stacks.migration import MigrationStack
from infra.stage import StageSettings

FIVE_MINUTES = Duration.minutes(5)
ITERATOR_AGE_MS = 5 * 60 * 1000
# A commit may be half applied for a moment; the sweeper helps within five minutes.
LANE_LAG_PERIODS = 3
# One customer's bad luck is not an incident, five failed requests in five minutes are.
SERVER_ERRORS = 5


@dataclass(frozen=True)
class Watch:
    """One alarm: it rings when the metric is above the limit for so many periods."""

    name: str
    metric: cloudwatch.IMetric
    above: int
    meaning: str
    periods: int = 1


class ObservabilityStack(StageStack):
    """One metric for each alarm: the emulator refuses metric math. Ten are free."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        data: DataStack,
        ingestion: IngestionStack,
        api: ApiStack,
        billing: BillingStack,
        backfill: BackfillStack,
        migration: MigrationStack,
    ) -> None:
        super().__init__(scope, construct_id, stage=stage, description="alarms and dashboard")
        self._stage = stage
        watches = self._watches(ingestion, api, billing, backfill, migration)
        alarms = [self._alarm(watch) for watch in watches]
        if stage.notify:
            self._notify(alarms)
        Dashboard(self, "Dashboard", stage=stage, sources=Sources(data, ingestion, api, billing), alarms=alarms)

    def _watches(
        self,
        ingestion: IngestionStack,
        api: ApiStack,
        billing: BillingStack,
        backfill: BackfillStack,
        migration: MigrationStack,
    ) -> Sequence[Watch]:
        backfills = backfill.workflow.machine.metric_failed(period=FIVE_MINUTES)
        migrations = migration.workflow.machine.metric_failed(period=FIVE_MINUTES)
        runs = billing.workflow.machine.metric_failed(period=FIVE_MINUTES)
        timeouts = billing.workflow.machine.metric_timed_out(period=FIVE_MINUTES)
        age = ingestion.stream_aggregate.metric("IteratorAge", statistic="Maximum", period=FIVE_MINUTES)
        server_errors = api.http.metric_server_error(statistic="Sum", period=FIVE_MINUTES)
        lane_lag = self._ours(names.METRIC_LANE_LAG, "Maximum")
        ticks = ingestion.undelivered.metric_approximate_number_of_messages_visible(period=FIVE_MINUTES)
        return (
            Watch("IngestErrors", _errors(ingestion.http_ingest), 0, "Events were refused by our fault."),
            # Throttled, timed-out and crashed functions all answer 5xx at the door.
            Watch("ServerErrors", server_errors, SERVER_ERRORS, "The API answers 5xx."),
            Watch("IteratorAge", age, ITERATOR_AGE_MS, "Usage is counted more than 5 minutes late."),
            Watch("Rejects", self._ours(names.METRIC_REJECTED), 0, "Accepted events could not be counted: /rejects."),
            Watch("LaneLag", lane_lag, 0, "A lane's commit stays unfinished.", LANE_LAG_PERIODS),
            # Told from 80 percent on: then groups are counted as __other__, and bills read them from the events.
            Watch("GroupRoom", self._ours(names.METRIC_GROUP_ROOM, "Maximum"), 0, "A meter has too many groups."),
            Watch("Audit", self._ours(names.METRIC_AUDIT_DIFFERENCE), 0, "An audit found a difference: make audit."),
            Watch("AuditErrors", _errors(ingestion.schedule_audit), 0, "A lane could not be audited."),
            Watch("BillingRuns", runs, 0, "A billing run failed."),
            Watch("BillingTimeouts", timeouts, 0, "A billing run did not end in time."),
            Watch("BillingSchedule", _errors(billing.schedule_billing), 0, "Due periods could not be looked for."),
            Watch("BillingCustomers", self._ours(names.METRIC_BILLING_FAILED), 0, "A customer could not be billed."),
            Watch(
                "LateUsage",
                self._ours(names.METRIC_BILLED_DIFFERENCE),
                0,
                "Usage came late for invoices that are out: GET /api/v1/billing/reconciliation.",
            ),
            Watch(
                "Reconciliation", _errors(billing.schedule_reconcile), 0, "Billed periods could not be looked at again."
            ),
            Watch("Webhooks", self._ours(names.METRIC_WEBHOOK_FAILED), 0, "A payment notice of Stripe was not taken."),
            Watch("Backfills", backfills, 0, "A meter's history could not be counted."),
            Watch("Migrations", migrations, 0, "The subscriptions of a plan could not all be migrated."),
            Watch("RateLimits", self._ours(names.METRIC_LIMITER_FAILED), 0, "Rate limits are not kept."),
            Watch("Undelivered", ticks, 0, "The Scheduler could not reach a function."),
        )

    def _ours(self, name: str, statistic: str = "Sum") -> cloudwatch.Metric:
        return own_metric(self._stage, name, statistic)

    def _alarm(self, watch: Watch) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            watch.name,
            metric=watch.metric,
            threshold=watch.above,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=watch.periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"Tollbooth {self._stage.name}: {watch.meaning}",
        )

    def _notify(self, alarms: Sequence[cloudwatch.Alarm]) -> None:
        topic = sns.Topic(self, "AlarmTopic", enforce_ssl=True)
        topic.add_to_resource_policy(self._publishing(topic, alarms))
        for address in self._stage.alarm_emails:
            topic.add_subscription(subscriptions.EmailSubscription(address))
        for alarm in alarms:
            alarm.add_alarm_action(actions.SnsAction(topic))
        CfnOutput(self, "AlarmTopicArn", value=topic.topic_arn, description="Subscribe here whoever alarms shall wake.")

    def _publishing(self, topic: sns.Topic, alarms: Sequence[cloudwatch.Alarm]) -> iam.PolicyStatement:
        """A topic with a policy of its own has lost the one by which alarms of its account may publish to it."""
        return iam.PolicyStatement(
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={
                "StringEquals": {"aws:SourceAccount": self.account},
                "ArnEquals": {"aws:SourceArn": [alarm.alarm_arn for alarm in alarms]},
            },
        )


def _errors(function: PythonFunction) -> cloudwatch.Metric:
    return function.metric_errors(period=FIVE_MINUTES)

"""What an operator looks at: usage on its way, the API by route, billing and what it leans on; then every alarm."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from functions import names
from infra.stacks.api import ApiStack
from infra.stacks.backfill import BackfillStack
from infra.stacks.billing import BillingStack
from infra.stacks.data import DataStack
from infra.stacks.ingestion import IngestionStack
from infra.stacks.migration import MigrationStack
from infra.stage import StageSettings

PERIOD = Duration.minutes(5)
COLUMNS = 3
WIDTH = 24 // COLUMNS
TABLE_TROUBLE = ("ReadThrottleEvents", "WriteThrottleEvents")


def own_metric(stage: StageSettings, name: str, statistic: str = "Sum", period: Duration = PERIOD) -> cloudwatch.Metric:
    """One of the embedded metrics our functions write."""
    return cloudwatch.Metric(
        namespace=names.METRIC_NAMESPACE,
        metric_name=name,
        dimensions_map={names.METRIC_DIMENSION: stage.name},
        statistic=statistic,
        period=period,
    )


@dataclass(frozen=True)
class Sources:
    """The stacks whose metrics are shown and watched."""

    data: DataStack
    ingestion: IngestionStack
    api: ApiStack
    billing: BillingStack
    backfill: BackfillStack
    migration: MigrationStack


class Dashboard(cloudwatch.Dashboard):
    """Metrics that exist anyway, and one query of the access log, which costs only while somebody looks at it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        sources: Sources,
        alarms: Sequence[cloudwatch.IAlarm],
    ) -> None:
        super().__init__(scope, construct_id, default_interval=Duration.hours(24))
        self._stage = stage
        self._sources = sources
        widgets = [*self._usage(), *self._requests(), *self._behind()]
        for start in range(0, len(widgets), COLUMNS):
            self.add_widgets(*widgets[start : start + COLUMNS])
        self.add_widgets(self._routes())
        self.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=24, height=4))

    def _usage(self) -> Sequence[cloudwatch.IWidget]:
        ingest, aggregate = self._sources.ingestion.http_ingest, self._sources.ingestion.stream_aggregate
        counted = (names.METRIC_ACCEPTED, names.METRIC_DUPLICATE, names.METRIC_REJECTED)
        return (
            _graph(
                "Calls with events, and refused by our fault",
                ingest.metric_invocations(period=PERIOD),
                ingest.metric_errors(period=PERIOD),
                ingest.metric_throttles(period=PERIOD),
            ),
            _graph("Events accepted, duplicate, rejected", *(own_metric(self._stage, name) for name in counted)),
            _graph(
                "Age of what waits in the stream, ms",
                aggregate.metric("IteratorAge", statistic="Maximum", period=PERIOD),
            ),
            _graph(
                "Age of the newest heartbeat that is counted, s",
                own_metric(self._stage, names.METRIC_HEARTBEAT_AGE, "Maximum"),
            ),
            _graph("Lanes with an unfinished commit", own_metric(self._stage, names.METRIC_LANE_LAG, "Maximum")),
            _graph(
                "Time of a call, p95, ms",
                *(each.metric_duration(period=PERIOD, statistic="p95") for each in (ingest, aggregate)),
            ),
        )

    def _requests(self) -> Sequence[cloudwatch.IWidget]:
        door = self._sources.api.http
        return (
            _graph(
                "Requests, refused and failed",
                door.metric_count(period=PERIOD),
                door.metric_client_error(period=PERIOD),
                door.metric_server_error(period=PERIOD),
            ),
            _graph(
                "Latency of the API, ms",
                *(door.metric_latency(period=PERIOD, statistic=statistic) for statistic in ("p50", "p95", "p99")),
            ),
        )

    def _behind(self) -> Sequence[cloudwatch.IWidget]:
        machine = self._sources.billing.workflow.machine
        data = self._sources.data
        return (
            _graph(
                "Billing runs",
                machine.metric_started(period=PERIOD),
                machine.metric_succeeded(period=PERIOD),
                machine.metric_failed(period=PERIOD),
                machine.metric_timed_out(period=PERIOD),
            ),
            _graph(
                "Not billed, not taken from Stripe",
                *(own_metric(self._stage, name) for name in (names.METRIC_BILLING_FAILED, names.METRIC_WEBHOOK_FAILED)),
            ),
            _graph(
                "DynamoDB throttles",
                *(table_metric(table.value, name) for table in (data.usage, data.billing) for name in TABLE_TROUBLE),
            ),
            _graph("Read by questions to the archive, bytes", self._scanned()),
        )

    def _scanned(self) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/Athena",
            metric_name="ProcessedBytes",
            dimensions_map={
                "WorkGroup": self._sources.data.catalog.workgroup_name,
                "QueryType": "DML",
                "QueryState": "SUCCEEDED",
            },
            statistic="Sum",
            period=PERIOD,
        )

    def _routes(self) -> cloudwatch.IWidget:
        # From the access log: metrics by route would be billed one by one.
        return cloudwatch.LogQueryWidget(
            title="Routes: requests, 5xx, latency",
            log_group_names=[self._sources.api.access_log.log_group_name],
            query_lines=[
                "stats count(*) as requests, sum(status >= 500) as failed, sum(status >= 400) as refused_or_failed,"
                " pct(latencyMs, 50) as p50, pct(latencyMs, 95) as p95 by route",
                "sort requests desc",
            ],
            view=cloudwatch.LogQueryVisualizationType.TABLE,
            width=24,
        )


def table_metric(table_name: str, metric_name: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/DynamoDB",
        metric_name=metric_name,
        dimensions_map={"TableName": table_name},
        statistic="Sum",
        period=PERIOD,
    )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.IWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=WIDTH)

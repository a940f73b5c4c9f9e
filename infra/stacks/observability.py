"""What customers would feel, as alarms, and one dashboard to look at when an alarm rings."""

from collections.abc import Sequence

from aws_cdk import Aws, CfnOutput, aws_budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.constructs.stage_stack import StageStack
from infra.stacks.api import ApiStack
from infra.stacks.backfill import BackfillStack
from infra.stacks.billing import BillingStack
from infra.stacks.dashboard import Dashboard, Sources
from infra.stacks.data import DataStack
from infra.stacks.ingestion import IngestionStack
from infra.stacks.migration import MigrationStack
from infra.stacks.watches import Watch, watches
from infra.stage import StageSettings


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
        sources = Sources(data, ingestion, api, billing, backfill, migration)
        alarms = [self._alarm(watch) for watch in watches(stage, sources)]
        if stage.notify:
            topic = self._notify(alarms)
            if stage.monthly_budget_dollars is not None:
                self._budget(topic, stage.monthly_budget_dollars)
        dashboard = Dashboard(self, "Dashboard", stage=stage, sources=sources, alarms=alarms)
        CfnOutput(self, "DashboardName", value=dashboard.dashboard_name, description="In CloudWatch, of this stage.")

    def _alarm(self, watch: Watch) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            watch.name,
            metric=watch.metric,
            threshold=watch.above,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=watch.periods,
            datapoints_to_alarm=watch.datapoints,
            treat_missing_data=watch.missing,
            alarm_description=f"Tollbooth {self._stage.name}: {watch.meaning} See {watch.page}",
        )

    def _notify(self, alarms: Sequence[cloudwatch.Alarm]) -> sns.Topic:
        topic = sns.Topic(self, "AlarmTopic", enforce_ssl=True)
        arns = [alarm.alarm_arn for alarm in alarms]
        topic.add_to_resource_policy(self._publishing(topic, "cloudwatch", {"ArnEquals": {"aws:SourceArn": arns}}))
        for address in self._stage.alarm_emails:
            topic.add_subscription(subscriptions.EmailSubscription(address))
        for alarm in alarms:
            alarm.add_alarm_action(actions.SnsAction(topic))
            alarm.add_ok_action(actions.SnsAction(topic))
        CfnOutput(self, "AlarmTopicArn", value=topic.topic_arn, description="Subscribe here people whom alarms wake.")
        return topic

    def _publishing(self, topic: sns.Topic, service: str, source: dict[str, dict[str, object]]) -> iam.PolicyStatement:
        """A topic with a policy of its own has lost the one by which alarms of its account may publish to it."""
        return iam.PolicyStatement(
            principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={"StringEquals": {"aws:SourceAccount": self.account}, **source},
        )

    def _budget(self, topic: sns.Topic, dollars: int) -> None:
        """Of the whole account: tags say whose a cost is only after somebody has activated them for billing."""
        budgets = f"arn:{Aws.PARTITION}:budgets::{self.account}:*"
        topic.add_to_resource_policy(self._publishing(topic, "budgets", {"ArnLike": {"aws:SourceArn": budgets}}))
        told = aws_budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=topic.topic_arn)
        budget = aws_budgets.CfnBudget(
            self,
            "Budget",
            budget=aws_budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=aws_budgets.CfnBudget.SpendProperty(amount=dollars, unit="USD"),
            ),
            notifications_with_subscribers=[
                aws_budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=aws_budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=100,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[told],
                )
                for kind in ("ACTUAL", "FORECASTED")
            ],
        )
        # With its policy, without which AWS refuses a budget that tells a topic.
        budget.node.add_dependency(topic)

"""Every failure a customer would feel rings."""

import re
from dataclasses import replace
from typing import Any

import pytest

from functions import names
from infra import stage
from infra.constructs import concurrency
from tests.infra.conftest import synthesized

PROMISED = {
    "ingest errors": ("AWS/Lambda", "Errors", "HttpIngest"),
    "server errors": ("AWS/ApiGateway", "5xx", "Api"),
    "latency": ("AWS/ApiGateway", "Latency", "Api"),
    "heartbeat": (names.METRIC_NAMESPACE, names.METRIC_HEARTBEAT_AGE, ""),
    "iterator age": ("AWS/Lambda", "IteratorAge", "StreamAggregate"),
    "rejects": (names.METRIC_NAMESPACE, names.METRIC_REJECTED, ""),
    "batches that wait": (names.METRIC_NAMESPACE, names.METRIC_FAILED_BATCHES, ""),
    "batches that are lost": ("AWS/Lambda", "DestinationDeliveryFailures", "StreamAggregate"),
    "sweep errors": ("AWS/Lambda", "Errors", "ScheduleSweep"),
    "lane lag": (names.METRIC_NAMESPACE, names.METRIC_LANE_LAG, ""),
    "room for groups": (names.METRIC_NAMESPACE, names.METRIC_GROUP_ROOM, ""),
    "audit differences": (names.METRIC_NAMESPACE, names.METRIC_AUDIT_DIFFERENCE, ""),
    "audit errors": ("AWS/Lambda", "Errors", "ScheduleAudit"),
    "billing run failures": ("AWS/States", "ExecutionsFailed", "BillingMachine"),
    "billing run timeouts": ("AWS/States", "ExecutionsTimedOut", "BillingMachine"),
    "billing schedule": ("AWS/Lambda", "Errors", "ScheduleBilling"),
    "customers not billed": (names.METRIC_NAMESPACE, names.METRIC_BILLING_FAILED, ""),
    "late usage": (names.METRIC_NAMESPACE, names.METRIC_BILLED_DIFFERENCE, ""),
    "reconciliation errors": ("AWS/Lambda", "Errors", "ScheduleReconcile"),
    "webhook failures": (names.METRIC_NAMESPACE, names.METRIC_WEBHOOK_FAILED, ""),
    "backfill failures": ("AWS/States", "ExecutionsFailed", "BackfillMachine"),
    "migration failures": ("AWS/States", "ExecutionsFailed", "MigrationMachine"),
    "entitlement backfill errors": ("AWS/Lambda", "Errors", "ScheduleEntitle"),
    "limits not kept": (names.METRIC_NAMESPACE, names.METRIC_LIMITER_FAILED, ""),
    "undelivered ticks": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Undelivered"),
}

# Why something rings: where somebody is woken.
CAUSES = {
    "ingest throttled": ("AWS/Lambda", "Throttles", "HttpIngest"),
    "API throttled": ("AWS/Lambda", "Throttles", "HttpApi"),
    "authorizer throttled": ("AWS/Lambda", "Throttles", "HttpAuthorize"),
    "counting throttled": ("AWS/Lambda", "Throttles", "StreamAggregate"),
    "usage table, reads": ("AWS/DynamoDB", "ReadThrottleEvents", "UsageTable"),
    "usage table, writes": ("AWS/DynamoDB", "WriteThrottleEvents", "UsageTable"),
    "billing table, reads": ("AWS/DynamoDB", "ReadThrottleEvents", "BillingTable"),
    "billing table, writes": ("AWS/DynamoDB", "WriteThrottleEvents", "BillingTable"),
    "stream, writes": ("AWS/Kinesis", "WriteProvisionedThroughputExceeded", "Stream"),
    "stream, reads": ("AWS/Kinesis", "ReadProvisionedThroughputExceeded", "Stream"),
    "concurrency": ("AWS/Lambda", "ClaimedAccountConcurrency", ""),
}


@pytest.fixture(scope="module")
def another_prod() -> Any:
    """It names whom it wakes, and knows neither what it may cost nor how much it may run at once."""
    settings = replace(stage.prod(), alarm_emails=("a@example.com", "b@example.com"))
    return synthesized(replace(settings, account_concurrency=None, monthly_budget_dollars=None))


def _watched(alarm: Any) -> tuple[str, str]:
    return alarm["Properties"]["Namespace"], alarm["Properties"]["MetricName"]


@pytest.mark.parametrize("promise", PROMISED)
def test_a_promised_alarm_exists(each_stage: Any, promise: str) -> None:
    assert _exists(each_stage, *PROMISED[promise])


@pytest.mark.parametrize("promise", CAUSES)
def test_causes_are_watched_where_somebody_is_woken(prod: Any, dev: Any, promise: str) -> None:
    assert _exists(prod, *CAUSES[promise])
    assert not _exists(dev, *CAUSES[promise])


def _exists(synthesized: Any, namespace: str, metric: str, of: str) -> bool:
    alarms = [
        each for each in synthesized.all("AWS::CloudWatch::Alarm").values() if _watched(each) == (namespace, metric)
    ]
    return any(of in str(each["Properties"].get("Dimensions")) for each in alarms)


def test_there_is_no_alarm_without_a_promise(each_stage: Any) -> None:
    causes = len(CAUSES) if each_stage.settings.notify else 0
    assert len(each_stage.all("AWS::CloudWatch::Alarm")) == len(PROMISED) + causes


def test_without_a_quota_nobody_knows_how_much_the_account_may_run(another_prod: Any) -> None:
    assert not _exists(another_prod, *CAUSES["concurrency"])
    assert _exists(another_prod, *CAUSES["API throttled"])


def test_the_account_rings_before_it_is_full(prod: Any) -> None:
    (claimed,) = [
        each["Properties"]["Threshold"]
        for each in prod.all("AWS::CloudWatch::Alarm").values()
        if each["Properties"]["MetricName"] == "ClaimedAccountConcurrency"
    ]
    reserved = sum(concurrency.reserved(prod.settings).values())
    assert reserved < claimed < prod.settings.account_concurrency


def test_usage_counted_more_than_five_minutes_late_rings(prod: Any) -> None:
    (age,) = [
        each["Properties"]
        for each in prod.all("AWS::CloudWatch::Alarm").values()
        if each["Properties"]["MetricName"] == "IteratorAge"
    ]
    assert (age["Threshold"], age["ComparisonOperator"], age["Statistic"]) == (
        300_000,
        "GreaterThanThreshold",
        "Maximum",
    )


def test_our_own_metrics_are_those_of_this_stage(each_stage: Any) -> None:
    alarms = [each["Properties"] for each in each_stage.all("AWS::CloudWatch::Alarm").values()]
    ours = [each for each in alarms if each["Namespace"] == names.METRIC_NAMESPACE]
    stage = {"Name": names.METRIC_DIMENSION, "Value": each_stage.settings.name}
    assert all(each["Dimensions"] == [stage] for each in ours)


def test_silence_is_an_alarm_of_every_function_that_a_schedule_calls(each_stage: Any) -> None:
    alarms = [each["Properties"] for each in each_stage.all("AWS::CloudWatch::Alarm").values()]
    breaching = [each for each in alarms if each["TreatMissingData"] != "notBreaching"]
    watched = {
        "ScheduleHeartbeat" if each["MetricName"] == names.METRIC_HEARTBEAT_AGE else _called(each["Dimensions"])
        for each in breaching
    }
    schedules = each_stage.all("AWS::Scheduler::Schedule").values()
    assert watched == {_called(each["Properties"]["Target"]["Arn"]) for each in schedules}


def _called(part: Any) -> str:
    """ScheduleSweep."""
    (name,) = set(re.findall(r"(Schedule[A-Z][a-z]+)[0-9A-F]{8}", str(part)))
    return str(name)


def test_prod_wakes_somebody_at_every_alarm(prod: Any, dev: Any) -> None:
    for each in prod.all("AWS::CloudWatch::Alarm").values():
        assert each["Properties"]["AlarmActions"] == each["Properties"]["OKActions"], (
            "who is woken hears when it is over"
        )
    assert not dev.all("AWS::SNS::Topic")


def test_alarms_of_the_account_may_publish_to_the_topic(prod: Any) -> None:
    """A policy replaces the default one, which would let them."""
    ((name, topic),) = prod.resources("observability", "AWS::SNS::Topic").items()
    ((_, policy),) = prod.resources("observability", "AWS::SNS::TopicPolicy").items()
    assert policy["Properties"]["Topics"] == [{"Ref": name}], topic
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    by_service = {each["Principal"]["Service"]: each for each in statements if each["Effect"] == "Allow"}
    assert by_service.keys() == {"cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
    allowed = by_service["cloudwatch.amazonaws.com"]
    assert (allowed["Action"], allowed["Resource"]) == ("sns:Publish", {"Ref": name})
    assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    alarms = prod.resources("observability", "AWS::CloudWatch::Alarm")
    sources = [each["Fn::GetAtt"] for each in allowed["Condition"]["ArnEquals"]["aws:SourceArn"]]
    assert sorted(sources) == sorted([alarm, "Arn"] for alarm in alarms)
    assert {"Ref": name} in [each["Value"] for each in prod.stacks["observability"]["Outputs"].values()]


def test_every_address_that_is_named_gets_a_mail(prod: Any, another_prod: Any) -> None:
    assert not prod.all("AWS::SNS::Subscription")
    mails = [each["Properties"] for each in another_prod.all("AWS::SNS::Subscription").values()]
    assert [(each["Protocol"], each["Endpoint"]) for each in mails] == [
        ("email", "a@example.com"),
        ("email", "b@example.com"),
    ]


def test_a_month_that_is_dearer_than_its_budget_is_told(prod: Any, dev: Any) -> None:
    ((_, budget),) = prod.resources("observability", "AWS::Budgets::Budget").items()
    assert budget["Properties"]["Budget"] == {
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": prod.settings.monthly_budget_dollars, "Unit": "USD"},
    }
    ((topic, _),) = prod.resources("observability", "AWS::SNS::Topic").items()
    ((policy_name, policy),) = prod.resources("observability", "AWS::SNS::TopicPolicy").items()
    told = budget["Properties"]["NotificationsWithSubscribers"]
    assert [each["Notification"]["NotificationType"] for each in told] == ["ACTUAL", "FORECASTED"]
    assert all(each["Subscribers"] == [{"SubscriptionType": "SNS", "Address": {"Ref": topic}}] for each in told)
    # "Your budget must have permissions to send a notification to your topic" (Creating an Amazon SNS topic for budget
    # notifications): AWS looks when the budget is made.
    assert policy_name in budget["DependsOn"]
    (allowed,) = [
        each
        for each in policy["Properties"]["PolicyDocument"]["Statement"]
        if each["Principal"] == {"Service": "budgets.amazonaws.com"}
    ]
    assert (allowed["Action"], allowed["Resource"]) == ("sns:Publish", {"Ref": topic})
    assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert "budgets::" in str(allowed["Condition"]["ArnLike"]["aws:SourceArn"])
    assert not dev.all("AWS::Budgets::Budget")


def test_without_a_budget_nothing_is_told_of_it(another_prod: Any) -> None:
    assert not another_prod.all("AWS::Budgets::Budget")
    (policy,) = another_prod.all("AWS::SNS::TopicPolicy").values()
    assert "budgets" not in str(policy)

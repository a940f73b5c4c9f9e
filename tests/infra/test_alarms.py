"""Every failure a customer would feel rings."""

from dataclasses import replace
from typing import Any

import pytest

from functions import names
from infra import stage
from tests.infra.conftest import synthesized

PROMISED = {
    "ingest errors": ("AWS/Lambda", "Errors", "HttpIngest"),
    "server errors": ("AWS/ApiGateway", "5xx", "Api"),
    "iterator age": ("AWS/Lambda", "IteratorAge", "StreamAggregate"),
    "rejects": (names.METRIC_NAMESPACE, names.METRIC_REJECTED, ""),
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
    "limits not kept": (names.METRIC_NAMESPACE, names.METRIC_LIMITER_FAILED, ""),
    "undelivered ticks": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Undelivered"),
}


def _watched(alarm: Any) -> tuple[str, str]:
    return alarm["Properties"]["Namespace"], alarm["Properties"]["MetricName"]


@pytest.mark.parametrize("promise", PROMISED)
def test_a_promised_alarm_exists(each_stage: Any, promise: str) -> None:
    namespace, metric, of = PROMISED[promise]
    alarms = [
        each for each in each_stage.all("AWS::CloudWatch::Alarm").values() if _watched(each) == (namespace, metric)
    ]
    assert [each for each in alarms if of in str(each["Properties"]["Dimensions"])]


def test_there_is_no_alarm_without_a_promise(each_stage: Any) -> None:
    assert len(each_stage.all("AWS::CloudWatch::Alarm")) == len(PROMISED)


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


def test_silence_is_not_an_alarm(each_stage: Any) -> None:
    alarms = each_stage.all("AWS::CloudWatch::Alarm").values()
    assert {each["Properties"]["TreatMissingData"] for each in alarms} == {"notBreaching"}


def test_prod_wakes_somebody_at_every_alarm(prod: Any, dev: Any) -> None:
    assert all(each["Properties"]["AlarmActions"] for each in prod.all("AWS::CloudWatch::Alarm").values())
    assert not dev.all("AWS::SNS::Topic")


def test_alarms_of_the_account_may_publish_to_the_topic(prod: Any) -> None:
    """A policy replaces the default one, which would let them."""
    ((name, topic),) = prod.resources("observability", "AWS::SNS::Topic").items()
    ((_, policy),) = prod.resources("observability", "AWS::SNS::TopicPolicy").items()
    assert policy["Properties"]["Topics"] == [{"Ref": name}], topic
    (allowed,) = [each for each in policy["Properties"]["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert (allowed["Action"], allowed["Resource"]) == ("sns:Publish", {"Ref": name})
    assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    alarms = prod.resources("observability", "AWS::CloudWatch::Alarm")
    sources = [each["Fn::GetAtt"] for each in allowed["Condition"]["ArnEquals"]["aws:SourceArn"]]
    assert sorted(sources) == sorted([alarm, "Arn"] for alarm in alarms)
    assert {"Ref": name} in [each["Value"] for each in prod.stacks["observability"]["Outputs"].values()]


def test_whoever_is_named_gets_a_mail(prod: Any) -> None:
    assert not prod.all("AWS::SNS::Subscription")
    woken = synthesized(replace(stage.prod(), alarm_emails=("a@example.com", "b@example.com")))
    mails = [each["Properties"] for each in woken.all("AWS::SNS::Subscription").values()]
    assert [(each["Protocol"], each["Endpoint"]) for each in mails] == [
        ("email", "a@example.com"),
        ("email", "b@example.com"),
    ]

"""The dashboard shows what an operator asks first, of this stage, and costs nothing while nobody looks."""

import json
import re
from typing import Any

import pytest

from functions import names

SHOWN = {
    "ingest calls": ("AWS/Lambda", "Invocations"),
    "ingest errors": ("AWS/Lambda", "Errors"),
    "iterator age": ("AWS/Lambda", "IteratorAge"),
    "accepted": (names.METRIC_NAMESPACE, names.METRIC_ACCEPTED),
    "duplicates": (names.METRIC_NAMESPACE, names.METRIC_DUPLICATE),
    "rejected": (names.METRIC_NAMESPACE, names.METRIC_REJECTED),
    "heartbeat": (names.METRIC_NAMESPACE, names.METRIC_HEARTBEAT_AGE),
    "lane lag": (names.METRIC_NAMESPACE, names.METRIC_LANE_LAG),
    "latency": ("AWS/ApiGateway", "Latency"),
    "failed requests": ("AWS/ApiGateway", "5xx"),
    "billing runs": ("AWS/States", "ExecutionsStarted"),
    "billing run failures": ("AWS/States", "ExecutionsFailed"),
    "webhook failures": (names.METRIC_NAMESPACE, names.METRIC_WEBHOOK_FAILED),
    "read throttles": ("AWS/DynamoDB", "ReadThrottleEvents"),
    "write throttles": ("AWS/DynamoDB", "WriteThrottleEvents"),
    "archive": ("AWS/Athena", "ProcessedBytes"),
}


def widgets(synthesized: Any) -> list[dict[str, Any]]:
    """The body with every reference to another stack as one word."""
    (board,) = synthesized.all("AWS::CloudWatch::Dashboard").values()
    parts = board["Properties"]["DashboardBody"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "reference" for part in parts)
    found: list[dict[str, Any]] = json.loads(text)["widgets"]
    return found


@pytest.mark.parametrize("what", SHOWN)
def test_a_question_of_the_operator_has_a_graph(each_stage: Any, what: str) -> None:
    namespace, name = SHOWN[what]
    metrics = [metric for widget in widgets(each_stage) for metric in widget["properties"].get("metrics", [])]
    assert [metric for metric in metrics if metric[:2] == [namespace, name]]


def test_own_metrics_are_those_of_the_stage(each_stage: Any) -> None:
    metrics = [metric for widget in widgets(each_stage) for metric in widget["properties"].get("metrics", [])]
    ours = [metric[2:4] for metric in metrics if metric[0] == names.METRIC_NAMESPACE]
    assert ours
    assert all(each == [names.METRIC_DIMENSION, each_stage.settings.name] for each in ours)


def test_routes_come_from_the_access_log(prod: Any) -> None:
    (query,) = [each["properties"]["query"] for each in widgets(prod) if each["type"] == "log"]
    assert re.search(r"by route", query)


def test_every_alarm_is_on_it(prod: Any) -> None:
    (status,) = [each for each in widgets(prod) if each["type"] == "alarm"]
    assert len(status["properties"]["alarms"]) == len(prod.all("AWS::CloudWatch::Alarm"))


def test_one_dashboard_is_within_the_three_that_are_free(prod: Any) -> None:
    assert len(prod.all("AWS::CloudWatch::Dashboard")) == 1

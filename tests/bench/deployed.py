"""What is deployed, read from the synthesized templates, so that no figure here can differ from the stacks."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import App, Stack
from aws_cdk.assertions import Template

from functions import names
from infra.service import Service
from infra.stacks.api import ACCESS_LOG_FIELDS
from infra.stage import StageSettings, dev
from infra.standing import Standing, standing_of

# CloudWatch Logs adds this to every line.
LINE_OVERHEAD_BYTES = 26
# A value as API Gateway fills it in, for fields whose length matters.
SAMPLE_VALUES = {
    "requestId": "JKJaXmPLvHcESHA=",
    "at": "21/Sep/2026:14:13:20 +0000",
    "route": "POST /api/v1/events",
    "status": "204",
    "sourceIp": "203.0.113.195",
    "tenant": names.DEFAULT_TENANT,
    "keyId": "01K5Q3M8ZJ4T6V9X2B7C0D1E2F",
    "authorizerError": "-",
    "latencyMs": "23",
    "bytes": "0",
    "error": "-",
}


@dataclass(frozen=True)
class Deployed:
    memory_mb: Mapping[str, int]
    standing: Standing
    schedules_per_hour: Mapping[str, float]
    access_log_bytes: int
    throttles: Mapping[str, float]  # requests a second that the gateway lets through, by route; "" is every other route


def read(stage: StageSettings) -> Deployed:
    # No asset is built for this: only the templates are read.
    service = Service(App(context={"aws:cdk:bundling-stacks": []}), stage)
    resources = [one for stack in service.node.find_all() if isinstance(stack, Stack) for one in _resources(stack)]

    def of(kind: str) -> list[dict[str, Any]]:
        return [one["Properties"] for one in resources if one["Type"] == f"AWS::{kind}"]

    functions = {one["Handler"].split(".")[-2]: one for one in of("Lambda::Function") if "functions." in one["Handler"]}
    line = {name: SAMPLE_VALUES[name] for name in ACCESS_LOG_FIELDS}
    return Deployed(
        memory_mb={name: one["MemorySize"] for name, one in functions.items()},
        standing=standing_of(resources),
        schedules_per_hour={one["Description"].split()[-1]: _per_hour(one) for one in of("Scheduler::Schedule")},
        throttles=_throttles(*of("ApiGatewayV2::Stage")),
        access_log_bytes=len(json.dumps(line, separators=(",", ":"))) + LINE_OVERHEAD_BYTES,
    )


def read_dev() -> Deployed:
    return read(dev())


def _resources(stack: Stack) -> Iterable[dict[str, Any]]:
    resources: dict[str, dict[str, Any]] = Template.from_stack(stack).to_json().get("Resources", {})
    return resources.values()


def _throttles(door: Mapping[str, Any]) -> dict[str, float]:
    settings = {"": door["DefaultRouteSettings"], **door["RouteSettings"]}
    return {route: float(each["ThrottlingRateLimit"]) for route, each in settings.items()}


def _per_hour(schedule: Mapping[str, Any]) -> float:
    """rate(5 minutes) -> 12."""
    amount, unit = schedule["ScheduleExpression"].removeprefix("rate(").removesuffix(")").split()
    return float(60 / int(amount)) if unit.startswith("minute") else 1 / int(amount)

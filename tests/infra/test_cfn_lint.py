"""cfn-lint over the templates of the stages that are deployed: CloudFormation's schemas before CloudFormation looks."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from cfnlint.core import get_rules

from tests.infra.deployed import Template, planted

REGIONS = ["us-east-1"]


@dataclass(frozen=True)
class Acknowledged:
    """One kind of finding we live with: the rule, where in a template, what it says, and why."""

    rule: str
    path: str
    message: str
    reason: str


ACKNOWLEDGED = (
    Acknowledged(
        "W3005",
        r"Resources/\w+/DependsOn/\d+",
        r"'\w+Role[0-9A-F]{8}' dependency already enforced by a 'GetAtt' at '[\w/]+/(Role|RoleArn)'",
        "CDK lets every user of a role wait for all of it; what is said twice is the role beside its policy.",
    ),
    Acknowledged(
        "W3005",
        r"Resources/Budget/DependsOn/\d+",
        r"'AlarmTopic\w*' dependency already enforced by a 'Ref' at '[\w/]+/Address'",
        "The budget waits for the topic's policy, and CDK lets it wait for the topic beside it.",
    ),
)


@cache
def rules() -> Any:
    return get_rules([], [], [])


def findings(template: Template) -> Iterator[tuple[str, str, str]]:
    """(rule, path, message) of every error and warning."""
    for match in lint(json.dumps(template), rules(), config=ManualArgs(regions=REGIONS)):
        yield match.rule.id, match.path_string, match.message


def is_acknowledged(finding: tuple[str, str, str], one: Acknowledged) -> bool:
    rule, path, message = finding
    return rule == one.rule and bool(re.fullmatch(one.path, path) and re.match(one.message, message))


def unacknowledged(template: Template) -> list[tuple[str, str, str]]:
    return [each for each in findings(template) if not any(is_acknowledged(each, one) for one in ACKNOWLEDGED)]


STACKS = ("data", "ingestion", "billing", "backfill", "migration", "api", "observability")


@pytest.mark.parametrize("stack", STACKS)
def test_no_template_has_an_unexplained_finding(dev: Any, prod: Any, stack: str) -> None:
    assert unacknowledged(prod.stacks[stack]) == []
    assert unacknowledged(dev.stacks[stack]) == []


def test_every_stack_is_looked_at(dev: Any, prod: Any) -> None:
    assert set(dev.stacks) == set(prod.stacks) == set(STACKS)


def test_every_acknowledgement_is_needed_and_says_why(prod: Any) -> None:
    found = [each for stack in ("backfill", "observability") for each in findings(prod.stacks[stack])]
    for one in ACKNOWLEDGED:
        assert any(is_acknowledged(each, one) for each in found), one
        assert len(one.reason) > 30 and one.reason.endswith(".")


def unknown_property(resources: Mapping[str, Any]) -> None:
    _first(resources, "AWS::Lambda::Function")["MemorySise"] = 512


def reference_to_nothing(resources: Mapping[str, Any]) -> None:
    _first(resources, "AWS::Lambda::Function")["Role"] = {"Fn::GetAtt": ["NobodysRole", "Arn"]}


def unknown_action(resources: Mapping[str, Any]) -> None:
    statements = _first(resources, "AWS::IAM::Policy")["PolicyDocument"]["Statement"]
    statements[0]["Action"] = "dynamodb:GetItems"


def state_without_end(resources: Mapping[str, Any]) -> None:
    """It sees through the text of a definition, as long as the CDK writes it as one."""
    machine = _first(resources, "AWS::StepFunctions::StateMachine")
    definition = json.loads(machine["DefinitionString"])
    del definition["States"]["Filled"]["End"]
    machine["DefinitionString"] = json.dumps(definition)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (unknown_property, "E3002"),
        (reference_to_nothing, "E1010"),
        (unknown_action, "W3037"),
        (state_without_end, "E3601"),
    ],
)
def test_a_planted_fault_is_found(prod: Any, fault: Callable[[Any], None], rule: str) -> None:
    assert rule in {found for found, _, _ in unacknowledged(planted(prod.stacks["backfill"], fault))}


def _first(resources: Mapping[str, Any], kind: str) -> Any:
    return next(each["Properties"] for each in resources.values() if each["Type"] == kind)

"""Every policy of the stages that are deployed, against AWS's list of actions; findings we live with say why."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest

from infra.nag import MACHINES, WITHOUT_MAP
from tests.infra.conftest import synthesize
from tests.infra.deployed import Deployment, planted
from tests.infra.iam_lint import Finding, findings


@dataclass(frozen=True)
class Acknowledged:
    """Findings we live with: `policy` and `what` may have wildcards, for the hash of a name and for one list of CDK."""

    stack: str
    policy: str
    rule: str
    what: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        return (
            (finding.stack, finding.rule) == (self.stack, self.rule)
            and fnmatchcase(finding.policy, self.policy)
            and fnmatchcase(finding.what, self.what)
        )


def acknowledged() -> Iterator[Acknowledged]:
    for machine in (*MACHINES, *WITHOUT_MAP):
        yield Acknowledged(
            machine,
            f"{machine.capitalize()}RoleDefaultPolicy*",
            "wildcard resource",
            "logs:*",
            "AWS offers log delivery, and the resource policies that go with it, on all resources only.",
        )
    for machine in MACHINES:
        yield Acknowledged(
            machine,
            f"{machine.capitalize()}DistributedMap*",
            "names no resource of its type",
            "states:DescribeExecution express",
            "Its executions are standard ones; an execution is either that or express.",
        )
    yield Acknowledged(
        "billing",
        "ScheduleBillingRoleDefaultPolicy*",
        "names no resource of its type",
        "states:DescribeExecution express",
        "Its executions are standard ones; an execution is either that or express.",
    )
    aggregate = "StreamAggregateRoleDefaultPolicy*"
    yield Acknowledged(
        "ingestion",
        aggregate,
        "has no resource, so that it needs *",
        "kinesis:ListStreams",
        "CDK grants it with the event source; it has no effect, and Lambda knows which stream it reads.",
    )
    for action in ("kinesis:SubscribeToShard", "kinesis:DescribeStreamConsumer"):
        yield Acknowledged(
            "ingestion",
            aggregate,
            "names no resource of its type",
            f"{action} consumer",
            "CDK grants it with the event source; it has no effect, and no consumer with a share of its own is there.",
        )
    yield Acknowledged(
        "data",
        "ArchivePolicy*",
        "only denies",
        "AWS::S3::BucketPolicy",
        "Every user of the archive is a role of this account, and its own policy is what lets it.",
    )
    yield Acknowledged(
        "ingestion",
        "UndeliveredPolicy*",
        "only denies",
        "AWS::SQS::QueuePolicy",
        "The Scheduler sends with the role of a schedule, and that role's policy is what lets it.",
    )


@pytest.fixture(scope="module", params=["dev", "prod"])
def found(request: pytest.FixtureRequest) -> set[Finding]:
    return findings(Deployment(synthesize(request.param).stacks).policies())


def unacknowledged(found: set[Finding]) -> set[Finding]:
    return {each for each in found if not any(one.covers(each) for one in acknowledged())}


def test_no_policy_has_an_unexplained_finding(found: set[Finding]) -> None:
    assert unacknowledged(found) == set()


def test_every_acknowledgement_is_needed_and_says_why(found: set[Finding]) -> None:
    for one in acknowledged():
        assert any(one.covers(each) for each in found), one
        assert len(one.reason) > 30 and one.reason.endswith(".")


Change = Callable[[Any], None]


def statement(**change: Any) -> Change:
    """Another first statement of the first role's policy, which lets a function of the API log."""

    def apply(resources: Mapping[str, Any]) -> None:
        policy = next(each for each in resources.values() if each["Type"] == "AWS::IAM::Policy")
        policy["Properties"]["PolicyDocument"]["Statement"][0] = {"Effect": "Allow", **change}

    return apply


def trust(resources: Mapping[str, Any]) -> None:
    role = next(each for each in resources.values() if each["Type"] == "AWS::IAM::Role")
    only = role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    only["Condition"] = {"StringEquals": {"aws:SourceAcount": {"Ref": "AWS::AccountId"}}}


TABLE = "arn:aws:dynamodb:us-east-1:111122223333:table/UsageTable"
OF_TENANT = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["acme#*"]}}
FAULTS = {
    "an action that is not there": (
        statement(Action="dynamodb:GetItems", Resource=TABLE),
        ("unknown action", "dynamodb:GetItems"),
    ),
    "a call of the API that is no action": (
        statement(Action="dynamodb:TransactWriteItems", Resource=TABLE),
        ("unknown action", "dynamodb:TransactWriteItems"),
    ),
    "a service that is not there": (
        statement(Action="dynamo:GetItem", Resource=TABLE),
        ("unknown action", "dynamo:GetItem"),
    ),
    "an action of buckets on an object": (
        statement(Action="s3:ListBucket", Resource="arn:aws:s3:::archive/archive/*"),
        ("names no resource of its type", "s3:ListBucket accesspoint, bucket"),
    ),
    "an action of objects on a bucket": (
        statement(Action="s3:GetObject", Resource="arn:aws:s3:::archive"),
        ("names no resource of its type", "s3:GetObject accesspointobject, object"),
    ),
    "partitions without their database and catalogue": (
        statement(Action="glue:GetPartitions", Resource="arn:aws:glue:us-east-1:111122223333:table/db/lines"),
        ("names no resource of its type", "glue:GetPartitions database, rootcatalog"),
    ),
    "an action without a resource on one": (
        statement(Action="kinesis:ListStreams", Resource="arn:aws:kinesis:us-east-1:111122223333:stream/s"),
        ("has no resource, so that it needs *", "kinesis:ListStreams"),
    ),
    "a wildcard in an action": (
        statement(Action="dynamodb:*Item", Resource=TABLE),
        ("wildcard action", "dynamodb:*Item"),
    ),
    "every resource": (statement(Action="dynamodb:GetItem", Resource="*"), ("wildcard resource", "dynamodb:GetItem")),
    "every table": (
        statement(Action="dynamodb:GetItem", Resource=TABLE.replace("UsageTable", "*")),
        ("wildcard resource", "dynamodb:GetItem"),
    ),
    "a table of any account": (
        statement(Action="dynamodb:GetItem", Resource=TABLE.replace("111122223333", "*")),
        ("wildcard resource", "dynamodb:GetItem"),
    ),
    "a misspelt condition key": (
        statement(
            Action="dynamodb:GetItem", Resource=TABLE, Condition={"StringLike": {"dynamodb:LeadingKey": ["acme#*"]}}
        ),
        ("unknown condition key", "dynamodb:GetItem dynamodb:LeadingKey"),
    ),
    "a condition key that the action does not know": (
        statement(Action="dynamodb:DescribeTable", Resource=TABLE, Condition=OF_TENANT),
        ("unknown condition key", "dynamodb:DescribeTable dynamodb:LeadingKeys"),
    ),
    "a condition on one of many values": (
        statement(
            Action="dynamodb:GetItem", Resource=TABLE, Condition={"StringLike": {"dynamodb:LeadingKeys": ["acme#*"]}}
        ),
        ("operator does not fit the key", "StringLike dynamodb:LeadingKeys"),
    ),
    "a misspelt key of all services": (trust, ("unknown condition key", "sts:AssumeRole aws:SourceAcount")),
}


def found_in(stacks: Mapping[str, Any], stack: str, fault: Change) -> set[tuple[str, str]]:
    templates = {**stacks, stack: planted(stacks[stack], fault)}
    return {(each.rule, each.what) for each in unacknowledged(findings(Deployment(templates).policies()))}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(prod: Any, name: str) -> None:
    fault, expected = FAULTS[name]

    assert found_in(prod.stacks, "api", fault) == {expected}


def test_a_topic_to_which_nobody_may_publish_is_found(prod: Any) -> None:
    """As the topic of the alarms once was: its policy replaces the one by which alarms of the account may."""

    def only_denying(resources: Mapping[str, Any]) -> None:
        (policy,) = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::SNS::TopicPolicy"]
        document = policy["PolicyDocument"]
        document["Statement"] = [each for each in document["Statement"] if each["Effect"] == "Deny"]

    assert found_in(prod.stacks, "observability", only_denying) == {("only denies", "AWS::SNS::TopicPolicy")}


def test_what_is_right_is_not_found(prod: Any) -> None:
    right = statement(Action=["dynamodb:GetItem", "dynamodb:Query"], Resource=TABLE, Condition=OF_TENANT)

    assert found_in(prod.stacks, "api", right) == set()

"""Templates as they would be in an account: intrinsic functions become texts, policies become statements.

Physical names are logical ids, so that an ARN says which resource is meant.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Template = Mapping[str, Any]

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "111122223333",
}
ARNS = {
    "AWS::CloudWatch::Alarm": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:{}",
    "AWS::DynamoDB::GlobalTable": "arn:aws:dynamodb:us-east-1:111122223333:table/{}",
    "AWS::IAM::Role": "arn:aws:iam::111122223333:role/{}",
    "AWS::Kinesis::Stream": "arn:aws:kinesis:us-east-1:111122223333:stream/{}",
    "AWS::Lambda::Function": "arn:aws:lambda:us-east-1:111122223333:function:{}",
    "AWS::Logs::LogGroup": "arn:aws:logs:us-east-1:111122223333:log-group:{}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::SNS::Topic": "arn:aws:sns:us-east-1:111122223333:{}",
    "AWS::SQS::Queue": "arn:aws:sqs:us-east-1:111122223333:{}",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:{}-AbCdEf",
    "AWS::StepFunctions::StateMachine": "arn:aws:states:us-east-1:111122223333:stateMachine:{}",
}
REF_IS_ARN = {"AWS::SNS::Topic", "AWS::SecretsManager::Secret", "AWS::StepFunctions::StateMachine"}
ARN_ATTRIBUTES = {"Arn", "Id"}

IDENTITY, TRUST = "identity", "trust"
RESOURCE_POLICIES = {"AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"}


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, with its intrinsic functions resolved and its lists as tuples."""

    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    # operator -> key -> values
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Policy:
    """`kind` is IDENTITY, TRUST or the CloudFormation type of a resource policy; `roles` are who has it."""

    stack: str
    name: str
    kind: str
    roles: tuple[str, ...]
    statements: tuple[Statement, ...]


class Deployment:
    """The templates of one stage, by the lifetime that names the stack."""

    def __init__(self, stacks: Mapping[str, Template]) -> None:
        self.stacks = stacks
        self._exports = {
            each["Export"]["Name"]: (stack, each["Value"])
            for stack, template in stacks.items()
            for each in template.get("Outputs", {}).values()
            if "Export" in each
        }

    def resources(self, kind: str) -> Iterator[tuple[str, str, Any]]:
        """(stack, logical id, properties) of every resource of a CloudFormation type."""
        for stack, template in self.stacks.items():
            for name, each in template["Resources"].items():
                if each["Type"] == kind:
                    yield stack, name, each["Properties"]

    def text(self, stack: str, value: Any) -> str:
        """What CloudFormation would make of a value; KeyError for a function that is not known here."""
        if not isinstance(value, dict):
            return str(value)
        ((function, argument),) = value.items()
        match function:
            case "Ref":
                return self._ref(stack, argument)
            case "Fn::GetAtt":
                return self._attribute(stack, *argument)
            case "Fn::Join":
                separator, parts = argument
                return str(separator).join(self.text(stack, part) for part in parts)
            case "Fn::ImportValue":
                return self.text(*self._exports[argument])
        raise KeyError(f"{function} in {stack}")

    def policies(self) -> Iterator[Policy]:
        for stack, name, properties in self.resources("AWS::IAM::Policy"):
            roles = tuple(each["Ref"] for each in properties["Roles"])
            yield self._policy(stack, name, IDENTITY, properties["PolicyDocument"], roles)
        for stack, name, properties in self.resources("AWS::IAM::Role"):
            yield self._policy(stack, name, TRUST, properties["AssumeRolePolicyDocument"], (name,))
        for kind in sorted(RESOURCE_POLICIES):
            for stack, name, properties in self.resources(kind):
                yield self._policy(stack, name, kind, properties["PolicyDocument"])

    def _ref(self, stack: str, name: str) -> str:
        if name in PSEUDO:
            return PSEUDO[name]
        kind = self.stacks[stack]["Resources"][name]["Type"]
        return ARNS[kind].format(name) if kind in REF_IS_ARN else name

    def _attribute(self, stack: str, name: str, attribute: str) -> str:
        if attribute in ARN_ATTRIBUTES:
            return ARNS[self.stacks[stack]["Resources"][name]["Type"]].format(name)
        return name if attribute == "Name" else f"{name}.{attribute}"

    def _policy(self, stack: str, name: str, kind: str, document: Any, roles: tuple[str, ...] = ()) -> Policy:
        statements = tuple(self._statement(stack, each) for each in _list(document["Statement"]))
        return Policy(stack, name, kind, roles, statements)

    def _statement(self, stack: str, statement: Any) -> Statement:
        unknown = statement.keys() - {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
        assert not unknown, f"{unknown} in {stack}: teach the readers of statements what they mean."
        conditions = {
            operator: {key: self._texts(stack, values) for key, values in keys.items()}
            for operator, keys in statement.get("Condition", {}).items()
        }
        return Statement(
            statement["Effect"],
            self._texts(stack, statement["Action"]),
            self._texts(stack, statement.get("Resource", [])),
            conditions,
        )

    def _texts(self, stack: str, values: Any) -> tuple[str, ...]:
        return tuple(self.text(stack, value) for value in _list(values))


def planted(template: Template, fault: Callable[[Any], None]) -> Template:
    """A copy of a template with a fault in its resources."""
    copy = deepcopy(dict(template))
    fault(copy["Resources"])
    return copy


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

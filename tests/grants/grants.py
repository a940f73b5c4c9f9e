"""Whether a function of prod may do what it needs: its role's policy, evaluated as IAM does.

"Policy evaluation logic", IAM User Guide: a Deny that applies refuses, else an Allow that applies grants, else it is
refused. "Set operators for multi-valued context keys": ForAllValues holds for no value, ForAnyValue does not.
The snapshots are the templates of prod, word for word (tests/infra/test_snapshots.py); reading them takes no Node.
"""

import json
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from functions import names
from tests.grants.runtime.needs import Need
from tests.infra.deployed import ARNS, IDENTITY, Deployment, Statement
from tests.infra.test_snapshots import SNAPSHOTS

# (function, action, pattern of resources): one verb of a statement that allows something.
Grant = tuple[str, str, str]

COMPARISONS = {
    "StringEquals": lambda value, pattern: value == pattern,
    "StringLike": fnmatchcase,
}
QUANTIFIERS = {"ForAllValues": all, "ForAnyValue": any}
LEADING_KEYS = "dynamodb:LeadingKeys"
NAMED_BY_NAME = ("AWS::DynamoDB::GlobalTable", "AWS::Kinesis::Stream", "AWS::S3::Bucket")
MACHINE, EXECUTION = ":stateMachine:", ":execution:"
WORKGROUP = "arn:aws:athena:us-east-1:111122223333:workgroup/{}"


class Grants:
    """What every function of a deployment may do, and what its variables name."""

    def __init__(self, deployment: Deployment) -> None:
        arns = {name: ARNS[kind].format(name) for kind in NAMED_BY_NAME for _, name, _ in deployment.resources(kind)}
        workgroups = [each["Name"] for _, _, each in deployment.resources("AWS::Athena::WorkGroup")]
        arns |= {name: WORKGROUP.format(name) for name in workgroups}
        handlers = {path: function for function, (_, path) in names.HANDLERS.items()}
        self.statements: dict[str, list[Statement]] = {}
        self._places: dict[str, dict[str, str]] = {}
        for stack, _, properties in deployment.resources("AWS::Lambda::Function"):
            function = handlers[properties["Handler"]]
            role = properties["Role"]["Fn::GetAtt"][0]
            self.statements[function] = [
                statement
                for policy in deployment.policies()
                if policy.kind == IDENTITY and policy.stack == stack and role in policy.roles
                for statement in policy.statements
            ]
            told = properties["Environment"]["Variables"].items()
            texts = {variable: deployment.text(stack, value) for variable, value in told}
            self._places[function] = {variable: arns.get(text, text) for variable, text in texts.items()}

    def __iter__(self) -> Iterator[Grant]:
        for function, statements in self.statements.items():
            for each in statements:
                if each.effect == "Allow":
                    yield from ((function, action, pattern) for action in each.actions for pattern in each.resources)

    def variables(self) -> set[str]:
        """Those that name a resource."""
        return {name for told in self._places.values() for name, arn in told.items() if arn.startswith("arn:")}

    def granting(self, function: str, need: Need) -> set[Grant]:
        """What allows it; nothing when it is refused."""
        variable, _, path = need.resource.partition("/")
        arn = _of(self._places[function].get(variable, ""), path)
        found = set()
        for statement in self.statements[function]:
            patterns = [pattern for pattern in statement.resources if fnmatchcase(arn, pattern)]
            if patterns and need.action in statement.actions and _applies(statement, need.keys):
                if statement.effect == "Deny":
                    return set()
                found |= {(function, need.action, pattern) for pattern in patterns}
        return found


def _of(arn: str, path: str) -> str:
    """An object of a bucket, an execution of a state machine; without a path the resource itself."""
    if path and MACHINE in arn:
        return f"{arn.replace(MACHINE, EXECUTION)}:{path}"
    return f"{arn}/{path}" if path else arn


def _applies(statement: Statement, keys: tuple[str, ...]) -> bool:
    """Whether all conditions hold; KeyError for one that is not known here."""
    return all(
        _holds(operator, {LEADING_KEYS: keys}[key], patterns)
        for operator, wanted in statement.conditions.items()
        for key, patterns in wanted.items()
    )


def _holds(operator: str, values: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    quantifier, _, comparison = operator.partition(":")
    is_met = COMPARISONS[comparison]
    return QUANTIFIERS[quantifier](any(is_met(value, pattern) for pattern in patterns) for value in values)


def stored_prod() -> dict[str, Any]:
    return {file.stem: json.loads(file.read_text()) for file in SNAPSHOTS.glob("*.json")}


@cache
def of_prod() -> Grants:
    return Grants(Deployment(stored_prod()))


used: set[Grant] = set()  # of this process


def refusal(function: str, need: Need) -> str:
    """Why prod would not let a function do what it needs, in words; empty if it would, and then the grant is used."""
    granting = of_prod().granting(function, need)
    used.update(granting)
    if granting:
        return ""
    keys = f" with the partition keys {', '.join(sorted(set(need.keys)))}" if need.keys else ""
    return f"{function} needs {need.action} on {need.resource}{keys}, and its policy in prod does not let it."


def save_used(folder: Path) -> None:
    (folder / f"{os.getpid()}.json").write_text(json.dumps(sorted(used)))

"""One resource, what a function may do with it, and the variable that tells the function where it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aws_cdk import aws_iam as iam


@dataclass(frozen=True)
class Access:
    """The verbs a function may use on a resource, and the environment variable that names the resource."""

    statements: tuple[iam.PolicyStatement, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Resource:
    """Something functions use: its ARN for permissions, its variable and value for the environment."""

    arn: str
    variable: str
    value: str
    has_key_conditions: bool = True
    # Actions the emulator asks on * beside the real ones: action asked -> action that stands for it in the table.
    also_on_all: Mapping[str, str] = field(default_factory=dict)

    def allows(self, *actions: str, under: Iterable[str] = (), only_keys: Iterable[str] = ()) -> Access:
        """`under` narrows to object prefixes of a bucket, `only_keys` to partition keys of a table."""
        resources = [f"{self.arn}/{prefix}" for prefix in under] or [self.arn]
        keys = list(only_keys)
        conditions = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": keys}}
        narrowed = conditions if keys and self.has_key_conditions else None
        statements = [iam.PolicyStatement(actions=list(actions), resources=resources, conditions=narrowed)]
        asked = sorted(extra for extra, stands_for in self.also_on_all.items() if stands_for in actions)
        if asked:
            statements.append(iam.PolicyStatement(actions=asked, resources=["*"]))
        return Access(tuple(statements), {self.variable: self.value})

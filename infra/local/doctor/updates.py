"""What AWS or our own bootstrap would refuse of an update, told from the templates the stacks were deployed with."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.local.doctor.account import Account, Check
from infra.local.doctor.finding import Finding, fails, ok
from infra.local.doctor.plan import Plan

STREAM, TABLE, GENESIS = "AWS::Kinesis::Stream", "AWS::DynamoDB::GlobalTable", "AWS::CloudFormation::CustomResource"
# "Scale up to more than double your current shard count for a stream. Scale down below half" (Kinesis API reference,
# UpdateShardCount, what it cannot do).
MOST_TIMES = 2

Template = Mapping[str, Any]


def deployed(account: Account, stack: str) -> Template:
    """CloudFormation gives JSON as it was written or already read."""
    body = account.client("cloudformation").get_template(StackName=stack)["TemplateBody"]
    found: Template = json.loads(body) if isinstance(body, str) else body
    return found


def judge(before: Template, after: Template) -> Iterator[Finding]:
    """What is in both, and may not change from the one to the other."""
    for name in before.get("Resources", {}).keys() & after["Resources"].keys():
        old, new = before["Resources"][name], after["Resources"][name]
        if old["Type"] == new["Type"] and new["Type"] in _JUDGES:
            yield from _JUDGES[new["Type"]](old.get("Properties", {}), new.get("Properties", {}))


def _shards(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Finding]:
    has, asked = int(old.get("ShardCount", 0)), int(new.get("ShardCount", 0))
    if has and asked and not has <= MOST_TIMES * asked <= MOST_TIMES * MOST_TIMES * has:
        yield fails(
            f"The stream has {has} shards and would get {asked}: Kinesis takes at most twice or half at once.",
            "Go there in steps: set `events_per_second` of stages.toml to twice or half of what it was, deploy, "
            "and again (ten times a day).",
        )


def _warmth(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Finding]:
    for name, has in old.get("WarmThroughput", {}).items():
        asked = new.get("WarmThroughput", {}).get(name, has)
        if asked < has:
            yield fails(
                f"A table is warmed to {has:,} ({name}) and would be asked for {asked:,}: DynamoDB takes nothing back.",
                "Leave `events_per_second` of stages.toml as it was; what is warmed costs nothing more.",
            )


def _lanes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Finding]:
    if old.get("lanes") != new.get("lanes"):
        yield fails(
            f"The ledger was made with {old.get('lanes')} lanes, not {new.get('lanes')}: the bootstrap would refuse.",
            f"Set fixed_lanes = {old.get('lanes')} in stages.toml.",
        )


def findings(account: Account, plan: Plan) -> Iterator[Finding]:
    """Of the stacks of the plan, all of which are there."""
    refused = [
        finding for name, template in plan.templates.items() for finding in judge(deployed(account, name), template)
    ]
    yield from refused or [ok("Nothing that may not change would change.")]


_JUDGES = {STREAM: _shards, TABLE: _warmth, GENESIS: _lanes}
CHECK = Check("update", ("cloudformation:GetTemplate",), findings)

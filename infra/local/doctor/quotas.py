"""What the account and its region have room for, against what a deploy adds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.constructs.concurrency import LEAST_UNRESERVED
from infra.local.doctor.account import Account, Check
from infra.local.doctor.finding import Finding, fails, ok, warning
from infra.local.doctor.plan import Plan

Answer = Mapping[str, Any]

# "An account can have a maximum of 10 policies without resourceARN" (CloudWatch Logs API reference, PutResourcePolicy).
MOST_LOG_POLICIES = 10
DELIVERY_SERVICE = "delivery.logs.amazonaws.com"
# "Limited to 5120 characters. When CloudWatch Logs detects that a policy approaches this size limit, it automatically
# enables log groups that start with /aws/vendedlogs/" (Step Functions Developer Guide, Avoiding Amazon CloudWatch Logs
# resource policy size restrictions).
LOG_POLICY_CHARACTERS = 5_120
VENDED = "/aws/vendedlogs/"
# Lambda lists its runtimes to nobody. AWS publishes a layer for each that a region has (documentation of Powertools for
# AWS Lambda (Python), Lambda layer, SSM parameter).
LAYER = "/aws/service/powertools/python/{architecture}/{runtime}/latest"
# Partition, region, account and the quotes and commas around a log group's ARN.
ARN_CHARACTERS = 80


def concurrency(settings: Answer, plan: Plan) -> Finding:
    """`settings` as lambda:GetAccountSettings answers."""
    limit = settings["AccountLimit"]["ConcurrentExecutions"]
    free = settings["AccountLimit"]["UnreservedConcurrentExecutions"]
    reserved = sum(one.get("ReservedConcurrentExecutions", 0) for one in plan.of("Lambda::Function"))
    said = f"{limit:,} functions may run at once, {free:,} of them unreserved; this deploy reserves {reserved:,}"
    needed = limit - free + reserved + LEAST_UNRESERVED
    raise_it = f"Ask Service Quotas for at least {needed:,} of Lambda's `Concurrent executions` (1,000 is usual)"
    if reserved and limit < needed:
        return fails(
            f"{said}, and AWS refuses to leave fewer than {LEAST_UNRESERVED}.",
            f"{raise_it}, or set account_concurrency to None in stages.toml.",
        )
    if limit < needed:
        return warning(f"{said}. It deploys, but more than {free:,} at once are throttled.", f"{raise_it}.")
    return ok(f"{said}.")


def log_policies(policies: Sequence[Answer], deliveries: Sequence[str]) -> Finding:
    """`policies` as logs:DescribeResourcePolicies lists them, those of the account.

    State machines and the API deliver their logs through `delivery.logs.amazonaws.com`, which has to be in one of them;
    CloudWatch Logs writes it there itself.
    """
    of_delivery = [one["policyDocument"] for one in policies if DELIVERY_SERVICE in one["policyDocument"]]
    listed = [name for name in deliveries if not name.startswith(VENDED)]
    said = f"{len(policies)} of {MOST_LOG_POLICIES} are there; this deploy delivers to {len(deliveries)} log groups"
    if deliveries and not of_delivery and len(policies) >= MOST_LOG_POLICIES:
        return fails(
            f"{said}, none of the policies is for {DELIVERY_SERVICE}, and there is no room for another.",
            "Join two (`aws logs describe-resource-policies`, put-resource-policy, delete-resource-policy).",
        )
    room = LOG_POLICY_CHARACTERS - min((len(document) for document in of_delivery), default=0)
    if listed and room < sum(len(name) + ARN_CHARACTERS for name in listed):
        return fails(
            f"{said}, {len(listed)} of them outside {VENDED}, and the policy that has to list those is full.",
            f"Name the log group {VENDED}... in infra, as the others are.",
        )
    return ok(f"{said}, {len(listed)} of them outside {VENDED}.")


def shards(limits: Answer, plan: Plan) -> Finding:
    """`limits` as kinesis:DescribeLimits answers."""
    new = sum(one["ShardCount"] for one in plan.of("Kinesis::Stream"))
    said = f"{limits['OpenShardCount']:,} of {limits['ShardLimit']:,} are open; this deploy adds {new:,}"
    if limits["OpenShardCount"] + new > limits["ShardLimit"]:
        return fails(
            f"{said}.", "Ask Service Quotas for more of Kinesis' `Shards per Region`, or a lower `events_per_second`."
        )
    return ok(f"{said}.")


def roles(summary: Answer, plan: Plan) -> Finding:
    """`summary` as iam:GetAccountSummary answers."""
    new = len(plan.of("IAM::Role"))
    said = f"{summary['Roles']:,} of {summary['RolesQuota']:,} are there; this deploy adds {new:,}"
    if summary["Roles"] + new > summary["RolesQuota"]:
        return fails(
            f"{said}.", "Delete roles nobody uses, or ask Service Quotas for more of IAM's `Roles per account`."
        )
    return ok(f"{said}.")


def runtime(has_layer: bool, name: str, region: str) -> Finding:
    if has_layer:
        return ok(f"{name} is there.")
    return warning(
        f"AWS publishes nothing for {name} in {region}: Lambda may not have it there yet.",
        "Look at the Arm prices by region on aws.amazon.com/lambda/pricing, or take another region.",
    )


def _runtimes(account: Account, plan: Plan) -> Iterator[Finding]:
    kinds = {(one["Architectures"][0], one["Runtime"]) for one in plan.of("Lambda::Function")}
    ssm = account.client("ssm")
    for architecture, name in sorted(kinds):
        layer = LAYER.format(architecture=architecture, runtime=name)
        has_layer = not ssm.get_parameters(Names=[layer])["InvalidParameters"]
        yield runtime(has_layer, f"{name} on {architecture}", account.region)


def _policies(account: Account) -> list[Answer]:
    pages = account.client("logs").get_paginator("describe_resource_policies").paginate()
    return [policy for page in pages for policy in page["resourcePolicies"]]


CHECKS = (
    Check("runtime", ("ssm:GetParameters",), _runtimes),
    Check(
        "concurrency",
        ("lambda:GetAccountSettings",),
        lambda account, plan: [concurrency(account.client("lambda").get_account_settings(), plan)],
    ),
    Check(
        "log policies",
        ("logs:DescribeResourcePolicies",),
        lambda account, plan: [log_policies(_policies(account), plan.deliveries())],
    ),
    Check(
        "shards",
        ("kinesis:DescribeLimits",),
        lambda account, plan: [shards(account.client("kinesis").describe_limits(), plan)],
    ),
    Check(
        "roles",
        ("iam:GetAccountSummary",),
        lambda account, plan: [roles(account.client("iam").get_account_summary()["SummaryMap"], plan)],
    ),
)

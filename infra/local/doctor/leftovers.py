"""What an earlier deployment of the stage has left, though its stack is gone."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from infra.local.doctor.account import Account, Check, code_of
from infra.local.doctor.finding import Finding, fails, ok, warning
from infra.local.doctor.plan import Plan, outlives_its_stack

ABSENT = {"EntityNotFoundException", "InvalidRequestException"}
DELETE_LOG_GROUP = "aws logs delete-log-group --log-group-name"
DELETE_WORKGROUP = "aws athena delete-work-group --recursive-delete-option --work-group"
DELETE_DATABASE = "aws glue delete-database --name"


def taken_names(account: Account, plan: Plan) -> Iterator[tuple[str, str]]:
    """Each name that the plan gives to something new and that is taken, and the command that frees it."""
    logs, athena, glue = account.client("logs"), account.client("athena"), account.client("glue")
    for name in (one["LogGroupName"] for one in plan.of("Logs::LogGroup") if "LogGroupName" in one):
        found = logs.describe_log_groups(logGroupNamePrefix=name, limit=1)["logGroups"]
        if any(group["logGroupName"] == name for group in found):
            yield name, DELETE_LOG_GROUP
    for name in (one["Name"] for one in plan.of("Athena::WorkGroup")):
        if _is_there(athena.get_work_group, WorkGroup=name):
            yield name, DELETE_WORKGROUP
    for name in (one["DatabaseInput"]["Name"] for one in plan.of("Glue::Database")):
        if _is_there(glue.get_database, Name=name):
            yield name, DELETE_DATABASE


def _is_there(ask: Callable[..., Any], **named: str) -> bool:
    try:
        ask(**named)
    except ClientError as error:
        if code_of(error) not in ABSENT:
            raise
        return False
    return True


def free_names(account: Account, plan: Plan) -> Iterator[Finding]:
    taken = list(taken_names(account, plan))
    if not taken:
        yield ok("No name is taken that this deploy gives.")
    for name, command in taken:
        yield fails(f"{name} is there already, of no stack of this stage.", f"`{command} {name}`")


def retained(account: Account, plan: Plan) -> Iterator[Finding]:
    """Resources of the kinds that outlive their stack; they have made-up names, which clash with nothing."""
    kinds = {one["Type"].split("::")[1].lower() for one in plan.resources() if outlives_its_stack(one)}
    if not kinds:
        return
    tags = [{"Key": key, "Values": [value]} for key, value in plan.tags.items()]
    pages = account.client("resourcegroupstaggingapi").get_paginator("get_resources")
    found = pages.paginate(TagFilters=tags, ResourceTypeFilters=sorted(kinds))
    yield judge([one["ResourceARN"] for page in found for one in page["ResourceTagMappingList"]], plan)


def judge(arns: Sequence[str], plan: Plan) -> Finding:
    if not arns:
        return ok("Nothing is left of an earlier deployment.")
    counts = ", ".join(
        f"{count} of {kind}" for kind, count in sorted(Counter(arn.split(":")[2] for arn in arns).items())
    )
    filters = " ".join(f"Key={key},Values={value}" for key, value in plan.tags.items())
    return warning(
        f"An earlier deployment has left {counts}. They cost what they cost, and the new one begins empty beside them.",
        f"`aws resourcegroupstaggingapi get-resources --tag-filters {filters}` lists them: delete what nobody needs.",
    )


CHECKS = (
    Check("names", ("logs:DescribeLogGroups", "athena:GetWorkGroup", "glue:GetDatabase"), free_names),
    Check("leftovers", ("tag:GetResources",), retained),
)

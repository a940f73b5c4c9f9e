"""The stacks that are there already: is it a first deploy, an update, or what a failed one left?"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from infra.local.doctor.account import Account
from infra.local.doctor.finding import Finding, fails, ok, warning
from infra.local.doctor.plan import Plan

# As aws-cdk's `StackStatus` sorts them: the first are nothing yet, the second it deletes before it begins anew, the
# third CloudFormation updates.
ABSENT = {"DELETE_COMPLETE", "REVIEW_IN_PROGRESS"}
FAILED_AT_BIRTH = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}
UPDATABLE = {
    *("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"),
    *("IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"),
}
ACTIONS = ("cloudformation:DescribeStacks",)
UNPROTECT = "aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name"
EVENTS = "`aws cloudformation describe-stack-events --stack-name {name}` says why"
REMEDIES = {
    "DELETE_FAILED": f"{EVENTS}. Delete that, then `aws cloudformation delete-stack --stack-name {{name}}`.",
    "UPDATE_ROLLBACK_FAILED": f"{EVENTS}. Then `aws cloudformation continue-update-rollback --stack-name {{name}}`.",
    "CREATE_FAILED": f"{EVENTS}. Then `aws cloudformation rollback-stack --stack-name {{name}}`.",
    "UPDATE_FAILED": f"{EVENTS}. Then `aws cloudformation rollback-stack --stack-name {{name}}`.",
}


def there(account: Account, plan: Plan) -> list[Mapping[str, Any]]:
    """The stacks of the plan that are there, however badly, as CloudFormation describes them."""
    pages = account.client("cloudformation").get_paginator("describe_stacks").paginate()
    return [
        one
        for page in pages
        for one in page["Stacks"]
        if one["StackName"] in plan.templates and one["StackStatus"] not in ABSENT
    ]


def statuses(described: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    return {one["StackName"]: one["StackStatus"] for one in described}


def protected(described: Iterable[Mapping[str, Any]]) -> set[str]:
    """Those that CloudFormation refuses to delete."""
    return {one["StackName"] for one in described if one.get("EnableTerminationProtection")}


def present(statuses: Mapping[str, str]) -> set[str]:
    """The stacks whose resources are there, so that a deploy adds none of them."""
    return {name for name, status in statuses.items() if status not in FAILED_AT_BIRTH}


def judge(statuses: Mapping[str, str], plan: Plan, protected: Collection[str] = ()) -> Iterator[Finding]:
    there, every = len(present(statuses)), len(plan.templates)
    if there == every:
        yield ok(f"All {every} are there: this is an update.")
    elif there:
        yield ok(f"{there} of {every} are there: it goes on where an earlier deploy stopped.")
    else:
        yield ok(f"None of {every} is there: this is a first deploy.")
    for name, status in statuses.items():
        if status in FAILED_AT_BIRTH and name in protected:
            yield fails(
                f"{name} is {status}: an earlier deploy failed, and the CDK cannot delete a protected stack.",
                f"{EVENTS.format(name=name)}. Then `{UNPROTECT} {name}`.",
            )
        elif status in FAILED_AT_BIRTH:
            yield warning(
                f"{name} is {status}: an earlier deploy failed. The CDK deletes the stack and begins anew.",
                f"{EVENTS.format(name=name)}: see that it is mended.",
            )
        elif status.endswith("_IN_PROGRESS"):
            yield fails(f"{name} is {status}.", "Wait until that is done, and look again.")
        elif status not in UPDATABLE:
            yield fails(f"{name} is {status} and can not be updated.", REMEDIES.get(status, EVENTS).format(name=name))

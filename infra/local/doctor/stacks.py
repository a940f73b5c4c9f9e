"""The stacks that are there already: is it a first deploy, an update, or what a failed one left?"""

from collections.abc import Iterator, Mapping

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
ACTIONS = ("cloudformation:ListStacks",)
EVENTS = "`aws cloudformation describe-stack-events --stack-name {name}` says why"
REMEDIES = {
    "DELETE_FAILED": f"{EVENTS}. Delete that, then `aws cloudformation delete-stack --stack-name {{name}}`.",
    "UPDATE_ROLLBACK_FAILED": f"{EVENTS}. Then `aws cloudformation continue-update-rollback --stack-name {{name}}`.",
    "CREATE_FAILED": f"{EVENTS}. Then `aws cloudformation rollback-stack --stack-name {{name}}`.",
    "UPDATE_FAILED": f"{EVENTS}. Then `aws cloudformation rollback-stack --stack-name {{name}}`.",
}


def statuses(account: Account, plan: Plan) -> Mapping[str, str]:
    """By stack of the plan that is there, however badly."""
    pages = account.client("cloudformation").get_paginator("list_stacks").paginate()
    listed = [stack for page in pages for stack in page["StackSummaries"]]
    return {
        one["StackName"]: one["StackStatus"]
        for one in listed
        if one["StackName"] in plan.templates and one["StackStatus"] not in ABSENT
    }


def present(statuses: Mapping[str, str]) -> set[str]:
    """The stacks whose resources are there, so that a deploy adds none of them."""
    return {name for name, status in statuses.items() if status not in FAILED_AT_BIRTH}


def judge(statuses: Mapping[str, str], plan: Plan) -> Iterator[Finding]:
    there, every = len(present(statuses)), len(plan.templates)
    if there == every:
        yield ok(f"All {every} are there: this is an update.")
    elif there:
        yield ok(f"{there} of {every} are there: it goes on where an earlier deploy stopped.")
    else:
        yield ok(f"None of {every} is there: this is a first deploy.")
    for name, status in statuses.items():
        if status in FAILED_AT_BIRTH:
            yield warning(
                f"{name} is {status}: an earlier deploy failed. The CDK deletes the stack and begins anew.",
                f"{EVENTS.format(name=name)}: see that it is mended.",
            )
        elif status.endswith("_IN_PROGRESS"):
            yield fails(f"{name} is {status}.", "Wait until that is done, and look again.")
        elif status not in UPDATABLE:
            yield fails(f"{name} is {status} and can not be updated.", REMEDIES.get(status, EVENTS).format(name=name))

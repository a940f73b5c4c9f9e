"""`make destroy STAGE=...`: says what stays when the stacks go, what it costs and how to remove it; then deletes them.

What stays is what the deployed templates say stays (DeletionPolicy), under the names AWS gave it.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra import stages
from infra.local import paths
from infra.local.console import heading, report_failure, say
from infra.local.deployed import check_deployable
from infra.local.doctor import account
from infra.local.doctor.plan import outlives_its_stack
from infra.local.failure import StepFailed
from infra.prices import GIB, HOURS_PER_MONTH, MONTHLY, PRICES
from infra.standing import standing_of, usd_per_month

GONE = "DELETE_COMPLETE"
# boto3 is what removes every version of an object; the AWS command line leaves earlier ones.
EMPTY_BUCKET = """.venv/bin/python -c "import boto3; boto3.resource('s3').Bucket('{name}').object_versions.delete()\""""


@dataclass(frozen=True)
class Kind:
    """What one type of resource costs while it stays, in us-east-1, and what removes one of it for good."""

    price: str
    removal: tuple[str, ...]


def _usd_per_gigabyte(name: str) -> str:
    return f"${MONTHLY[name].usd * GIB:.3g} a GB-month"


KINDS = {
    "AWS::DynamoDB::GlobalTable": Kind(
        f"{_usd_per_gigabyte('dynamodb_storage')}, and {_usd_per_gigabyte('dynamodb_recovery')} for its recovery",
        (
            "aws dynamodb update-table --table-name {name} --no-deletion-protection-enabled",
            "aws dynamodb delete-table --table-name {name}",
        ),
    ),
    "AWS::S3::Bucket": Kind(
        f"{_usd_per_gigabyte('s3_storage')}, {_usd_per_gigabyte('s3_cold_storage')} of what is old",
        (EMPTY_BUCKET, "aws s3api delete-bucket --bucket {name}"),
    ),
    "AWS::SecretsManager::Secret": Kind(
        f"${MONTHLY['secrets'].usd:.2f} a month",
        ("aws secretsmanager delete-secret --secret-id {name}  # can be restored for 30 days",),
    ),
    "AWS::Kinesis::Stream": Kind(
        f"${PRICES['kinesis_shard_hours'].usd * HOURS_PER_MONTH:.2f} a month for each shard",
        ("aws kinesis delete-stream --stream-name {name}",),
    ),
}


@dataclass(frozen=True)
class Kept:
    """One resource that outlives its stack: as its template has it, under the name AWS gave it."""

    logical_id: str
    name: str
    resource: Mapping[str, Any]

    @property
    def kind(self) -> Kind:
        return KINDS[self.resource["Type"]]


def kept_in(template: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """By logical id, what a template says outlives its stack."""
    return {name: each for name, each in template["Resources"].items() if outlives_its_stack(each)}


def name_of(stage: str) -> str:
    """What a person says who wants a protected stage to go."""
    return f"tollbooth-{stage}"


def stacks_of(formation: Any, stage: str) -> list[Mapping[str, Any]]:
    """The stacks of one stage that are there, failed ones too."""
    name = re.compile(rf"{name_of(stage)}-[a-z]+")
    pages = formation.get_paginator("describe_stacks").paginate()
    return [stack for page in pages for stack in page["Stacks"] if name.fullmatch(stack["StackName"])]


def kept_by(formation: Any, stack: str) -> Iterator[Kept]:
    template = formation.get_template(StackName=stack)["TemplateBody"]
    kept = kept_in(json.loads(template) if isinstance(template, str) else template)
    for page in formation.get_paginator("list_stack_resources").paginate(StackName=stack):
        for found in page["StackResourceSummaries"]:
            logical_id = found["LogicalResourceId"]
            if logical_id in kept and found["ResourceStatus"] != GONE:
                yield Kept(logical_id, found["PhysicalResourceId"], kept[logical_id])


def tell(stage: str, kept: Sequence[Kept], title: str) -> None:
    heading(title)
    for each in kept:
        say(f"  {each.logical_id}: {each.name}\n    {each.kind.price}")
    idle = sum(usd_per_month(standing_of(each.resource for each in kept)).values())
    say(f"  Together: ${idle:.2f} a month, and what is stored.")
    heading("To remove it for good, with all it holds")
    for each in kept:
        for command in each.kind.removal:
            say(f"  {command.format(name=each.name)}")
    heading("What carries the stage's tag, also what a failed deployment left (tables of prod: protected, empty, free)")
    say(f"  aws resourcegroupstaggingapi get-resources --tag-filters Key=tollbooth:stage,Values={stage}")


def destroy(formation: Any, stage: str, confirm: str) -> None:
    """Raises StepFailed before anything is changed, unless a protected stage is called by its name."""
    word = name_of(stage)
    stacks = stacks_of(formation, stage)
    if not stacks:
        raise StepFailed(f"There is no stack of {word} here.", "Check account, region and credentials.")
    kept = [each for stack in stacks for each in kept_by(formation, stack["StackName"])]
    tell(stage, kept, f"What stays when the {len(stacks)} stacks of {word} are gone")
    protected = [stack["StackName"] for stack in stacks if stack.get("EnableTerminationProtection")]
    _check_word(stage, confirm, is_protected=bool(protected) or stages.named(stage).protect_data)
    for name in protected:
        formation.update_termination_protection(StackName=name, EnableTerminationProtection=False)
    _delete(stage, is_confirmed=confirm == word)
    if left := stacks_of(formation, stage):
        names = ", ".join(stack["StackName"] for stack in left)
        raise StepFailed(f"Still there: {names}.", "Read what the CDK said above, and run this again.")
    tell(stage, kept, f"The stacks of {word} are gone. What stayed")


def _check_word(stage: str, confirm: str, *, is_protected: bool) -> None:
    word = name_of(stage)
    remedy = f"If it shall go, say its name: make destroy STAGE={stage} CONFIRM={word}"
    if confirm not in ("", word):
        raise StepFailed(f"Nothing was deleted: {confirm!r} is not the name of this stage.", remedy)
    if is_protected and not confirm:
        raise StepFailed(f"Nothing was deleted: {word} is protected, with its address and its alarms too.", remedy)


def _delete(stage: str, *, is_confirmed: bool) -> None:
    """The CDK asks once more, unless somebody has said the name."""
    command = [str(paths.CDK), "destroy", "**", "-c", f"stage={stage}", *(["--force"] if is_confirmed else [])]
    subprocess.run(command, cwd=paths.REPOSITORY, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make destroy", description=__doc__)
    parser.add_argument("--stage", help="the stage whose stacks shall go (STAGE=)")
    parser.add_argument(
        "--confirm", default="", metavar="NAME", help="tollbooth-<stage>: needed for prod, answers the CDK (CONFIRM=)"
    )
    arguments = parser.parse_args()
    try:
        if not arguments.stage:
            raise StepFailed("No stage is named, and none goes unasked.", "STAGE=dev, prod or one of stages.toml.")
        check_deployable(arguments.stage)
        asked = account.signed_in(os.environ)
        heading(f"Stage {arguments.stage} in account {asked.id}, {asked.region}")
        destroy(asked.client("cloudformation"), arguments.stage, arguments.confirm)
    except StepFailed as failure:
        return report_failure(failure)
    except (BotoCoreError, ClientError) as error:
        remedy = "Check that you may read and delete stacks: cloudformation:*."
        return report_failure(StepFailed(f"AWS refused: {error}", remedy))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A stage in AWS, asked with the credentials of the caller's environment, in the region the CDK deploys it to."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from infra import stages
from infra.local.console import report_failure
from infra.local.failure import StepFailed

if TYPE_CHECKING:
    import boto3


def check_stage(stage: str) -> None:
    """Raises StepFailed for a stage that is not there or cannot be, before anything slow is asked."""
    if stage == "local":
        return
    try:
        stages.named(stage)
    except ValueError as error:
        raise StepFailed(str(error), "STAGE=dev, prod or one of stages.toml (infra/stages.py shows one).") from error


def check_deployable(stage: str) -> None:
    """Raises StepFailed also for the local stage, which has less protection than an account needs."""
    if stage == "local":
        raise StepFailed("The stage local is for this machine.", "`make up` makes it, `make down` removes it.")
    check_stage(stage)


def session() -> "boto3.Session":
    """boto3 itself looks at AWS_DEFAULT_REGION and the profile; the CDK at AWS_REGION before them."""
    import boto3

    return boto3.Session(region_name=os.environ.get("AWS_REGION") or None)


def outputs(stack_name: str) -> Mapping[str, str]:
    (stack,) = session().client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


@contextmanager
def asking(stage: str | None) -> Iterator[None]:
    """Every refusal of AWS meanwhile comes as StepFailed, saying which of account, region and rights is wrong."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

    check_stage(stage or "local")
    try:
        yield
    except (NoCredentialsError, NoRegionError) as error:
        remedy = "Set them, for example with `aws sso login`, AWS_PROFILE and AWS_REGION; or leave STAGE out for the "
        raise StepFailed(f"There are no AWS credentials or no region here: {error}", f"{remedy}local stack.") from error
    except ClientError as error:
        told: Mapping[str, Any] = error.response.get("Error", {})
        remedy = f"Check account and region, that `make deploy STAGE={stage}` has run there, and that you may do this."
        raise StepFailed(
            f"AWS refused {error.operation_name}: {told.get('Code')}, {told.get('Message')}",
            remedy if stage not in (None, "local") else "`make down`, then `make up`.",
        ) from error
    except BotoCoreError as error:
        raise StepFailed(
            f"AWS could not be asked: {error}", "Check the network, AWS_PROFILE and AWS_REGION."
        ) from error


def main() -> int:
    from infra.local.doctor import account

    parser = argparse.ArgumentParser(description="Look whether a stage can be deployed, and by whom and where.")
    parser.add_argument("--stage", required=True)
    try:
        check_deployable(parser.parse_args().stage)
        account.signed_in(os.environ)
    except StepFailed as failure:
        return report_failure(failure)
    return 0


if __name__ == "__main__":
    sys.exit(main())

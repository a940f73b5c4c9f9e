"""A stage in AWS, asked with the credentials of the caller's environment, in the region the CDK deploys it to."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from infra.local.failure import StepFailed

if TYPE_CHECKING:
    import boto3


def session() -> "boto3.Session":
    """boto3 itself looks at AWS_DEFAULT_REGION and the profile; the CDK at AWS_REGION before them."""
    import boto3

    return boto3.Session(region_name=os.environ.get("AWS_REGION") or None)


def outputs(stack_name: str) -> Mapping[str, str]:
    (stack,) = session().client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


@contextmanager
def asking(stage: str | None) -> Iterator[None]:
    """Whatever AWS refuses meanwhile comes as StepFailed, saying which of account, region and rights is wrong."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

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

"""`make admin-key`: the deployment's first API key, from the running local stack or from a stage in AWS."""

import argparse
import sys
from typing import Any

from infra.local import emulator, state
from infra.local.console import report_failure, say
from infra.local.failure import StepFailed

ADMIN_SECRET_OUTPUT = "AdminSecretArn"


def read(secrets: Any, secret_arn: str) -> str:
    return str(secrets.get_secret_value(SecretId=secret_arn)["SecretString"])


def of_local_stack() -> str:
    stack = state.load()
    return read(emulator.client("secretsmanager", stack.ports[emulator.NAME]), stack.outputs[ADMIN_SECRET_OUTPUT])


def of_stage(stage: str) -> str:
    """With the credentials and region of the caller's environment; raises StepFailed saying which of them is wrong."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

    stack_name = f"tollbooth-{stage}-data"
    try:
        (stack,) = boto3.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        return read(boto3.client("secretsmanager"), outputs[ADMIN_SECRET_OUTPUT])
    except (NoCredentialsError, NoRegionError) as error:
        remedy = "Set them, for example with `aws sso login`, AWS_PROFILE and AWS_REGION; or leave STAGE out for the "
        raise StepFailed(f"There are no AWS credentials or no region here: {error}", f"{remedy}local stack.") from error
    except ClientError as error:
        told = error.response.get("Error", {})
        reason = f"AWS refused to show {stack_name} or its secret: {told.get('Code')}, {told.get('Message')}"
        remedy = f"Check account and region, that `make deploy STAGE={stage}` has run there, and that you may read it."
        raise StepFailed(reason, remedy) from error
    except BotoCoreError as error:
        raise StepFailed(
            f"AWS could not be asked: {error}", "Check the network, AWS_PROFILE and AWS_REGION."
        ) from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", help="a stage deployed to AWS; without it, the local stack")
    stage = parser.parse_args().stage
    try:
        say(of_stage(stage) if stage and stage != "local" else of_local_stack())
    except StepFailed as failure:
        return report_failure(failure)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`make admin-key`: the deployment's first API key, from the running local stack or from a stage in AWS."""

import argparse
import sys
from typing import Any

from infra.local import deployed, emulator, state
from infra.local.console import report_failure, say
from infra.local.failure import StepFailed

ADMIN_SECRET_OUTPUT = "AdminSecretArn"


def read(secrets: Any, secret_arn: str) -> str:
    return str(secrets.get_secret_value(SecretId=secret_arn)["SecretString"])


def of_local_stack() -> str:
    stack = state.load()
    return read(emulator.client("secretsmanager", stack.ports[emulator.NAME]), stack.outputs[ADMIN_SECRET_OUTPUT])


def of_stage(stage: str) -> str:
    """Raises StepFailed when AWS refuses."""
    with deployed.asking(stage):
        secret_arn = deployed.outputs(f"tollbooth-{stage}-data")[ADMIN_SECRET_OUTPUT]
        return read(deployed.session().client("secretsmanager"), secret_arn)


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

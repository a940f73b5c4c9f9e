"""Deploys the CDK app that goes to AWS into the emulator, with the real CDK command line."""

import json
import os
from pathlib import Path

from infra.local import emulator, paths
from infra.local.commands import run_logged
from infra.local.failure import StepFailed

# Origins, separated by blanks, whose pages may ask the portal of the local stack.
PORTAL_ORIGINS_VARIABLE = "TOLLBOOTH_PORTAL_ORIGINS"
TOOLKIT_STACK = "CDKToolkit"
REMEDY = "Read the log; when it is a leftover of an earlier run, `make down` and `make up` start from nothing."


def bootstrap(emulator_port: int) -> bool:
    """Create the bucket the CDK publishes into; False when it is there already."""
    formation = emulator.client("cloudformation", emulator_port)
    listed = formation.list_stacks(StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"])["StackSummaries"]
    if any(stack["StackName"] == TOOLKIT_STACK for stack in listed):
        return False
    # Run outside the repository: it needs an account, not our app.
    command = [str(paths.CDK), "bootstrap", f"aws://{emulator.ACCOUNT}/{emulator.REGION}"]
    _run(command, emulator_port, what="cdk bootstrap", folder=paths.home())
    return True


def deploy(emulator_port: int, *, stripe_api_base: str) -> dict[str, str]:
    """Deploy every stack of the local stage; answers their outputs by name."""
    outputs = paths.home() / "outputs.json"
    # "--all" means the top level only, and the stacks live in a stage.
    command = [str(paths.CDK), "deploy", "**", "--require-approval", "never", "--progress", "events"]
    command += ["-c", "stage=local", "-c", f"stripe_api_base={stripe_api_base}"]
    command += ["-c", f"portal_origins={os.environ.get(PORTAL_ORIGINS_VARIABLE, '')}"]
    command += ["--app", f"{paths.DEV_PYTHON} app.py", "--output", str(paths.home() / "cdk.out")]
    command += ["--outputs-file", str(outputs)]
    _run(command, emulator_port, what="cdk deploy", folder=paths.REPOSITORY)
    by_stack: dict[str, dict[str, str]] = json.loads(outputs.read_text())
    return {name: value for stack in by_stack.values() for name, value in stack.items()}


def needed(outputs: dict[str, str], name: str) -> str:
    if name not in outputs:
        raise StepFailed(f"The deployed stacks have no output {name}; they have {', '.join(sorted(outputs))}.", REMEDY)
    return outputs[name]


def _run(command: list[str], emulator_port: int, *, what: str, folder: Path) -> None:
    environment = _environment(emulator_port)
    run_logged(command, log=paths.log_file("cdk"), what=what, remedy=REMEDY, environment=environment, folder=folder)


def _environment(emulator_port: int) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    return (
        inherited
        | emulator.client_environment(emulator_port)
        | {
            "CDK_DEFAULT_ACCOUNT": emulator.ACCOUNT,
            "CDK_DEFAULT_REGION": emulator.REGION,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        }
    )

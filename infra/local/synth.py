"""`make synth`: the CloudFormation templates of a stage in cdk.out; what the CDK says about it goes into a log."""

import argparse
import os
import sys

from infra.local import paths
from infra.local.commands import run_logged
from infra.local.console import report_failure, step
from infra.local.deployed import check_stage
from infra.local.failure import StepFailed

REMEDY = "Read the log: the first error in it is what the CDK app, or cdk-nag, says."


def synth(stage: str) -> None:
    check_stage(stage)
    log = paths.TOOLS / "logs" / "synth.log"
    log.unlink(missing_ok=True)
    # `--quiet` leaves out the templates alone, not the advice around them.
    command = [str(paths.CDK), "synth", "--quiet", "**", "-c", f"stage={stage}"]
    with step(f"Synthesizing stage {stage}") as current:
        run_logged(command, log=log, what="cdk synth", remedy=REMEDY, environment=os.environ)
        current.says(f"templates in cdk.out, log in {paths.shown(log)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stage", required=True)
    try:
        synth(parser.parse_args().stage)
    except StepFailed as failure:
        return report_failure(failure)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`make doctor`: what would make `make deploy` fail in the account of your credentials, what it makes, what it costs.

It asks AWS and changes nothing. The exit status is 1 when a deploy would fail.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from infra.constructs.bytecode import LAMBDA_PYTHON, compiler_for
from infra.local import paths
from infra.local.console import fact, heading, report_failure, say
from infra.local.deployed import check_deployable
from infra.local.doctor import account, bootstrap, cost, leftovers, plan, quotas, stacks, updates
from infra.local.doctor.account import Account, Check
from infra.local.doctor.finding import Finding, Verdict, ok, show, warning
from infra.local.doctor.plan import Plan
from infra.local.failure import StepFailed
from infra.local.synth import synth


def alarms(_: Account, added: Plan) -> Iterator[Finding]:
    if added.of("SNS::Topic") and not added.of("SNS::Subscription"):
        yield warning("The alarms wake nobody.", "Name somebody in alarm_emails of stages.toml.")


def compiler(version: tuple[int, int] = LAMBDA_PYTHON) -> Finding:
    """Of this machine, not of the account."""
    name = "Python {}.{}".format(*version)
    if found := compiler_for(version):
        return ok(f"{name} compiles the functions: {found}.")
    return warning(
        f"There is no {name} here, so the functions go to AWS without bytecode and start slower.",
        f"Install {name} beside yours (python.org, pyenv, your system's packages), then deploy.",
    )


CHECKS: tuple[Check, ...] = (bootstrap.CHECK, *quotas.CHECKS, *leftovers.CHECKS, Check("alarms", (), alarms))


def examined(asked: Account, planned: Plan) -> Iterator[tuple[str, Finding]]:
    """Each finding under the title of its check. Stacks that are there already are asked whether they can become what
    is planned, and nothing more.
    """
    seen: dict[str, str] = {}

    def look(asked: Account, planned: Plan) -> Iterable[Finding]:
        there = stacks.there(asked, planned)
        seen.update(stacks.statuses(there))
        return stacks.judge(seen, planned, stacks.protected(there))

    first = Check("stacks", stacks.ACTIONS, look, "What follows is judged as for a first deploy.")
    for found in first.findings(asked, planned):
        yield first.title, found
    updated = planned.only(stacks.present(seen))
    if updated.templates:
        for found in updates.CHECK.findings(asked, updated):
            yield updates.CHECK.title, found
    added = planned.without(updated.templates.keys())
    for check in CHECKS:
        for found in check.findings(asked, added):
            yield check.title, found


def report(asked: Account, planned: Plan, stage: str) -> int:
    """0 when a deploy would not fail by anything that was asked."""
    heading(f"Stage {stage} in account {asked.id}, {asked.region}{at(os.environ.get('AWS_ENDPOINT_URL'))}")
    said = [show("credentials", ok(asked.arn)), show("region", ok(asked.region)), show("compiler", compiler())]
    said += [show(title, finding) for title, finding in examined(asked, planned)]
    heading("A deploy makes")
    for line in cost.resources(planned):
        fact(line)
    heading(f"Idle it costs {cost.idle(planned)}.")
    say("Used (README.md, What it costs):")
    for line in cost.per_million_events():
        fact(line)
    failing = sum(finding.verdict is Verdict.FAILS for finding in said)
    say(
        f"\nA deploy would fail: mend what FAILS ({failing})."
        if failing
        else f"\nGo on with `make deploy STAGE={stage}`."
    )
    return 1 if failing else 0


def at(endpoint: str | None) -> str:
    return f", at {endpoint}" if endpoint else ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.doctor", description=__doc__)
    parser.add_argument("--stage", default="dev", help="dev (default), prod or one of stages.toml")
    parser.add_argument("--assembly", type=Path, help="what an earlier `make synth` wrote, instead of a new one")
    arguments = parser.parse_args()
    try:
        if arguments.stage != "local" or "AWS_ENDPOINT_URL" not in os.environ:
            check_deployable(arguments.stage)
        asked = account.signed_in(os.environ)
        if arguments.assembly is None:
            synth(arguments.stage)
        planned = plan.read(arguments.assembly or paths.REPOSITORY / "cdk.out")
        return report(asked, planned, planned.tags["tollbooth:stage"])
    except StepFailed as failure:
        return report_failure(failure)


if __name__ == "__main__":
    sys.exit(main())

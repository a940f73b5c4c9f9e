"""`make soak`: what takes too long for every change - fuzz, simulation, kills, two tenants, balances - in one go.

The stories run on a stack of their own, beside one that `make up` left running.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

from infra.local import paths
from infra.local.checks import Result, summary, timed
from infra.local.console import heading

SECONDS = 600
EVENTS = 200_000
ROUNDS = 15
THROTTLED = 60  # seconds of a database that throttles
MIGRATED = 1_000  # customers of one plan, to its next version, while the worker is killed
DYNAMODB_SHARE = 4  # the fuzz on DynamoDB Local gets so much less time

PROPERTIES = ("pytest", "-q", "-n", "auto", "-m", "not stack", "tests/domain", "tests/application")
BALANCED = 60  # random customers, whose balances are known by another way of counting
BALANCES = ("pytest", "-q", "-n", "auto", "tests/handlers/entitlements/test_story.py")
MIGRATION = ("pytest", "-q", "-n", "0", "-k", "killed", "tests/handlers/subscriptions/test_http_plan_migrations.py")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of fuzz, and of the simulation")
    parser.add_argument("--events", type=int, default=EVENTS, help="sent while functions are killed")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of two tenants, for each attack")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of everything; said again in each command")
    arguments = parser.parse_args()
    seed, seconds = str(arguments.seed), arguments.seconds
    on_dynamodb = ("--seconds", str(seconds // DYNAMODB_SHARE), "--seed", seed, "--dynamodb")
    results = [
        run("properties", PROPERTIES),
        run("fuzz", ("tests.fuzz", "--seconds", str(seconds), "--seed", seed)),
        run("dynamodb", ("tests.fuzz", *on_dynamodb)),
        run("crashes", ("tests.simulation", "--seconds", str(seconds), "--seed", seed)),
        run("throttles", ("tests.stories.throttled", "--seconds", str(min(seconds, THROTTLED)), "--seed", seed)),
        run("balances", BALANCES, {"TOLLBOOTH_BALANCE_SEEDS": str(BALANCED)}),
        run("migration", MIGRATION, {"TOLLBOOTH_TEST_CUSTOMERS": str(MIGRATED)}),
    ]
    with tempfile.TemporaryDirectory(prefix="tollbooth-soak-") as home:
        own = {"TOLLBOOTH_HOME": home}
        try:
            results.append(run("up", ("infra.local.up",), own))
            if results[-1].passed:
                results.append(
                    run("kills", ("tests.stories.kill_load", "--events", str(arguments.events), "--seed", seed), own)
                )
                results.append(run("tenants", ("tests.stories.two_tenants", "--rounds", str(arguments.rounds)), own))
        finally:
            results.append(run("down", ("infra.local.down",), own))
    return summary(results)


def run(title: str, words: Sequence[str], more: Mapping[str, str] | None = None) -> Result:
    """Run a module with its output as it comes."""
    heading(f"{title}: python -m {' '.join(words)}")
    return timed(title, [str(paths.DEV_PYTHON), "-m", *words], more=more)


if __name__ == "__main__":
    sys.exit(main())

"""`make check` and `make test`: every check of this repository in one go, and a table of what passed."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from infra.local import paths
from infra.local.console import heading, say


@dataclass(frozen=True)
class Check:
    """One tool and how it is called, with what in its environment."""

    title: str
    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        return [str(paths.DEV_ENVIRONMENT / "bin" / self.words[0]), *self.words[1:]]


@dataclass(frozen=True)
class Result:
    title: str
    passed: bool
    seconds: float


STATIC = (
    Check("lint", ("ruff", "check", ".")),
    Check("format", ("ruff", "format", "--check", ".")),
    Check("arrows", ("lint-imports", "--no-cache")),
    Check("dead", ("python", "-m", "infra.local.dead_code")),
)
TYPES = Check("types", ("mypy",))
TESTS = Check("tests", ("pytest", "-q", "-n", "auto", "-m", "not stack"))
# In one process, so that one stack serves them all.
STACK_TESTS = Check("stack", ("pytest", "-q", "-m", "stack"))
# Permissions that no test has used: only both kinds of tests together use nearly all.
GRANTS = Check("grants", ("python", "-m", "tests.grants"))
# The folder in which tests write down what they have used.
USED_GRANTS = "TOLLBOOTH_USED_GRANTS"


def run(check: Check) -> Result:
    """Run with the output as it comes."""
    heading(f"{check.title}: {' '.join(check.words)}")
    return timed(check.title, check.command, more=check.environment)


def run_beside(checks: Sequence[Check], others: Check) -> list[Result]:
    """Run all at once; the output of each of the first is shown when the last one has shown its own."""
    with ExitStack() as opened:
        outputs = [opened.enter_context(tempfile.TemporaryFile("w+")) for _ in checks]
        beside = opened.enter_context(ThreadPoolExecutor(len(checks)))
        begun = [
            beside.submit(timed, check.title, check.command, more=check.environment, output=output.fileno())
            for check, output in zip(checks, outputs, strict=True)
        ]
        results = [run(others)]
        for check, output, result in zip(checks, outputs, begun, strict=True):
            heading(f"{check.title}: {' '.join(check.words)}, meanwhile")
            results.append(result.result())
            output.seek(0)
            say(output.read())
        return results


def timed(
    title: str, command: Sequence[str], *, more: Mapping[str, str] | None = None, output: int | None = None
) -> Result:
    """Run a command, with `more` in its environment; what it prints goes to `output`, else where ours goes."""
    started = time.monotonic()
    env = {**_environment(), **(more or {})}
    ran = subprocess.run(command, cwd=paths.REPOSITORY, env=env, stdout=output, stderr=output, check=False)
    return Result(title, ran.returncode == 0, time.monotonic() - started)


def _environment() -> dict[str, str]:
    """Without what could lead a test to a real account or to the developer's running stack."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TOLLBOOTH_"))}
    return kept | {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}


def main() -> int:
    results = [run(check) for check in STATIC]
    if "--with-stack" not in sys.argv[1:]:
        return summary(results + run_beside((TYPES,), TESTS))
    with tempfile.TemporaryDirectory(prefix="tollbooth-grants-") as used:
        stack, tests, grants = (replace(each, environment={USED_GRANTS: used}) for each in (STACK_TESTS, TESTS, GRANTS))
        results += run_beside((TYPES, stack), tests)
        return summary([*results, run(grants)])


def summary(results: Sequence[Result]) -> int:
    """Prints it; the exit status."""
    heading("Summary")
    for result in results:
        say(f"  {'passed' if result.passed else 'FAILED'}  {result.title:<8} {result.seconds:6.1f} s")
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())

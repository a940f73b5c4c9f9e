"""`make check` and `make test`: every check of this repository in one go, and a table of what passed.

`make unit` is the fast loop between two changes; `make test ONLY=...` and `make unit ONLY=...` run a few tests alone.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.local import paths
from infra.local.console import heading, report_failure, say
from infra.local.failure import StepFailed


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
)
# Not in the fast loop: it reads every file, for 8 s.
DEAD = Check("dead", ("python", "-m", "infra.local.dead_code"))
TYPES = Check("types", ("mypy",))
# In one process, so that one stack serves them all.
STACK_TESTS = Check("stack", ("pytest", "-q", "-m", "stack", "--durations=15"))
# Marks that tests/conftest.py gives, by what a test takes; `large` is given by hand.
UNIT_MARKS = "not (stack or database or emulator or large)"
# Where nothing else is needed than Python.
UNIT_FOLDERS = ("tests/domain", "tests/application")
UNIT = Check("unit", ("pytest", "-q", "-n", "auto", "--durations=3"))
# How many examples a property test tries at most; without it, as many as it says itself.
EXAMPLES = "TOLLBOOTH_EXAMPLES"
UNIT_EXAMPLES = 10
# The same ones in every run; `make soak` tries others, and as many as a test says itself.
TEST_EXAMPLES = 40
TESTS = Check(
    "tests",
    ("pytest", "-q", "-n", "auto", "-m", "not stack", "--durations=15"),
    {EXAMPLES: str(TEST_EXAMPLES)},
)
# Programs that no unit test may start in any way.
REFUSED_PROGRAMS = ("java", "node", "npm")
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


@contextmanager
def refusing(programs: Sequence[str]) -> Iterator[str]:
    """A PATH on which these end at once and say why."""
    with tempfile.TemporaryDirectory(prefix="tollbooth-unit-") as folder:
        for name in programs:
            program = Path(folder) / name
            program.write_text(f"#!/bin/sh\necho 'A test of make unit may not start {name}.' >&2\nexit 97\n")
            program.chmod(0o755)
        yield f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def require_there(only: Sequence[str]) -> None:
    """Raises StepFailed for a path that is not there; a word after an option may be its value."""
    for before, word in zip(("", *only), only, strict=False):
        is_path = "/" in word or word.endswith(".py") or not before.startswith("-")
        if is_path and not word.startswith("-") and not (paths.REPOSITORY / word.partition("::")[0]).exists():
            raise StepFailed(f"There is no {word}.", 'ONLY= takes paths, such as ONLY=tests/domain, or ONLY="-k name".')


def unit(only: Sequence[str]) -> int:
    """Lint, contracts and what needs only Python; with `only`, just these tests of it."""
    with refusing(REFUSED_PROGRAMS) as path:
        tests = replace(
            UNIT,
            words=(*UNIT.words, "-m", UNIT_MARKS, *(only or UNIT_FOLDERS)),
            environment={"PATH": path, EXAMPLES: str(UNIT_EXAMPLES)},
        )
        return summary([*([] if only else [run(check) for check in STATIC]), run(tests)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--with-stack", action="store_true", help="also what drives a local stack of its own")
    parser.add_argument("--unit", action="store_true", help=f"{' '.join(UNIT_FOLDERS)}, where {UNIT_MARKS}")
    parser.add_argument("--only", default="", help="words for pytest: paths, or -k with a name; runs just these tests")
    arguments = parser.parse_args()
    only = shlex.split(arguments.only)
    try:
        require_there(only)
    except StepFailed as failure:
        return report_failure(failure)
    if arguments.unit:
        return unit(only)
    if only:
        # In one process, where the stack is started by the first test that takes it, if any does.
        return summary([run(Check("only", ("pytest", "-q", *only)))])
    results = [run(check) for check in (*STATIC, DEAD)]
    if not arguments.with_stack:
        return summary(results + run_beside((TYPES,), TESTS))
    with tempfile.TemporaryDirectory(prefix="tollbooth-grants-") as used:
        stack, tests, grants = (
            replace(each, environment={**each.environment, USED_GRANTS: used}) for each in (STACK_TESTS, TESTS, GRANTS)
        )
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

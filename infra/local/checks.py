"""`make check` and `make test`: every check of this repository in one go, and a table of what passed."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from infra.local import paths
from infra.local.console import heading, say

# One worker takes the stack and every test on it, the others share the rest.
TESTS = ("pytest", "-q", "-n", "auto", "--dist", "loadgroup")


@dataclass(frozen=True)
class Check:
    """One tool and how it is called."""

    title: str
    words: tuple[str, ...]


def checks(with_stack: bool) -> list[Check]:
    return [
        Check("lint", ("ruff", "check", ".")),
        Check("format", ("ruff", "format", "--check", ".")),
        Check("types", ("mypy",)),
        Check("arrows", ("lint-imports", "--no-cache")),
        Check("tests", TESTS if with_stack else (*TESTS, "-m", "not stack")),
    ]


def run(check: Check) -> bool:
    heading(f"{check.title}: {' '.join(check.words)}")
    program = paths.DEV_ENVIRONMENT / "bin" / check.words[0]
    return subprocess.run([program, *check.words[1:]], cwd=paths.REPOSITORY, env=_environment()).returncode == 0


def _environment() -> dict[str, str]:
    """Without what could lead a test to a real account or to the developer's running stack."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TOLLBOOTH_"))}
    return kept | {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}


def main() -> int:
    results: list[tuple[str, bool, float]] = []
    for check in checks(with_stack="--with-stack" in sys.argv[1:]):
        started = time.monotonic()
        results.append((check.title, run(check), time.monotonic() - started))
    heading("Summary")
    for title, passed, seconds in results:
        say(f"  {'passed' if passed else 'FAILED'}  {title:<8} {seconds:6.1f} s")
    return 0 if all(passed for _, passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Runs a tool to its end with its whole output in a log file; a failure shows the end of that log."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local import paths
from infra.local.failure import StepFailed

# Enough to hold the error of pip, npm or the CDK, short enough to read.
SHOWN_LINES = 15


def run_logged(
    command: Sequence[str | Path],
    *,
    log: Path,
    what: str,
    remedy: str,
    environment: Mapping[str, str] | None = None,
    folder: Path = paths.REPOSITORY,
    timeout_seconds: float = 900,
) -> None:
    """Run `command`; raise StepFailed with the last lines of its output when it does not end well."""
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    with log.open("a") as output:
        output.write(f"\n$ {' '.join(words)}\n")
        output.flush()
        try:
            result = subprocess.run(
                words,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout_seconds,
                check=False,
            )
        except FileNotFoundError as error:
            raise StepFailed(f"{what}: {words[0]} was not found.", remedy) from error
        except subprocess.TimeoutExpired as error:
            raise StepFailed(
                f"{what} took longer than {timeout_seconds:.0f} s. Log: {paths.shown(log)}", remedy
            ) from error
    if result.returncode != 0:
        raise StepFailed(f"{what} failed (exit code {result.returncode}).\n{end_of(log)}", remedy)


def end_of(log: Path) -> str:
    """The last lines of a log, indented, under its name."""
    if not log.exists():
        return f"  {paths.shown(log)} does not exist."
    lines = log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
    return "\n".join([f"  end of {paths.shown(log)}:", *(f"    | {line}" for line in lines)])

"""Runs a tool to its end with its whole output in a log file; a failure shows the end of that log."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from infra.local import paths, patience
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
    idle_seconds: float = 900,
) -> None:
    """Run `command`; raise StepFailed with the last lines of its output when it does not end well."""
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    with log.open("a") as output:
        output.write(f"\n$ {' '.join(words)}\n")
        output.flush()
        try:
            code = _run_while_it_moves(words, folder, environment, output, log, idle_seconds)
        except FileNotFoundError as error:
            raise StepFailed(f"{what}: {words[0]} was not found.", remedy) from error
        except patience.StoodStill as error:
            raise StepFailed(
                f"{what} said and did nothing for {idle_seconds:.0f} s. Log: {paths.shown(log)}", remedy
            ) from error
    if code != 0:
        raise StepFailed(f"{what} failed (exit code {code}).\n{end_of(log)}", remedy)


def _run_while_it_moves(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None,
    output: IO[str],
    log: Path,
    idle_seconds: float,
) -> int:
    """Its exit status; raises StoodStill, and ends it, when its log does not grow and it does not work."""
    running = subprocess.Popen(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )

    def look() -> tuple[int | None, int, float]:
        return running.poll(), log.stat().st_size, patience.cpu_seconds(running.pid)

    try:
        code = patience.wait_while_it_moves(
            look, lambda seen: seen[0] is not None, words[0], idle_seconds=idle_seconds, poll_seconds=0.1
        )[0]
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()
    return code or 0


def end_of(log: Path) -> str:
    """The last lines of a log, indented, under its name."""
    if not log.exists():
        return f"  {paths.shown(log)} does not exist."
    lines = log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
    return "\n".join([f"  end of {paths.shown(log)}:", *(f"    | {line}" for line in lines)])

"""Starts background programs that outlive this command, remembers who they are, and stops exactly those.

A process is known by its id together with its start time and command line, so that a recycled id is never taken for
ours. Each runs in a process group of its own: what it starts ends with it.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from infra.local import paths, patience
from infra.local.commands import end_of
from infra.local.failure import StepFailed

# Time to finish what it is doing before it is ended by force.
STOP_SECONDS = 5.0
START_SECONDS = 5.0
POLL_SECONDS = 0.05

READ_THE_LOG = "Read its log; `make down` clears what is left, then try again."


@dataclass(frozen=True)
class Process:
    """One background program: what it is called, its process id, and `ps`'s words for it when it started."""

    name: str
    pid: int
    identity: str
    port: int

    @property
    def runs(self) -> bool:
        return self.identity != "" and _identity(self.pid) == self.identity


def start(name: str, command: Sequence[str | Path], *, port: int, environment: Mapping[str, str]) -> Process:
    """Start a program and write down who it is, before anything else can go wrong."""
    log = paths.log_file(name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        child = subprocess.Popen(
            [str(word) for word in command],
            cwd=paths.REPOSITORY,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = Process(name, child.pid, _settled_identity(child), port)
    record = _record(name)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(asdict(process)))
    return process


def wait_until(process: Process, is_ready: Callable[[], bool], *, seconds: float) -> None:
    """Wait for a started program; raise StepFailed with its log when it ends, or neither works nor says anything."""

    def look() -> Starting:
        if not process.runs:
            raise StepFailed(f"{process.name} ended while starting.\n{_log_of(process)}", READ_THE_LOG)
        log = paths.log_file(process.name)
        said = log.stat().st_size if log.exists() else 0
        # What starts for ever would work for ever: beyond this much work it does not count as moving.
        worked = min(patience.cpu_seconds(process.pid), seconds)
        return Starting(is_ready(), said, worked)

    try:
        patience.wait_while_it_moves(
            look, lambda seen: seen.is_ready, process.name, idle_seconds=seconds, poll_seconds=POLL_SECONDS
        )
    except patience.StoodStill as failure:
        raise StepFailed(
            f"{process.name} did not answer on port {process.port}, and did nothing for {seconds:.0f} s.\n"
            f"{_log_of(process)}",
            READ_THE_LOG,
        ) from failure


class Starting(NamedTuple):
    """A program that starts: whether it answers, bytes in its log, and its seconds of CPU."""

    is_ready: bool
    said: int
    worked: float


def running(name: str) -> Process | None:
    """The program of that name that an earlier command started and that still runs."""
    record = _record(name)
    if not record.exists():
        return None
    process = Process(**json.loads(record.read_text()))
    return process if process.runs else None


def recorded() -> list[str]:
    """The names of all programs that were started and not stopped since."""
    return sorted(file.stem for file in _records().glob("*.json"))


def stop(name: str) -> bool:
    """End the program of that name and its children; False when it was not running any more."""
    process = running(name)
    if process is not None:
        _end(process)
    _record(name).unlink(missing_ok=True)
    return process is not None


def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and _group_lives(process.pid):
            time.sleep(POLL_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)


def _group_lives(group: int) -> bool:
    with suppress(ChildProcessError):  # a child of this very command stays a zombie until it is waited for
        os.waitpid(group, os.WNOHANG)
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _settled_identity(child: "subprocess.Popen[bytes]") -> str:
    """For a moment after it has been started, a process has no command line yet."""
    deadline = time.monotonic() + START_SECONDS
    first_word = str(child.args[0]) if isinstance(child.args, list) else ""
    while time.monotonic() < deadline and child.poll() is None:
        if first_word in (identity := _identity(child.pid)):
            return identity
        time.sleep(POLL_SECONDS / 10)
    return ""


def _identity(pid: int) -> str:
    """Start time and command line of a live process; empty when there is none."""
    return _identity_from_proc(pid) if Path("/proc/self/stat").exists() else _identity_from_ps(pid)


def _identity_from_proc(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    started = fields[18]  # field 22 of the whole line, in clock ticks since boot
    return "" if state == "Z" else f"{started} {command.replace(bytes(1), b' ').decode(errors='replace').strip()}"


def _identity_from_ps(pid: int) -> str:
    words = ["ps", "-o", "stat=,lstart=,command=", "-ww", "-p", str(pid)]
    result = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})
    state, _, rest = result.stdout.strip().partition(" ")
    return "" if not state or state.startswith("Z") else rest.strip()


def _log_of(process: Process) -> str:
    return end_of(paths.log_file(process.name))


def _records() -> Path:
    return paths.home() / "processes"


def _record(name: str) -> Path:
    return _records() / f"{name}.json"

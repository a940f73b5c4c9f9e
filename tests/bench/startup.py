"""How long a function's module takes to import from its built asset, and how large the assets are."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from functions import names
from functions.handlers import http_api
from infra.constructs import python_code
from infra.local import paths

ASSETS = (names.STREAM_ASSET, names.SERVICE_ASSET)
# Inside the process, so that starting Python itself is not counted.
IMPORT = """
import importlib, sys, time
started = time.perf_counter()
importlib.import_module(sys.argv[1])
print((time.perf_counter() - started) * 1000)
"""
ROOM = """
import sys, time
started = time.perf_counter()
from functions.handlers import http_api
http_api._resolver(sys.argv[1])
print((time.perf_counter() - started) * 1000)
"""
# What a cold start of the ingest path also pays: botocore and its client.
CLIENT = """
import time
started = time.perf_counter()
import boto3
boto3.client("kinesis", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
print((time.perf_counter() - started) * 1000)
"""
TIMEOUT_SECONDS = 60


def asset_mb() -> dict[str, float]:
    """Unzipped, for the platform of AWS."""
    return {
        asset: round(python_code.megabytes(python_code.build(asset, python_code.LAMBDA_ARM64)), 1) for asset in ASSETS
    }


def import_ms(processes: int) -> tuple[dict[str, float | None], float]:
    """Per handler the best of so many fresh processes on what is shipped (None: it does not import); client time."""
    roots = {asset: python_code.build(asset, python_code.this_host()) for asset in ASSETS}
    found: dict[str, float | None] = {}
    for handler, (asset, path) in names.HANDLERS.items():
        module = path.rpartition(".")[0]
        times = [_run(IMPORT, roots, asset, module) for _ in range(processes)]
        measured = [time for time in times if time is not None]
        found[handler] = round(min(measured), 1) if measured else None
    clients = [_run(CLIENT, roots, names.STREAM_ASSET) for _ in range(processes)]
    return found, round(min(time for time in clients if time is not None), 1)


def room_ms(processes: int) -> dict[str, float | None]:
    """Per room of the API: importing its function and making the resolver of the first request to it."""
    root = {names.SERVICE_ASSET: python_code.build(names.SERVICE_ASSET, python_code.this_host())}
    found: dict[str, float | None] = {}
    for room in http_api.ROOMS:
        times = [_run(ROOM, root, names.SERVICE_ASSET, room) for _ in range(processes)]
        measured = [time for time in times if time is not None]
        found[room] = round(min(measured), 1) if measured else None
    return found


def runtime_python() -> str:
    """AWS's runtime and nothing else: boto3, no development dependency."""
    return str(paths.RUNTIME_PYTHON)


def _run(program: str, roots: Mapping[str, Path], asset: str, *arguments: str) -> float | None:
    result = subprocess.run(
        [runtime_python(), "-c", program, *arguments],
        env={"PYTHONPATH": str(roots[asset]), "PYTHONDONTWRITEBYTECODE": "1", **ENVIRONMENT},
        cwd=roots[asset],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    return float(result.stdout.split()[-1]) if result.returncode == 0 else None


# As deployed: settings are read at import by some libraries, never by our modules.
ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "POWERTOOLS_SERVICE_NAME": "tollbooth",
    names.ENV_STAGE: "bench",
}

"""Starts the AWS emulator on loopback with IAM enforced, and says how to speak to it."""

import json
import os
import urllib.request
from contextlib import suppress
from typing import Any

from infra.local import paths, processes
from infra.local.ports import LOOPBACK

NAME = "emulator"
REGION = "us-east-1"
ACCOUNT = "000000000000"
START_SECONDS = 60.0
# MiniStack, and what its Athena lacks of Trino.
PROGRAM = paths.REPOSITORY / "infra" / "local" / "emulator_program"

# What functions have in their environment beside what they are told: a JSON object, for tests that look on.
FUNCTION_ENVIRONMENT_VARIABLE = "TOLLBOOTH_FUNCTION_ENVIRONMENT"


def start(port: int) -> processes.Process:
    """Start the emulator and wait until it answers."""
    process = processes.start(
        NAME, [str(paths.EMULATOR_PYTHON), str(PROGRAM)], port=port, environment=_environment(port)
    )
    processes.wait_until(process, lambda: _is_healthy(port), seconds=START_SECONDS)
    return process


def url(port: int) -> str:
    # The address, not the name: with a name the SDK looks for buckets at bucket.localhost.
    return f"http://{LOOPBACK}:{port}"


def client_environment(port: int) -> dict[str, str]:
    """What the CDK and boto3 need to take the emulator for AWS, and nothing that leads to a real account."""
    return {
        "AWS_ENDPOINT_URL": url(port),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def client(service: Any, port: int) -> Any:
    """A boto3 client of the emulator with the rights of the account's root."""
    import boto3

    return boto3.client(
        service,
        endpoint_url=url(port),
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the emulator's own well-known word
    )


def _environment(port: int) -> dict[str, str]:
    """Complete: functions run inside the emulator inherit it, so nothing of the caller's environment may leak in."""
    scratch = paths.home() / "emulator-scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    return client_environment(port) | {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "PYTHONUNBUFFERED": "1",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": LOOPBACK,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "AUTH": "true",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "S3_DATA_DIR": str(scratch / "s3"),
        "STATE_DIR": str(scratch / "state"),
        **json.loads(os.environ.get(FUNCTION_ENVIRONMENT_VARIABLE, "{}")),
    }


def _is_healthy(port: int) -> bool:
    with suppress(OSError, ValueError), urllib.request.urlopen(f"{url(port)}/_ministack/health", timeout=2) as answer:
        return bool(json.load(answer)["auth"] == "enabled")
    return False

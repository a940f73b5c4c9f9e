"""Starts the Stripe stand-in, and introduces the deployed stacks and the stand-in to each other."""

import json
import urllib.request
from contextlib import suppress

from infra.local import emulator, paths, processes
from infra.local.ports import LOOPBACK

NAME = "stripe"
START_SECONDS = 30.0

# Both work on this machine alone: the stand-in listens on loopback and moves no money.
API_KEY = "sk_test_local_standin"
WEBHOOK_SECRET = "whsec_local_standin"

# Which installed app the webhook belongs to; one deployment has one.
APP = "stripe"


def start(port: int) -> processes.Process:
    """Start the stand-in and wait until it answers."""
    words = ["--port", str(port), "--api-key", API_KEY, "--webhook-secret", WEBHOOK_SECRET]
    command = [str(paths.DEV_PYTHON), "-m", "infra.local.stripe_standin", *words]
    process = processes.start(NAME, command, port=port, environment=_environment())
    processes.wait_until(process, lambda: _is_healthy(port), seconds=START_SECONDS)
    return process


def url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def introduce(*, stripe_port: int, emulator_port: int, secret_arn: str, api_url: str) -> str:
    """Give the stacks the stand-in's keys, and the stand-in the address of the webhook; answers that address."""
    secret = json.dumps({"api_key": API_KEY, "webhook_secrets": [WEBHOOK_SECRET]})
    emulator.client("secretsmanager", emulator_port).put_secret_value(SecretId=secret_arn, SecretString=secret)
    webhook = f"{api_url}/api/v1/apps/{APP}/stripe/webhook"
    _control(stripe_port, "webhook", {"url": webhook})
    return webhook


def pay(stripe_url: str, stripe_invoice: str) -> None:
    """What a customer does on the hosted page."""
    request = urllib.request.Request(f"{stripe_url}/invoices/{stripe_invoice}/pay", data=b"", method="POST")
    with urllib.request.urlopen(request, timeout=30):
        pass


def _control(port: int, action: str, body: dict[str, str]) -> None:
    request = urllib.request.Request(
        f"{url(port)}/_standin/{action}", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30):
        pass


def _is_healthy(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{url(port)}/_standin/health", timeout=2):
        return True
    return False


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(paths.REPOSITORY), "PYTHONUNBUFFERED": "1"}

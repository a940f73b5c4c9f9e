"""The first click after idle: what a new process works until it has answered, by the share of a processor it has.

Lambda gives a function a processor for each 1,769 MB. The sandbox itself, Python's start and the network are apart.
"""

import json
import subprocess
import uuid
from collections.abc import Mapping
from typing import Any

import boto3

from functions import names
from functions.handlers import http_api
from infra.constructs import python_code
from tests.bench import startup
from tests.bench.assumptions import ONE_VCPU_MB
from tests.bench.deployed import Deployed
from tests.conftest import LOCAL_CREDENTIALS, create_table
from tests.handlers.gateway import payload

REQUEST = """
import importlib, json, sys, time
started = time.process_time()
answer = importlib.import_module(sys.argv[1]).handler(json.loads(sys.argv[2]), None)
assert answer.get("statusCode", 200) == 200, answer
print((time.process_time() - started) * 1000)
"""
AUTHORIZER = "http_authorize"
API = "http_api"
UNKNOWN_KEY = {"headers": {"authorization": f"Bearer tb_01M8PHX7W2DY5R730000000000_{'0' * 64}"}}
LISTS = ("addons", "coupons", "customers", "features", "meters", "plans", "subscriptions")


def first_click_ms(endpoint: str, deployed: Deployed, processes: int) -> dict[str, float]:
    """Milliseconds of the authorizer, and by room of authorizer and first list together."""
    environment = _environment(endpoint)
    authorizer = _throttled(AUTHORIZER, UNKNOWN_KEY, environment, deployed, processes)
    found = {AUTHORIZER: round(authorizer, 1)}
    for room in LISTS:
        assert room in http_api.ROOMS
        listed = _throttled(API, payload("GET", f"/api/v1/{room}"), environment, deployed, processes)
        found[room] = round(authorizer + listed, 1)
    return found


def _throttled(handler: str, event: Any, environment: Mapping[str, str], deployed: Deployed, processes: int) -> float:
    asset, path = names.HANDLERS[handler]
    root = python_code.build(asset, python_code.this_host())
    command = [startup.runtime_python(), "-c", REQUEST, path.rpartition(".")[0], json.dumps(event)]
    times = []
    for _ in range(processes):
        told = subprocess.run(
            command,
            env={**environment, "PYTHONPATH": str(root)},
            cwd=root,
            capture_output=True,
            text=True,
            timeout=startup.TIMEOUT_SECONDS,
            check=True,
        )
        times.append(float(told.stdout.split()[-1]))
    return min(times) / min(1.0, deployed.memory_mb[handler] / ONE_VCPU_MB)


def _environment(endpoint: str) -> dict[str, str]:
    client = boto3.session.Session(
        LOCAL_CREDENTIALS["AWS_ACCESS_KEY_ID"], LOCAL_CREDENTIALS["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1"
    ).client("dynamodb", endpoint_url=endpoint)
    tables = {name: f"cold-{uuid.uuid4().hex}" for name in (names.ENV_USAGE_TABLE, names.ENV_BILLING_TABLE)}
    for table in tables.values():
        create_table(client, table)
    return {
        **startup.ENVIRONMENT,
        **LOCAL_CREDENTIALS,
        **tables,
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
        names.ENV_LANES: "8",
        names.ENV_FUNCTION_SECONDS: "29",
    }

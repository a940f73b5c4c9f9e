"""Fixtures several rooms share: DynamoDB tables on AWS's own DynamoDB Local, and a whole local stack."""

import json
import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from functions import names
from infra.local import checks, emulator, paths, patience, processes
from infra.local.dynamodb_local import dynamodb_local
from infra.local.emulator import FUNCTION_ENVIRONMENT_VARIABLE
from infra.local.failure import StepFailed
from infra.local.ports import free_port
from infra.local.state import LocalStack
from tests.grants import grants, watching
from tests.grants.replayed import recording_in, refusals

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# A tool gives up by itself what does not move; this is for one that hangs. While assets are built, pip is silent for
# minutes.
TOOL_IDLE_SECONDS = 900.0

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

# What the CDK will drop fails here, and is not a warning under everybody's `make synth`. Its Node process starts later.
os.environ.setdefault("JSII_DEPRECATED", "fail")

# Where hypothesis keeps the settings of a test; there is no public way to change them after the decorator.
HYPOTHESIS_SETTINGS = "_hypothesis_internal_use_settings"

# What starts a program beside the tests, and how those who take it are marked.
PROGRAMS = {
    "stack": pytest.mark.stack,
    "dynamodb": pytest.mark.database,
    "dynamodb_endpoint": pytest.mark.database,
    "aws": pytest.mark.emulator,
}

REGION = "us-east-1"
LOCAL_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


@dataclass(frozen=True)
class DynamoDb:
    """A running DynamoDB Local with two fresh tables, keyed like the deployed ones."""

    endpoint: str
    client: "DynamoDBClient"
    usage_table: str
    billing_table: str


@pytest.fixture(scope="session")
def dynamodb_endpoint() -> Iterator[str]:
    """One DynamoDB Local per test process (and so one per xdist worker)."""
    try:
        with dynamodb_local() as endpoint:
            yield endpoint
    except StepFailed as failure:
        pytest.fail(f"{failure.reason} {failure.remedy}", pytrace=False)


@pytest.fixture(scope="session")
def dynamodb_client(dynamodb_endpoint: str) -> "DynamoDBClient":
    import boto3

    client: DynamoDBClient = boto3.client(
        "dynamodb",
        endpoint_url=dynamodb_endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    return client


@pytest.fixture
def dynamodb(
    dynamodb_endpoint: str, dynamodb_client: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> Iterator[DynamoDb]:
    with fresh_tables(dynamodb_endpoint, dynamodb_client, monkeypatch) as database:
        yield database


@contextmanager
def fresh_tables(endpoint: str, client: "DynamoDBClient", patch: pytest.MonkeyPatch) -> Iterator[DynamoDb]:
    """Tables of their own; plain boto3 clients and the settings module find them through the environment."""
    suffix = uuid.uuid4().hex
    database = DynamoDb(endpoint, client, f"usage-{suffix}", f"billing-{suffix}")
    for name in (database.usage_table, database.billing_table):
        create_table(client, name)
    environment = LOCAL_CREDENTIALS | {
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
        names.ENV_USAGE_TABLE: database.usage_table,
        names.ENV_BILLING_TABLE: database.billing_table,
    }
    for variable, value in environment.items():
        patch.setenv(variable, value)
    yield database
    for name in (database.usage_table, database.billing_table):
        with suppress(client.exceptions.ResourceNotFoundException):
            client.delete_table(TableName=name)


def create_table(client: "DynamoDBClient", name: str) -> None:
    keys: dict[str, Any] = {
        "KeySchema": [
            {"AttributeName": names.PARTITION_KEY, "KeyType": "HASH"},
            {"AttributeName": names.SORT_KEY, "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": names.PARTITION_KEY, "AttributeType": "S"},
            {"AttributeName": names.SORT_KEY, "AttributeType": "S"},
        ],
    }
    client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **keys)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The emulator's Kinesis, S3 and CloudFormation: its port; one for all who need no stack in a test process."""
    home = tmp_path_factory.mktemp("home")
    with _at(home):
        port = emulator.start(free_port()).port
    try:
        assert port
        yield port
    finally:
        with _at(home):
            processes.stop(emulator.NAME)


@contextmanager
def _at(home: Path) -> Iterator[None]:
    """Only while it starts and stops: other tests have homes of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOLLBOOTH_HOME", str(home))
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that takes the stack is marked so: one without the mark would start a second stack in its own process.

    A test that takes another program is marked, too, so that `make unit` can leave it out.
    """
    most_examples = int(os.environ.get(checks.EXAMPLES, "0"))
    for item in items:
        for fixture, mark in PROGRAMS.items():
            if _takes(item, fixture):
                item.add_marker(mark)
        if most_examples:
            _limit_examples(getattr(item, "obj", None), most_examples)


def _takes(item: pytest.Item, fixture: str) -> bool:
    """Asked for by name, or by a case of that name: tests of a contract get their store's fixture as they run."""
    cases = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    return fixture in getattr(item, "fixturenames", ()) or fixture in [case for case in cases if isinstance(case, str)]


def _limit_examples(test: Any, most: int) -> None:
    """A property test tries the same few examples each time; it says itself how many it wants otherwise."""
    if wanted := getattr(test, HYPOTHESIS_SETTINGS, None):
        few = hypothesis.settings(wanted, max_examples=min(most, wanted.max_examples), derandomize=True, database=None)
        setattr(getattr(test, "__func__", test), HYPOTHESIS_SETTINGS, few)


@pytest.fixture(autouse=True)
def within_the_policies_of_prod() -> Iterator[None]:
    """All that a handler asks AWS for in a test, its function may do in prod."""
    watching.refused.clear()
    yield
    assert sorted(set(watching.refused)) == []


def pytest_sessionfinish() -> None:
    """Of each process: which permissions of prod its tests have used, for `python -m tests.grants`."""
    if folder := os.environ.get(checks.USED_GRANTS):
        grants.save_used(Path(folder))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A local stack of this session's own, on free ports, with the demo told once.

    For quick rounds while developing, TOLLBOOTH_TEST_HOME=.local takes the stack that `make up` left running.
    """
    if running := os.environ.get("TOLLBOOTH_TEST_HOME"):
        yield LocalStack(**json.loads((Path(running) / "stack.json").read_text()))
        return
    home = tmp_path_factory.mktemp("stack")
    needs = home / "needs"
    try:
        local_tool("up", home, {FUNCTION_ENVIRONMENT_VARIABLE: json.dumps(recording_in(needs))})
        stack = LocalStack(**json.loads((home / "stack.json").read_text()))
        yield stack
        assert refusals(needs, stack.outputs) == []
    finally:
        local_tool("down", home)


def local_tool(name: str, home: Path, more: Mapping[str, str] | None = None) -> str:
    """Run `python -m infra.local.<name>` for the stack in `home`, with `more` in its environment; what it printed."""
    configured = {"TOLLBOOTH_PORT", "TOLLBOOTH_STRIPE_PORT", "TOLLBOOTH_EMULATOR_PORT"}
    environment = {name: value for name, value in os.environ.items() if name not in configured}
    with tempfile.TemporaryFile("w+") as output:
        running = subprocess.Popen(
            [paths.DEV_PYTHON, "-m", f"infra.local.{name}"],
            cwd=paths.REPOSITORY,
            env=environment | {"TOLLBOOTH_HOME": str(home)} | dict(more or {}),
            stdout=output,
            stderr=subprocess.STDOUT,
        )

        def look() -> tuple[int | None, float, int]:
            # Not what it prints: it says every few seconds that it is still working.
            logs = sum(log.stat().st_size for log in home.glob("logs/*.log"))
            return running.poll(), patience.cpu_seconds(running.pid), logs

        try:
            code, *_ = patience.wait_while_it_moves(
                look, lambda seen: seen[0] is not None, f"infra.local.{name}", idle_seconds=TOOL_IDLE_SECONDS
            )
        finally:
            if running.poll() is None:
                running.kill()
                running.wait()
        output.seek(0)
        printed = output.read()
    if code != 0:
        pytest.fail(f"python -m infra.local.{name} failed:\n{printed}", pytrace=False)
    return printed

"""What functions need around them when they are replayed: AWS, DynamoDB, Stripe and the built assets."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions import names
from infra.constructs import python_code
from infra.local import emulator, processes, stripe
from infra.local.ports import free_port
from infra.local.stripe_standin.server import running as running_stripe
from tests.conftest import LOCAL_CREDENTIALS, DynamoDb
from tests.replay import cloudformation
from tests.replay.world import LEDGER_KEY, World

LANES = 2
# The committed events keep their dates: they must not grow too old for the acceptance window.
ACCEPT_PAST_DAYS = 36_500


@pytest.fixture(scope="session")
def assets() -> dict[str, Path]:
    """Both assets as they are deployed to the local stage, built for this machine's Python."""
    platform = python_code.this_host()
    return {asset: python_code.build(asset, platform) for asset in (names.STREAM_ASSET, names.SERVICE_ASSET)}


@pytest.fixture(scope="session")
def aws_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """One emulator for all replays of this process."""
    home = str(tmp_path_factory.mktemp("replay"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOLLBOOTH_HOME", home)
        process = emulator.start(free_port())
    yield process.port
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOLLBOOTH_HOME", home)
        processes.stop(emulator.NAME)


@pytest.fixture
def world(aws_port: int, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Fresh tables, stream, bucket, secrets, state machine and Stripe; the environment leads to them."""
    with (
        running_stripe(api_key=stripe.API_KEY, webhook_secret=stripe.WEBHOOK_SECRET) as stripe_server,
        cloudformation.listening() as formation,
    ):
        environment = (
            LOCAL_CREDENTIALS
            | resources(aws_port)
            | {
                "AWS_ENDPOINT_URL": emulator.url(aws_port),
                "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.endpoint,
                names.ENV_STAGE: "test",
                names.ENV_USAGE_TABLE: dynamodb.usage_table,
                names.ENV_BILLING_TABLE: dynamodb.billing_table,
                names.ENV_LANES: str(LANES),
                names.ENV_ACCEPT_PAST_DAYS: str(ACCEPT_PAST_DAYS),
                names.ENV_COLLECTION_SECONDS: "0",
                names.ENV_STRIPE_API_BASE: stripe_server.url,
            }
        )
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        yield World(dynamodb, environment, stripe_server, formation)


def resources(port: int) -> dict[str, str]:
    """What the data and ingestion stacks create, under names of this test's own."""
    suffix = uuid.uuid4().hex[:12]
    stream, bucket = f"stream-{suffix}", f"archive-{suffix}"
    emulator.client("kinesis", port).create_stream(StreamName=stream, ShardCount=1)
    emulator.client("s3", port).create_bucket(Bucket=bucket)
    return {
        names.ENV_STREAM_NAME: stream,
        names.ENV_ARCHIVE_BUCKET: bucket,
        names.ENV_ARCHIVE_WORKGROUP: "primary",
        names.ENV_ARCHIVE_DATABASE: "default",
        names.ENV_LEDGER_SECRET: secret(port, f"ledger-{suffix}", LEDGER_KEY),
        names.ENV_ADMIN_SECRET: secret(port, f"admin-{suffix}", "not made yet"),
        names.ENV_STRIPE_SECRET: secret(port, f"stripe-{suffix}", json.dumps(stripe_secret())),
        names.ENV_BILLING_MACHINE: machine(port, f"billing-{suffix}"),
        names.ENV_BACKFILL_MACHINE: machine(port, f"backfill-{suffix}"),
        names.ENV_MIGRATION_MACHINE: machine(port, f"migration-{suffix}"),
    }


def secret(port: int, name: str, value: str) -> str:
    made = emulator.client("secretsmanager", port).create_secret(Name=name, SecretString=value)
    return str(made["ARN"])


def stripe_secret() -> dict[str, Any]:
    return {"api_key": stripe.API_KEY, "webhook_secrets": [stripe.WEBHOOK_SECRET]}


def machine(port: int, name: str) -> str:
    """The caller that starts it only needs it to exist."""
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = emulator.client("iam", port).create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    made = emulator.client("stepfunctions", port).create_state_machine(name=name, definition=definition, roleArn=role)
    return str(made["stateMachineArn"])

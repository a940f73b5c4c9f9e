"""Fixtures several rooms share: DynamoDB tables on AWS's own DynamoDB Local, and a whole local stack."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from functions import names
from infra.local.dynamodb_local import dynamodb_local
from infra.local.failure import StepFailed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

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
    """Fresh tables for one test; plain boto3 clients and the settings module find them through the environment."""
    suffix = uuid.uuid4().hex
    database = DynamoDb(dynamodb_endpoint, dynamodb_client, f"usage-{suffix}", f"billing-{suffix}")
    for name in (database.usage_table, database.billing_table):
        create_table(dynamodb_client, name)
    environment = LOCAL_CREDENTIALS | {
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_endpoint,
        names.ENV_USAGE_TABLE: database.usage_table,
        names.ENV_BILLING_TABLE: database.billing_table,
    }
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    yield database
    for name in (database.usage_table, database.billing_table):
        with suppress(dynamodb_client.exceptions.ResourceNotFoundException):
            dynamodb_client.delete_table(TableName=name)


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

"""What every room is given: the clock, identifiers, clients and tables. One cached factory a port, in one place.

A factory imports its technology only when it is first asked.
"""

import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from functions.handlers import settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from functions.adapters.clock import SystemClock
    from functions.adapters.dynamo.table import Table


@cache
def clock() -> "SystemClock":
    from functions.adapters.clock import SystemClock

    return SystemClock()


@cache
def _database() -> "DynamoDBClient":
    """One that looks at parameters: records of people are of every shape."""
    from functions.adapters.aws import aws_client, patience_of

    client: DynamoDBClient = aws_client("dynamodb", patience_of(settings.function_seconds()))
    return client


@cache
def billing_table() -> "Table":
    from functions.adapters.dynamo.table import Table

    return Table(_database(), settings.billing_table())


@cache
def usage_table() -> "Table":
    from functions.adapters.dynamo.table import Table

    return Table(_database(), settings.usage_table())


def new_id() -> str:
    return uuid.uuid4().hex


def new_ulid() -> str:
    from ulid import ULID

    return str(ULID())


@cache
def aws(service: str) -> Any:
    """A plain client of one service; hot paths send requests we build ourselves, so botocore need not check them."""
    from functions.adapters.aws import aws_client, patience_of

    return aws_client(service, patience_of(settings.function_seconds()), is_checked=False)


def microseconds() -> int:
    """Of the clock, since the epoch."""
    return (clock().now() - EPOCH) // timedelta(microseconds=1)

"""The composition root of questions to the archive."""

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from functions.handlers import settings
from functions.handlers.wiring import base

if TYPE_CHECKING:
    from functions.adapters.athena.engine import AthenaEngine
    from functions.adapters.dynamo.analytics.archive_query_store import DynamoArchiveQueries
    from functions.adapters.dynamo.analytics.commit_numbers import DynamoCommitNumbers


@cache
def engine() -> "AthenaEngine":
    from functions.adapters.athena.engine import AthenaEngine

    return AthenaEngine(base.aws("athena"), settings.archive_workgroup(), settings.archive_database())


def queries() -> "DynamoArchiveQueries":
    from functions.adapters.dynamo.analytics.archive_query_store import DynamoArchiveQueries

    return DynamoArchiveQueries(base.billing_table())


def numbers() -> "DynamoCommitNumbers":
    from functions.adapters.dynamo.analytics.commit_numbers import DynamoCommitNumbers

    return DynamoCommitNumbers(base.aws("dynamodb"), settings.usage_table(), settings.lanes())


def ulid_at(at: datetime) -> str:
    from ulid import ULID

    return str(ULID.from_datetime(at))

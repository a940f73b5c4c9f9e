"""The DynamoDB client of a process, and its errors in the words of this room, so that stores never read error codes."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from functions.adapters.dynamo.codec import Item, decode_item
from functions.domain.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RETRY_AFTER_SECONDS = 1
# Transactions over the same items last milliseconds: five pauses of 20 ms and doubling outlast them within a second.
MAX_CONTENDED_ATTEMPTS = 6
CONTENDED_PAUSE_SECONDS = 0.02
THROTTLED = {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"}
CONTENDED = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
Answer = TypeVar("Answer")


class ConditionFailed(Exception):
    """A conditional write was refused; `stored` is what the table holds instead, None when nothing."""

    def __init__(self, stored: Item | None) -> None:
        super().__init__("The condition of a write was not met.")
        self.stored = stored


class TransactionRefused(Exception):
    """A transaction was refused; `stored` maps the index of each failed write to what the table holds instead."""

    def __init__(self, stored: Mapping[int, Item | None]) -> None:
        super().__init__(f"The conditions of the writes {sorted(stored)} were not met.")
        self.stored = stored


class Contended(Exception):
    """Another transaction touched the same items at the same moment; nothing was written, trying again may succeed."""


@cache
def dynamodb_client(endpoint: str | None = None) -> "DynamoDBClient":
    """One client per process; `endpoint` only keeps apart the clients of different databases in one test process."""
    config = Config(
        connect_timeout=2,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 5},
        tcp_keepalive=True,
    )
    client: DynamoDBClient = boto3.client("dynamodb", config=config, endpoint_url=endpoint)
    return client


@contextmanager
def translated() -> Iterator[None]:
    """Raises ConditionFailed, TransactionRefused, Contended or Unavailable for what the client raises inside."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        answer: Any = error.response
        if code == "ConditionalCheckFailedException":
            raise ConditionFailed(_stored(answer)) from error
        if code == "TransactionCanceledException":
            raise _cancelled(answer.get("CancellationReasons", [])) from error
        if code in ("TransactionConflictException", "TransactionInProgressException"):
            raise Contended from error
        if code in THROTTLED:
            raise too_busy() from error
        raise


def patiently(write: Callable[[], Answer]) -> Answer:
    """Run a write again when another transaction was in its way; raises what `translated` raises."""
    for attempt in range(MAX_CONTENDED_ATTEMPTS):
        try:
            with translated():
                return write()
        except Contended:
            time.sleep(CONTENDED_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311 - no secret
    raise too_busy()


def too_busy() -> Unavailable:
    return Unavailable("The database is too busy; try again.", retry_after_seconds=RETRY_AFTER_SECONDS)


def _stored(answer: Mapping[str, Any]) -> Item | None:
    return decode_item(answer["Item"]) if answer.get("Item") else None


def _cancelled(reasons: Sequence[Mapping[str, Any]]) -> Exception:
    failed = {
        index: _stored(reason) for index, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed"
    }
    if failed:
        return TransactionRefused(failed)
    if any(reason.get("Code") in CONTENDED for reason in reasons):
        return Contended()
    return RuntimeError(f"DynamoDB cancelled a transaction: {[reason.get('Code') for reason in reasons]}")

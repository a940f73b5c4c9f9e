"""DynamoDB's errors in the words of this room, so that stores never read error codes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from functions.adapters.aws import ROLES, busy, pauses
from functions.adapters.dynamo.codec import Item, decode_item
from functions.domain.errors import Unavailable

# Transactions over the same items last milliseconds: five pauses, of up to 40 ms and doubling, outlast them.
MAX_CONTENDED_ATTEMPTS = 6
CONTENDED_PAUSE_SECONDS = 0.04
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
        raise


def patiently(write: Callable[[], Answer]) -> Answer:
    """Run a write again when another transaction was in its way; raises what `translated` raises."""
    for _ in pauses(MAX_CONTENDED_ATTEMPTS, CONTENDED_PAUSE_SECONDS):
        with suppress(Contended), translated():
            return write()
    raise too_busy()


def too_busy() -> Unavailable:
    return busy(ROLES["dynamodb"])


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

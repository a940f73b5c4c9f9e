"""Writing counter pages 25 to a request, each under the stamp it was seen with; an attribute holds a window's cells."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from functions.adapters.aws import ROLES, busy, pauses
from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.metering.packed_windows import packed_windows, stored_cells
from functions.domain.metering.cells.pages import Page, PageKey, PageWrite
from functions.names import PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STAMP = "a"
MAX_STATEMENTS = 25  # DynamoDB's own limit for one batch
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html
THROTTLED = {"ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"}
THROTTLED_TRIES, THROTTLED_PAUSE_SECONDS = 10, 0.05
# Trying again would not help; anything else (not as it was seen, interrupted) is worth another look.
HOPELESS = {"ValidationError", "AccessDenied", "ResourceNotFound"}


class PageWriter:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def write(self, writes: Sequence[PageWrite]) -> list[bool]:
        """Which of the writes took place; the others were refused, or nobody knows."""
        answers = executed(self._client, list(map(self._statement, writes)))
        return [was_done(answer, f"Page {write.page.key}") for write, answer in zip(writes, answers, strict=True)]

    def _statement(self, write: PageWrite) -> dict[str, Any]:
        page, stamp = write.page, {"N": str(write.stamp)}
        windows = packed_windows(page.key, page.cells, write.changed)
        names, values = tuple(windows), [{"B": window} for window in windows.values()]
        key = page_key(page.key)
        place = (key[PARTITION_KEY], key[SORT_KEY])
        if page.stamp:
            text = _update(self._table, names)
            return {"Statement": text, "Parameters": [stamp, *values, *place, {"N": str(page.stamp)}]}
        text = insertion(self._table, (*names, PARTITION_KEY, SORT_KEY, STAMP))
        return {"Statement": text, "Parameters": [*values, *place, stamp]}


def executed(client: "DynamoDBClient", statements: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    """The answers to statements, in order, each batch of them run when its first answer is asked for.

    Statements that were throttled, which an answer of 200 says of each, are run again; raises Unavailable when some
    always are.
    """
    for start in range(0, len(statements), MAX_STATEMENTS):
        yield from _executed(client, statements[start : start + MAX_STATEMENTS])


def _executed(client: "DynamoDBClient", batch: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
    answers: list[Mapping[str, Any]] = [{}] * len(batch)
    waiting = list(range(len(batch)))
    for _ in pauses(THROTTLED_TRIES, THROTTLED_PAUSE_SECONDS):
        found = client.batch_execute_statement(Statements=[batch[place] for place in waiting])["Responses"]
        for place, answer in zip(waiting, found, strict=True):
            answers[place] = answer
        waiting = [place for place in waiting if answers[place].get("Error", {}).get("Code") in THROTTLED]
        if not waiting:
            return answers
    raise busy(ROLES["dynamodb"])


def was_done(answer: Mapping[str, Any], what: str) -> bool:
    """Whether a statement of a batch took effect; raises RuntimeError when it never will."""
    error = answer.get("Error")
    if error and error.get("Code") in HOPELESS:
        raise RuntimeError(f"{what} cannot be written: {error}")
    return not error


@lru_cache(maxsize=10_000)  # many pages of a batch share one
def _update(table: str, names: tuple[str, ...]) -> str:
    sets = " ".join(f'SET "{name}"=?' for name in names)
    update = f'UPDATE "{table}" SET "{STAMP}"=? {sets}'  # noqa: S608 - names of ours only, values are parameters
    return f'{update} WHERE "{PARTITION_KEY}"=? AND "{SORT_KEY}"=? AND "{STAMP}"=?'


@lru_cache(maxsize=10_000)
def insertion(table: str, names: tuple[str, ...]) -> str:
    """A statement that puts an item of these attributes; it fails where there is one already."""
    fields = ", ".join(f"'{name}': ?" for name in names)
    return f'INSERT INTO "{table}" VALUE {{{fields}}}'


def page_key(key: PageKey) -> dict[str, Any]:
    return {PARTITION_KEY: {"S": keys.page_owner(key)}, SORT_KEY: {"S": keys.page(key.span, key.number)}}


def stored_page(key: PageKey, item: Mapping[str, Any]) -> Page:
    return Page(key, int(item[STAMP]["N"]), stored_cells(key, item))

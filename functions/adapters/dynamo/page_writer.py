"""Writing counter pages: pages this process knows go 25 to a request, others one by one; each exactly once.

A known page is updated under the stamp this process last saw, so what it believes about the page is still true; if
it is not, or if the page is unknown, an ADD under "stamp below this commit" decides.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.adapters.dynamo import usage_keys as keys
from functions.domain.metering.pages import PageDelta, PageKey, is_cell
from functions.names import PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STAMP = "a"
MAX_STATEMENTS = 25  # DynamoDB's own limit for one batch
MAX_STATEMENT_CELLS = 150  # a statement ends at 8,192 characters
MAX_KNOWN_PAGES = 60_000  # about 80 MB of cell names

Known = tuple[int, frozenset[str]]  # the stamp last seen and the cells there were


class PageWriter:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table
        self._known: OrderedDict[PageKey, Known] = OrderedDict()

    def add(self, stamp: int, deltas: Sequence[PageDelta]) -> None:
        """Add every delta to its page unless the page bears this stamp or a later one."""
        known: list[PageDelta] = []
        unknown: list[PageDelta] = []
        for delta in deltas:
            seen = self._known.get(delta.key)
            if seen is None or len(delta.add) > MAX_STATEMENT_CELLS:
                unknown.append(delta)
            elif seen[0] < stamp:  # otherwise the page already holds this commit
                known.append(delta)
        for start in range(0, len(known), MAX_STATEMENTS):
            unknown += self._add_known(stamp, known[start : start + MAX_STATEMENTS])
        for delta in unknown:
            self._add_unknown(stamp, delta)

    def _add_known(self, stamp: int, deltas: list[PageDelta]) -> list[PageDelta]:
        """One request for up to 25 pages; returns the pages that were not as they were known."""
        statements: Any = [self._statement(stamp, delta, *self._known[delta.key]) for delta in deltas]
        answers = self._client.batch_execute_statement(Statements=statements)["Responses"]
        changed = []
        for delta, answer in zip(deltas, answers, strict=True):
            if "Error" in answer:
                del self._known[delta.key]
                changed.append(delta)
            else:
                cells = self._known[delta.key][1]
                self._remember(delta.key, stamp, cells if delta.add.keys() <= cells else cells.union(delta.add))
        return changed

    def _statement(self, stamp: int, delta: PageDelta, seen: int, cells: frozenset[str]) -> dict[str, Any]:
        new = frozenset(delta.add.keys() - cells)
        key = page_key(delta.key)
        values = [{"N": str(value)} for value in delta.add.values()]
        return {
            "Statement": _update_text(self._table, tuple(delta.add), new),
            "Parameters": [{"N": str(stamp)}, *values, key[PARTITION_KEY], key[SORT_KEY], {"N": str(seen)}],
        }

    def _add_unknown(self, stamp: int, delta: PageDelta) -> None:
        adds = ", ".join(f"#{i} :{i}" for i in range(len(delta.add)))
        names = {f"#{i}": name for i, name in enumerate(delta.add)}
        values: Any = {f":{i}": {"N": str(value)} for i, value in enumerate(delta.add.values())}
        try:
            stored: Mapping[str, Any] = self._client.update_item(
                TableName=self._table,
                Key=page_key(delta.key),
                UpdateExpression=f"ADD {adds} SET #stamp = :stamp",
                ConditionExpression="attribute_not_exists(#stamp) OR #stamp < :stamp",
                ExpressionAttributeNames=names | {"#stamp": STAMP},
                ExpressionAttributeValues=values | {":stamp": {"N": str(stamp)}},
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )["Attributes"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            answer: Any = error.response
            stored = answer["Item"]
        self._remember(delta.key, int(stored[STAMP]["N"]), frozenset(filter(is_cell, stored)))

    def forget(self, key: PageKey) -> None:
        self._known.pop(key, None)

    def _remember(self, key: PageKey, stamp: int, cells: frozenset[str]) -> None:
        self._known[key] = (stamp, cells)
        self._known.move_to_end(key)
        if len(self._known) > MAX_KNOWN_PAGES:
            self._known.popitem(last=False)


@lru_cache(maxsize=10_000)
def _update_text(table: str, names: tuple[str, ...], new: frozenset[str]) -> str:
    """The statement of an update that adds to some cells and makes others; many pages of a batch share one."""
    sets = " ".join(f'SET "{name}"=?' if name in new else f'SET "{name}"="{name}"+?' for name in names)
    update = f'UPDATE "{table}" SET "{STAMP}"=? {sets}'  # noqa: S608 - names of ours only, values are parameters
    return f'{update} WHERE "{PARTITION_KEY}"=? AND "{SORT_KEY}"=? AND "{STAMP}"=?'


def page_key(key: PageKey) -> dict[str, Any]:
    return {PARTITION_KEY: {"S": keys.page_owner(key)}, SORT_KEY: {"S": keys.page(key.span, key.number)}}


def cells_of(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and number texts of a stored page's cells."""
    for name, value in attributes.items():
        if is_cell(name):
            yield name, value["N"]

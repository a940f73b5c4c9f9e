"""Writing counter pages 25 to a request, each under the stamp it was seen with; and a page's cells as attributes."""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import raise_unless_condition_failed
from functions.domain.metering.aggregation import DIRTY, Cell, Number
from functions.domain.metering.pages import Page, PageKey, PageWrite, as_number, is_cell
from functions.names import PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STAMP = "a"
# DynamoDB refuses more digits, which would stop the lane. Only a sum above 10^20 with 18 fraction digits has more.
STORED_NUMBERS = Context(prec=38)
MAX_STATEMENTS = 25  # DynamoDB's own limit for one batch
MAX_STATEMENT_CELLS = 150  # a statement ends at 8,192 characters, and a cell takes at most 24
# Trying again would not help; anything else (not as it was seen, throttled, interrupted) is worth another look.
HOPELESS = {"ValidationError", "AccessDenied", "ResourceNotFound"}


class PageWriter:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def write(self, stamp: int, writes: Sequence[PageWrite]) -> list[bool]:
        """Which of the writes took place; the others were refused, or nobody knows."""
        took = [False] * len(writes)
        small = []
        for index, write in enumerate(writes):
            if len(write.changed) > MAX_STATEMENT_CELLS:
                took[index] = self._put(stamp, write)
            else:
                small.append(index)
        for start in range(0, len(small), MAX_STATEMENTS):
            batch = small[start : start + MAX_STATEMENTS]
            statements: Any = [self._statement(stamp, writes[index]) for index in batch]
            answers = self._client.batch_execute_statement(Statements=statements)["Responses"]
            for index, answer in zip(batch, answers, strict=True):
                error = answer.get("Error")
                if error and error.get("Code") in HOPELESS:
                    raise RuntimeError(f"Page {writes[index].page.key} cannot be written: {error}")
                took[index] = not error
        return took

    def _statement(self, stamp: int, write: PageWrite) -> dict[str, Any]:
        page, changed = write
        key = page_key(page.key)
        values = [{"N": str(cell)} if type(cell) is int else _attribute(cell) for cell in changed.values()]
        place = (key[PARTITION_KEY], key[SORT_KEY])
        if page.stamp:
            text = _update(self._table, tuple(changed))
            return {"Statement": text, "Parameters": [{"N": str(stamp)}, *values, *place, {"N": str(page.stamp)}]}
        return {"Statement": _insert(self._table, tuple(changed)), "Parameters": [*values, *place, {"N": str(stamp)}]}

    def _put(self, stamp: int, write: PageWrite) -> bool:
        """Too many cells for a statement: the page is known whole and written whole."""
        page, changed = write
        cells = {name: _attribute(cell) for name, cell in (page.cells | changed).items()}
        unchanged: dict[str, Any] = {"ConditionExpression": f"attribute_not_exists({STAMP})"}
        if page.stamp:
            seen = {":seen": {"N": str(page.stamp)}}
            unchanged = {"ConditionExpression": f"{STAMP} = :seen", "ExpressionAttributeValues": seen}
        item = {**page_key(page.key), STAMP: {"N": str(stamp)}, **cells}
        try:
            self._client.put_item(TableName=self._table, Item=item, **unchanged)
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True


@lru_cache(maxsize=10_000)  # many pages of a batch share one
def _update(table: str, names: tuple[str, ...]) -> str:
    sets = " ".join(f'SET "{name}"=?' for name in names)
    update = f'UPDATE "{table}" SET "{STAMP}"=? {sets}'  # noqa: S608 - names of ours only, values are parameters
    return f'{update} WHERE "{PARTITION_KEY}"=? AND "{SORT_KEY}"=? AND "{STAMP}"=?'


@lru_cache(maxsize=10_000)
def _insert(table: str, names: tuple[str, ...]) -> str:
    """An insert fails where an item exists already."""
    fields = ", ".join(f"'{name}': ?" for name in (*names, PARTITION_KEY, SORT_KEY, STAMP))
    return f'INSERT INTO "{table}" VALUE {{{fields}}}'


def page_key(key: PageKey) -> dict[str, Any]:
    return {PARTITION_KEY: {"S": keys.page_owner(key)}, SORT_KEY: {"S": keys.page(key.span, key.number)}}


def stored_page(key: PageKey, item: Mapping[str, Any]) -> Page:
    return Page(key, int(item[STAMP]["N"]), {name: _cell(value) for name, value in item.items() if is_cell(name)})


def _attribute(cell: Cell) -> dict[str, Any]:
    """Numbers are N, a latest value a list of its second and itself, values and sketches binary, a dirty cell NULL."""
    if cell == DIRTY:
        return {"NULL": True}
    if isinstance(cell, bytes):
        return {"B": cell}
    if isinstance(cell, tuple):
        return {"L": [{"N": str(number)} for number in cell]}
    return {"N": str(cell if isinstance(cell, int) else STORED_NUMBERS.plus(cell))}


def _cell(value: Mapping[str, Any]) -> Cell:
    ((kind, content),) = value.items()
    if kind == "N":
        return _number(content)
    if kind == "NULL":
        return DIRTY
    if kind == "B":
        return bytes(content)
    second, latest = content
    return int(second["N"]), _number(latest["N"])


def _number(text: str) -> Number:
    return int(text) if text.isdigit() else as_number(Decimal(text))

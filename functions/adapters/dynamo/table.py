"""One DynamoDB table through the low-level client: strong reads, conditional writes, bounded queries, transactions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.adapters.aws import pauses
from functions.adapters.dynamo.client import patiently, too_busy, translated
from functions.adapters.dynamo.codec import Item, decode_item, encode, encode_item
from functions.adapters.dynamo.condition import VERSION, Condition, version_is
from functions.domain.errors import TooLarge
from functions.names import PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# A query that yields more than this is a design error, not a longer wait: 100,000 items of 1 KB are 100 reads of 1 MB.
MAX_QUERIED_ITEMS = 100_000
# One answer of 1 MB holds seldom more, and a page of a list shows at most 1,000 and looks for one more.
MAX_STRETCH_ITEMS = 1_001
# Counted by one request: about as many as lie in the 1 MB that one looks at.
MAX_COUNT_ITEMS = 2_000
MAX_PARTITION_KEY_BYTES = 2_048  # DynamoDB's own limit
MAX_SORT_KEY_BYTES = 1_024  # DynamoDB's own limit
MAX_BATCH_GET = 100  # DynamoDB's own limit
MAX_TRANSACTION_WRITES = 100  # DynamoDB's own limit
UNPROCESSED_TRIES, UNPROCESSED_PAUSE_SECONDS = 10, 0.05


@dataclass(frozen=True)
class Stretch:
    """Some items of a partition; `looked_at` counts also those that a condition left out, `end` is None at the end."""

    items: list[Item]
    looked_at: int
    end: str | None


class Table:
    """Items are plain dicts with `pk` and `sk`; see codec for the exact mapping of values."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self.client = client
        self.name = name

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        if not _can_be_stored(pk, sk):
            return None
        with translated():
            answer = self.client.get_item(TableName=self.name, Key=_key(pk, sk), ConsistentRead=consistent)
        return decode_item(answer["Item"]) if "Item" in answer else None

    def batch_get(self, keys: Sequence[tuple[str, str]]) -> list[Item]:
        """The stored items of distinct keys, in no particular order; missing ones are left out."""
        found: list[Item] = []
        keys = [key for key in keys if _can_be_stored(*key)]
        for start in range(0, len(keys), MAX_BATCH_GET):
            found += self._batch_get(keys[start : start + MAX_BATCH_GET])
        return found

    def _batch_get(self, keys: Sequence[tuple[str, str]]) -> list[Item]:
        found: list[Item] = []
        request: Any = {self.name: {"Keys": [_key(pk, sk) for pk, sk in keys], "ConsistentRead": True}}
        for _ in pauses(UNPROCESSED_TRIES, UNPROCESSED_PAUSE_SECONDS):
            with translated():
                answer = self.client.batch_get_item(RequestItems=request)
            found += map(decode_item, answer["Responses"].get(self.name, []))
            request = answer.get("UnprocessedKeys")
            if not request:
                return found
        raise too_busy()

    def query(
        self,
        pk: str,
        *,
        prefix: str | None = None,
        first: str | None = None,
        last: str | None = None,
        after: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        consistent: bool = True,
    ) -> Iterator[Item]:
        """The items of a partition by sort key, fetched page by page as they are consumed.

        `first` and `last` are inclusive, `prefix` excludes both; `after` continues behind a sort key already seen.
        Raises TooLarge beyond MAX_QUERIED_ITEMS when no limit was given.
        """
        if first is not None and last is not None and first > last:
            return  # DynamoDB would refuse it rather than find nothing
        condition, values = _key_condition(pk, prefix, first, last)
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": encode_item(values),
            "ConsistentRead": consistent,
            "ScanIndexForward": not descending,
        }
        if after is not None:
            request["ExclusiveStartKey"] = _key(pk, after)
        count = 0
        while True:
            if limit is not None:
                request["Limit"] = limit - count
            with translated():
                answer = self.client.query(**request)
            for attributes in answer["Items"]:
                count += 1
                yield decode_item(attributes)
            if count == limit or "LastEvaluatedKey" not in answer:
                return
            if count >= MAX_QUERIED_ITEMS:
                raise TooLarge(f"More than {MAX_QUERIED_ITEMS} records would have to be read for this answer.")
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def read_slice(
        self,
        pk: str,
        prefix: str,
        after: str | None,
        *,
        descending: bool,
        most: int,
        last: str | None = None,
        only: Condition | None = None,
    ) -> Stretch:
        """One request: at most `most` items behind a sort key, up to `last`, and of them those that meet a condition.

        With `last`, `after` must not lie behind it, and there is no prefix.
        """
        more: dict[str, Any] = {"FilterExpression": only.expression} if only else {}
        if only and only.names:
            more["ExpressionAttributeNames"] = only.names
        answer = self._page(
            pk,
            prefix,
            after,
            descending=descending,
            most=most,
            last=last,
            values=only.values if only else None,
            **more,
        )
        return Stretch(list(map(decode_item, answer["Items"])), answer["ScannedCount"], _end(answer))

    def count(
        self, pk: str, prefix: str, after: str | None, *, descending: bool, most: int, unless_body_has: str | None
    ) -> tuple[int, int, str | None]:
        """One request: how many of at most `most` items have a body without a text, how many there are, and the end."""
        more: dict[str, Any] = {"Select": "COUNT"}
        values = {}
        if unless_body_has is not None:
            more["FilterExpression"] = "NOT contains(body, :text)"
            values[":text"] = unless_body_has
        answer = self._page(pk, prefix, after, descending=descending, most=most, values=values, **more)
        return answer["Count"], answer["ScannedCount"], _end(answer)

    def scan_partitions(self, ending: str, after: tuple[str, str] | None) -> tuple[list[str], tuple[str, str] | None]:
        """One request over 1 MB of everything: the partitions found there that end so, and where to go on.

        None behind the last. Only for what must miss nothing and is asked once: it reads all that is stored.
        """
        request: dict[str, Any] = {
            "TableName": self.name,
            "ConsistentRead": True,
            "ProjectionExpression": PARTITION_KEY,
            "FilterExpression": f"contains({PARTITION_KEY}, :text)",
            "ExpressionAttributeValues": encode_item({":text": ending}),
        }
        if after is not None:
            request["ExclusiveStartKey"] = _key(*after)
        with translated():
            answer = self.client.scan(**request)
        found = dict.fromkeys(item[PARTITION_KEY]["S"] for item in answer["Items"])
        last = answer.get("LastEvaluatedKey")
        place = (last[PARTITION_KEY]["S"], last[SORT_KEY]["S"]) if last else None
        return [each for each in found if each.endswith(ending)], place

    def _page(
        self,
        pk: str,
        prefix: str,
        after: str | None,
        *,
        descending: bool,
        most: int,
        last: str | None = None,
        values: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Any:
        condition, of_keys = _key_condition(pk, prefix or None, None, last)
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": encode_item({**of_keys, **(values or {})}),
            "ConsistentRead": True,
            "ScanIndexForward": not descending,
            "Limit": most,
            **more,
        }
        if after is not None:
            request["ExclusiveStartKey"] = _key(pk, after)
        with translated():
            return self.client.query(**request)

    def put(self, item: Item, condition: Condition | None = None) -> None:
        """Write the whole item; raises ConditionFailed."""
        patiently(lambda: self.client.put_item(**self._put(item, condition)))

    def put_version(self, item: Item, expected: int) -> Item:
        """Write the item as version `expected` + 1 if `expected` is stored (0: nothing is); raises ConditionFailed."""
        item = item | {VERSION: expected + 1}
        self.put(item, version_is(expected))
        return item

    def update(
        self,
        pk: str,
        sk: str,
        expression: str,
        values: Mapping[str, Any],
        condition: Condition | None = None,
        names: Mapping[str, str] | None = None,
    ) -> Item:
        """Run an update expression and return the item as it is then; raises ConditionFailed."""
        request = self._update(pk, sk, expression, values, condition, names)
        answer = patiently(lambda: self.client.update_item(**request, ReturnValues="ALL_NEW"))
        return decode_item(answer["Attributes"])

    def delete(self, pk: str, sk: str, condition: Condition | None = None) -> None:
        """Remove the item, whether or not it is there; raises ConditionFailed."""
        patiently(lambda: self.client.delete_item(**self._delete(pk, sk, condition)))

    # One write of a transaction; the tables of one transaction may differ.

    def putting(self, item: Item, condition: Condition | None = None) -> dict[str, Any]:
        return {"Put": self._put(item, condition)}

    def putting_version(self, item: Item, expected: int) -> dict[str, Any]:
        return self.putting(item | {VERSION: expected + 1}, version_is(expected))

    def updating(
        self,
        pk: str,
        sk: str,
        expression: str,
        values: Mapping[str, Any],
        condition: Condition | None = None,
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        return {"Update": self._update(pk, sk, expression, values, condition, names)}

    def deleting(self, pk: str, sk: str, condition: Condition | None = None) -> dict[str, Any]:
        return {"Delete": self._delete(pk, sk, condition)}

    def checking(self, pk: str, sk: str, condition: Condition) -> dict[str, Any]:
        return {"ConditionCheck": {"TableName": self.name, "Key": _key(pk, sk), **_conditional(condition)}}

    def transact(self, writes: Sequence[dict[str, Any]], token: str | None = None) -> None:
        """All writes or none; raises TransactionRefused. `token` makes a retry within 10 minutes one."""
        assert 0 < len(writes) <= MAX_TRANSACTION_WRITES, len(writes)
        request: Any = {"TransactItems": list(writes)} | ({"ClientRequestToken": token} if token else {})
        patiently(lambda: self.client.transact_write_items(**request))

    def _put(self, item: Item, condition: Condition | None) -> Any:
        return {"TableName": self.name, "Item": encode_item(item), **_conditional(condition)}

    def _delete(self, pk: str, sk: str, condition: Condition | None) -> Any:
        return {"TableName": self.name, "Key": _key(pk, sk), **_conditional(condition)}

    def _update(
        self,
        pk: str,
        sk: str,
        expression: str,
        values: Mapping[str, Any],
        condition: Condition | None,
        names: Mapping[str, str] | None,
    ) -> Any:
        request = {"TableName": self.name, "Key": _key(pk, sk), "UpdateExpression": expression}
        return request | _conditional(condition, values, names or {})


def _can_be_stored(pk: str, sk: str) -> bool:
    """Nothing is stored under a key DynamoDB refuses, so asking for one (an overlong id in a path) finds nothing."""
    sizes = [len(part.encode("utf-8", "surrogatepass")) for part in (pk, sk)]
    return 0 < sizes[0] <= MAX_PARTITION_KEY_BYTES and 0 < sizes[1] <= MAX_SORT_KEY_BYTES


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {PARTITION_KEY: {"S": pk}, SORT_KEY: {"S": sk}}


def _end(answer: Any) -> str | None:
    last = answer.get("LastEvaluatedKey")
    return last[SORT_KEY]["S"] if last else None


def _key_condition(pk: str, prefix: str | None, first: str | None, last: str | None) -> tuple[str, dict[str, str]]:
    assert prefix is None or (first is None and last is None), (prefix, first, last)
    condition = f"{PARTITION_KEY} = :pk"
    if prefix is not None:
        return f"{condition} AND begins_with({SORT_KEY}, :prefix)", {":pk": pk, ":prefix": prefix}
    if first is not None and last is not None:
        return f"{condition} AND {SORT_KEY} BETWEEN :first AND :last", {":pk": pk, ":first": first, ":last": last}
    if first is not None:
        return f"{condition} AND {SORT_KEY} >= :first", {":pk": pk, ":first": first}
    if last is not None:
        return f"{condition} AND {SORT_KEY} <= :last", {":pk": pk, ":last": last}
    return condition, {":pk": pk}


def _conditional(
    condition: Condition | None,
    more_values: Mapping[str, Any] | None = None,
    more_names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    values = {**(more_values or {}), **(condition.values if condition else {})}
    names = {**(more_names or {}), **(condition.names if condition else {})}
    request: dict[str, Any] = {}
    if condition:
        request["ConditionExpression"] = condition.expression
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    if values:
        request["ExpressionAttributeValues"] = {name: encode(value) for name, value in values.items()}
    if names:
        request["ExpressionAttributeNames"] = names
    return request

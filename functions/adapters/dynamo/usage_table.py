"""Requests to the usage table: strong reads, queries and batched puts, on the low-level client for speed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.adapters.aws import ROLES, busy, pauses
from functions.names import PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_BATCH_WRITE = 25  # DynamoDB's own limit
MAX_BATCH_GET = 100  # DynamoDB's own limit
UNPROCESSED_TRIES, UNPROCESSED_PAUSE_SECONDS = 8, 0.1


class UsageTable:
    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self.client = client
        self.name = name

    def get(self, pk: str, sk: str) -> Mapping[str, Any] | None:
        answer = self.client.get_item(TableName=self.name, Key=item_key(pk, sk), ConsistentRead=True)
        return answer.get("Item")

    def query(
        self,
        pk: str,
        *,
        prefix: str | None = None,
        between: tuple[str, str] | None = None,
        backwards: bool = False,
        limit: int | None = None,
        page_size: int | None = None,
        projection: str | None = None,
        present: str | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        if between is not None and between[0] > between[1]:
            return  # DynamoDB would refuse it rather than find nothing
        condition, values = f"{PARTITION_KEY} = :pk", {":pk": {"S": pk}}
        if prefix is not None:
            condition += f" AND begins_with({SORT_KEY}, :prefix)"
            values[":prefix"] = {"S": prefix}
        if between is not None:
            condition += f" AND {SORT_KEY} BETWEEN :first AND :last"
            values |= {":first": {"S": between[0]}, ":last": {"S": between[1]}}
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
            "ScanIndexForward": not backwards,
        }
        if size := page_size or limit:
            request["Limit"] = size
        if projection:
            request["ProjectionExpression"] = projection
        if present:  # left out by DynamoDB after it has read and charged them
            request["FilterExpression"] = f"attribute_exists({present})"
        count = 0
        while True:
            answer = self.client.query(**request)
            for item in answer["Items"]:
                yield item
                count += 1
                if count == limit:
                    return
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def put_all(self, items: Iterable[dict[str, Any]]) -> None:
        self._write_all([{"PutRequest": {"Item": item}} for item in items])

    def delete_all(self, wanted: Iterable[dict[str, Any]]) -> None:
        """The items of these keys, each key once; those that are not there are no error."""
        self._write_all([{"DeleteRequest": {"Key": key}} for key in wanted])

    def _write_all(self, writes: list[Any]) -> None:
        for start in range(0, len(writes), MAX_BATCH_WRITE):
            request: Any = {self.name: writes[start : start + MAX_BATCH_WRITE]}
            for _ in pauses(UNPROCESSED_TRIES, UNPROCESSED_PAUSE_SECONDS):
                request = self.client.batch_write_item(RequestItems=request).get("UnprocessedItems")
                if not request:
                    break
            else:
                raise busy(ROLES["dynamodb"])

    def batch_get_sort_keys(self, pk: str, sort_keys: list[str]) -> Iterator[str]:
        """Which of the sort keys of a partition are stored; eventually consistent."""
        for item in self._batch_get([item_key(pk, sk) for sk in sort_keys], ProjectionExpression=SORT_KEY):
            yield item[SORT_KEY]["S"]

    def batch_get(self, wanted: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The items of these keys that are stored, in any order; strongly consistent."""
        return self._batch_get(wanted, ConsistentRead=True)

    def _batch_get(self, wanted: list[dict[str, Any]], **options: Any) -> Iterator[Mapping[str, Any]]:
        for start in range(0, len(wanted), MAX_BATCH_GET):
            request: Any = {self.name: {"Keys": wanted[start : start + MAX_BATCH_GET], **options}}
            for _ in pauses(UNPROCESSED_TRIES, UNPROCESSED_PAUSE_SECONDS):
                answer = self.client.batch_get_item(RequestItems=request)
                yield from answer["Responses"][self.name]
                request = answer.get("UnprocessedKeys")
                if not request:
                    break
            else:
                raise busy(ROLES["dynamodb"])


def item_key(pk: str, sk: str) -> dict[str, Any]:
    return {PARTITION_KEY: {"S": pk}, SORT_KEY: {"S": sk}}


def raise_unless_condition_failed(error: ClientError) -> None:
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        raise error

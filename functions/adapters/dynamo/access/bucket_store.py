"""Token buckets in the usage table: one item of about 60 bytes a bucket, moved by one conditional update.

An operator raises or lowers a bucket by its attribute `percent`, which is read with every update and never written.
"""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import item_key
from functions.application.ports.buckets import BucketBusy, BucketsFailed, Taken
from functions.domain.rate_limit import Bucket

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FULL_AT = "full_at"
PERCENT = "percent"
# What holds: it was full before now, it is to be added to, or its instant is nonsense. The instant only grows, so after
# two refused writes the third is decided; one more for an instant that a wrong clock wrote in between.
MAX_WRITES = 4
# The reason DynamoDB gives when the partition of the item is written to too often (API_ThrottlingReason): one tenant's
# buckets are there. Other throttling is of the table or the account, and no tenant's fault.
_OF_THIS_KEY = "KeyRangeThroughputExceeded"


class DynamoBuckets:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def take(self, bucket: Bucket, time: int, *, now: int, latest: int, believable: int, expected: int | None) -> Taken:
        stored = expected
        for _ in range(MAX_WRITES):
            if stored is None or stored < now:
                change, condition = "SET full_at = :next", f"attribute_not_exists({FULL_AT}) OR {FULL_AT} < :now"
                values = {":next": now + time, ":now": now}
            elif stored > believable:
                change, condition = "SET full_at = :next", f"{FULL_AT} = :stored"
                values = {":next": now + time, ":stored": stored}
            else:
                change, condition = "ADD full_at :time", f"{FULL_AT} BETWEEN :now AND :latest"
                values = {":time": time, ":now": now, ":latest": latest}
            is_taken, item = self._update(bucket, change, condition, values)
            found = item.get(FULL_AT)
            stored = None if found is None else int(found["N"])
            percent = int(item[PERCENT]["N"]) if PERCENT in item else 100
            if stored is not None and (is_taken or latest < stored <= believable):
                return Taken(is_taken, stored, percent)
        raise BucketBusy(f"the bucket changed under {MAX_WRITES} writes")

    def _update(self, bucket: Bucket, change: str, condition: str, values: dict[str, int]) -> tuple[bool, Any]:
        """Whether the condition held, and the item as it is now."""
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=item_key(keys.buckets(bucket.tenant), keys.bucket_of(bucket.kind, bucket.key_id)),
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues={name: {"N": str(value)} for name, value in values.items()},
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            code = str(error.response["Error"]["Code"])
            if code == "ConditionalCheckFailedException":
                return False, error.response.get("Item") or {}
            raise BucketBusy(code) if _is_of_this_key(error.response) else BucketsFailed(code) from error
        except BotoCoreError as error:
            raise BucketsFailed(type(error).__name__) from error
        return True, answer["Attributes"]


def _is_of_this_key(response: Any) -> bool:
    reasons = response.get("ThrottlingReasons") or response.get("throttlingReasons") or []
    return any(str(each.get("reason", "")).endswith(_OF_THIS_KEY) for each in reasons)

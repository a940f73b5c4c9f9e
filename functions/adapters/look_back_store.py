"""Kept look-backs: their parts in S3, an index of them for each lane beside its log.

look-back/<lane>/<commit, 12 digits>-<attempt>     a part, until a whole one takes its place
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.adapters.aws import object_body
from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import UsageTable, item_key, raise_unless_condition_failed
from functions.adapters.look_back_codec import decode_part, encode_part
from functions.application.ports.look_back import KeptLookBack
from functions.domain.metering.ledger.look_back import Further, Whole

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

VERSION, LEADS_TO, PARTS = "v", "n", "p"
PREFIX = "look-back"


class StoredLookBacks:
    def __init__(
        self, dynamodb: "DynamoDBClient", table: str, s3: "S3Client", bucket: str, new_attempt: Callable[[], str]
    ) -> None:
        self._dynamodb = dynamodb
        self._name = table
        self._table = UsageTable(dynamodb, table)
        self._s3 = s3
        self._bucket = bucket
        self._new_attempt = new_attempt

    def find(self, lane: int) -> KeptLookBack | None:
        item = self._table.get(keys.lane(lane), keys.LOOK_BACK)
        if item is None:
            return None
        version, n, since = (int(item[name]["N"]) for name in (VERSION, LEADS_TO, keys.SINCE))
        return KeptLookBack(version, n, since, tuple(part["S"] for part in item[PARTS]["L"]))

    def part(self, name: str) -> Whole | Further | None:
        try:
            return decode_part(object_body(self._s3, self._bucket, name))
        except self._s3.exceptions.NoSuchKey:
            return None

    def keep(
        self, lane: int, before: KeptLookBack | None, part: Whole | Further, n: int, since: int
    ) -> KeptLookBack | None:
        name = f"{PREFIX}/{lane}/{n:012d}-{self._new_attempt()}"
        self._s3.put_object(Bucket=self._bucket, Key=name, Body=encode_part(part))
        version, others = (before.version, before.parts) if before else (0, ())
        kept = KeptLookBack(version + 1, n, since, (*others, name) if isinstance(part, Further) else (name,))
        if not self._put_index(lane, version, kept):
            self._s3.delete_object(Bucket=self._bucket, Key=name)
            return None
        if isinstance(part, Whole):
            self._delete_others(lane, kept)
        return kept

    def _put_index(self, lane: int, version: int, kept: KeptLookBack) -> bool:
        numbers = {VERSION: kept.version, LEADS_TO: kept.n, keys.SINCE: kept.since}
        item: dict[str, Any] = {name: {"N": str(number)} for name, number in numbers.items()}
        item[PARTS] = {"L": [{"S": name} for name in kept.parts]}
        try:
            self._dynamodb.put_item(
                TableName=self._name,
                Item=item_key(keys.lane(lane), keys.LOOK_BACK) | item,
                ConditionExpression=f"attribute_not_exists({VERSION}) OR {VERSION} = :v",
                ExpressionAttributeValues={":v": {"N": str(version)}},
            )
        except ClientError as error:
            raise_unless_condition_failed(error)
            return self.find(lane) == kept  # our own, put again by the client's library
        return True

    def _delete_others(self, lane: int, kept: KeptLookBack) -> None:
        """Of earlier commits, also of writers that died before their index; what others keep meanwhile is later."""
        found = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=f"{PREFIX}/{lane}/")
        for each in found.get("Contents", ()):
            if each["Key"] < f"{PREFIX}/{lane}/{kept.n:012d}" and each["Key"] not in kept.parts:
                self._s3.delete_object(Bucket=self._bucket, Key=each["Key"])

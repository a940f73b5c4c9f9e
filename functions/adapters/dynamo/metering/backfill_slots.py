"""The slots of running backfills: one item of the usage table, changed under its version."""

from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import UsageTable, item_key, raise_unless_condition_failed
from functions.domain.metering.ledger.backfill_slots import Slots

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoBackfillSlots:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._table = UsageTable(client, table)

    def load(self) -> tuple[Slots, int]:
        item = self._table.get(*keys.BACKFILL_SLOTS)
        if item is None:
            return Slots(), 0
        return msgspec.msgpack.decode(bytes(item["b"]["B"]), type=Slots), int(item["version"]["N"])

    def save(self, slots: Slots, version: int) -> bool:
        is_same = "version = :before" if version else "attribute_not_exists(version)"
        values: dict[str, Any] = {":b": {"B": msgspec.msgpack.encode(slots)}, ":next": {"N": str(version + 1)}}
        try:
            self._table.client.update_item(
                TableName=self._table.name,
                Key=item_key(*keys.BACKFILL_SLOTS),
                UpdateExpression="SET b = :b, version = :next",
                ConditionExpression=is_same,
                ExpressionAttributeValues=values | ({":before": {"N": str(version)}} if version else {}),
            )
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True

"""What audits found, by day and lane, in the usage table; the only thing an audit writes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import UsageTable, item_key
from functions.domain.metering.ledger.audit import LaneDay
from functions.names import EXPIRES_AT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT_SECONDS = 3_653 * 86_400  # questions to the archive, which is kept for good, count its objects by them
BEGUN_KEPT_SECONDS = 3 * 86_400
MAX_BEGUN_BYTES = 350_000  # DynamoDB takes items of 400 KB
BODY = "b"


class DynamoAuditResults:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = UsageTable(client, table)

    def put(self, result: LaneDay) -> None:
        item = {
            **item_key(keys.AUDIT, keys.audit(result.day, result.lane)),
            BODY: {"B": msgspec.msgpack.encode(result)},
            EXPIRES_AT: {"N": str(result.audited_at + KEPT_SECONDS)},
        }
        self._client.put_item(TableName=self._table.name, Item=item)

    def put_begun(self, result: LaneDay) -> bool:
        body = msgspec.msgpack.encode(result)
        if len(body) > MAX_BEGUN_BYTES:
            return False
        item = {
            **item_key(keys.AUDIT, keys.audit_begun(result.day, result.lane)),
            BODY: {"B": body},
            EXPIRES_AT: {"N": str(result.audited_at + BEGUN_KEPT_SECONDS)},
        }
        self._client.put_item(TableName=self._table.name, Item=item)
        return True

    def begun(self, lane: int, day: str) -> LaneDay | None:
        item = self._table.get(keys.AUDIT, keys.audit_begun(day, lane))
        return msgspec.msgpack.decode(item[BODY]["B"], type=LaneDay) if item else None

    def of_day(self, day: str) -> list[LaneDay]:
        return list(map(lane_day, self._table.query(keys.AUDIT, prefix=keys.audit_day(day))))


def lane_day(item: Mapping[str, Any]) -> LaneDay:
    return msgspec.msgpack.decode(item[BODY]["B"], type=LaneDay)

"""How far each lane of the usage table is counted, read without the bodies of commits."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.ledger_store import COMMIT_DAYS, DAY, DONE
from functions.adapters.dynamo.usage_table import UsageTable, item_key
from functions.application.ports.health import LaneProgress
from functions.names import EXPIRES_AT, PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoProgress:
    """A commit expires so many days after it was decided, which says when that was."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._name = table

    def of_lanes(self, lanes: int) -> Sequence[LaneProgress]:
        # The newest first: a head that is read later is never behind it for that reason.
        newest = [self._newest(lane) for lane in range(lanes)]
        heads = self._heads(lanes)
        return [self._progress(lane, heads.get(keys.lane(lane), 0), *newest[lane]) for lane in range(lanes)]

    def _progress(self, lane: int, done: int, newest: int, decided_at: int | None) -> LaneProgress:
        if done >= newest:
            return LaneProgress(counted_at=decided_at)
        waiting = self._decided_at(lane, done + 1)
        return LaneProgress(self._decided_at(lane, done), decided_at if waiting is None else waiting)

    def _newest(self, lane: int) -> tuple[int, int | None]:
        answer = self._client.query(
            TableName=self._name,
            KeyConditionExpression=f"{PARTITION_KEY} = :lane AND begins_with({SORT_KEY}, :commits)",
            ExpressionAttributeValues={":lane": {"S": keys.lane(lane)}, ":commits": {"S": keys.COMMIT_PREFIX}},
            ProjectionExpression=f"{SORT_KEY}, #expires",
            ExpressionAttributeNames={"#expires": EXPIRES_AT},
            ScanIndexForward=False,
            Limit=1,
        )
        for item in answer["Items"]:
            return keys.commit_number(item[SORT_KEY]["S"]), _decided_at(item)
        return 0, None

    def _heads(self, lanes: int) -> dict[str, int]:
        wanted = [item_key(keys.lane(lane), keys.HEAD) for lane in range(lanes)]
        found = UsageTable(self._client, self._name).batch_get(wanted)
        return {item[PARTITION_KEY]["S"]: int(item[DONE]["N"]) for item in found}

    def _decided_at(self, lane: int, n: int) -> int | None:
        answer = self._client.get_item(
            TableName=self._name,
            Key=item_key(keys.lane(lane), keys.commit(n)),
            ProjectionExpression="#expires",
            ExpressionAttributeNames={"#expires": EXPIRES_AT},
        )
        return _decided_at(answer["Item"]) if "Item" in answer else None


def _decided_at(item: Any) -> int:
    return int(item[EXPIRES_AT]["N"]) - COMMIT_DAYS * DAY

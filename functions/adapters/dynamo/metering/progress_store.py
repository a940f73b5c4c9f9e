"""How far each lane of the usage table is counted, read without the bodies of commits."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.metering.ledger_store import COMMIT_DAYS, DAY, DONE
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
        heads, since = self._heads_and_look_backs(lanes)
        return [self._progress(lane, heads.get(lane, 0), *newest[lane], since.get(lane)) for lane in range(lanes)]

    def _progress(
        self, lane: int, done: int, newest: int, decided_at: int | None, remembered_since: int | None
    ) -> LaneProgress:
        if done >= newest:
            return LaneProgress(decided_at, None, remembered_since)
        waiting = self._decided_at(lane, done + 1)
        waiting_since = decided_at if waiting is None else waiting
        return LaneProgress(decided_at, waiting_since, remembered_since)

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

    def _heads_and_look_backs(self, lanes: int) -> tuple[dict[int, int], dict[int, int]]:
        """By lane: the highest commit that is applied, and since when the look-back knows everything."""
        places = [(keys.lane(lane), sort_key) for lane in range(lanes) for sort_key in (keys.HEAD, keys.LOOK_BACK)]
        found: dict[str, dict[int, int]] = {keys.HEAD: {}, keys.LOOK_BACK: {}}
        for item in UsageTable(self._client, self._name).batch_get([item_key(*place) for place in places]):
            sort_key = item[SORT_KEY]["S"]
            number = item[DONE] if sort_key == keys.HEAD else item[keys.SINCE]
            found[sort_key][keys.lane_number(item[PARTITION_KEY]["S"])] = int(number["N"])
        return found[keys.HEAD], found[keys.LOOK_BACK]

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

"""The newest heartbeat that was counted of each lane: one item, an attribute a lane, in epoch seconds.

The last writer is right, so that a wrong clock is believed for a minute and no longer.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import UsageTable, item_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LANE = "l"  # short, because an expression has 4 KB for up to 256 lanes


class DynamoHeartbeats:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def note(self, counted: Mapping[int, int]) -> None:
        """One write unit for all lanes of a delivery; other lanes keep what they have."""
        self._client.update_item(
            TableName=self._table,
            Key=item_key(*keys.HEARTBEAT),
            UpdateExpression="SET " + ",".join(f"{LANE}{lane}=:{lane}" for lane in counted),
            ExpressionAttributeValues={f":{lane}": {"N": str(at)} for lane, at in counted.items()},
        )

    def counted(self) -> dict[int, int]:
        """By lane; lanes that have never counted one are left out."""
        item = UsageTable(self._client, self._table).get(*keys.HEARTBEAT) or {}
        return {int(name.removeprefix(LANE)): int(value["N"]) for name, value in item.items() if name.startswith(LANE)}

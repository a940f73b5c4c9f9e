"""How many commits the lanes had by the end of a day: as the audits wrote it down, and of today the lanes' heads."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.metering.audit_store import lane_day
from functions.adapters.dynamo.metering.ledger_store import DONE
from functions.adapters.dynamo.usage_table import UsageTable, item_key
from functions.domain.metering.ledger.audit import DAY_SECONDS, LaneDay, day_start
from functions.names import PARTITION_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# For the audit of a lane, where that of the day is missing. A shorter look finds less, and nothing wrong.
DAYS_LOOKED = 7


class DynamoCommitNumbers:
    def __init__(self, client: "DynamoDBClient", table: str, lanes: int) -> None:
        self._table = UsageTable(client, table)
        self._lanes = lanes

    def before(self, day: str) -> Mapping[int, int]:
        return dict.fromkeys(range(self._lanes), 0) | self._audited(keys.audits_before(day), backwards=True)

    def until(self, day: str) -> Mapping[int, int]:
        known = self._audited(keys.audits_from(day))
        return known if len(known) == self._lanes else self._heads() | known

    def _audited(self, between: tuple[str, str], *, backwards: bool = False) -> dict[int, int]:
        found = self._table.query(
            keys.AUDIT, between=between, backwards=backwards, limit=self._lanes * DAYS_LOOKED, page_size=self._lanes
        )
        return _first_of_each(map(lane_day, found), self._lanes)

    def _heads(self) -> dict[int, int]:
        wanted = [item_key(keys.lane(lane), keys.HEAD) for lane in range(self._lanes)]
        found = self._table.batch_get(wanted)
        heads = {keys.lane_number(item[PARTITION_KEY]["S"]): int(item[DONE]["N"]) for item in found}
        return dict.fromkeys(range(self._lanes), 0) | heads


def _first_of_each(results: Iterable[LaneDay], lanes: int) -> dict[int, int]:
    """Of the lanes that have one: an audit while its day went on does not know how many commits the day had."""
    known: dict[int, int] = {}
    for result in results:
        is_whole = result.audited_at >= day_start(date.fromisoformat(result.day)) + DAY_SECONDS
        if is_whole and result.last_commit and result.lane < lanes:
            known.setdefault(result.lane, result.last_commit)
        if len(known) == lanes:
            break
    return known

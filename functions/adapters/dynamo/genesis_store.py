"""The ledger's genesis item: written once, never changed."""

from functions.adapters.dynamo import usage_keys
from functions.adapters.dynamo.client import ConditionFailed
from functions.adapters.dynamo.condition import NOT_YET_STORED
from functions.adapters.dynamo.table import Table
from functions.names import PARTITION_KEY, SORT_KEY


class DynamoGenesis:
    def __init__(self, usage: Table) -> None:
        self._usage = usage

    def record(self, lanes: int, key_check: str) -> tuple[int, str]:
        partition, sort = usage_keys.GENESIS
        try:
            self._usage.put(
                {PARTITION_KEY: partition, SORT_KEY: sort, "lanes": lanes, "key_check": key_check}, NOT_YET_STORED
            )
        except ConditionFailed as refused:
            kept = refused.stored or {}
            return kept["lanes"], kept["key_check"]
        return lanes, key_check

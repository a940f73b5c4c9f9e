"""The ledger's genesis item: written once, never changed."""

from functions.adapters.dynamo import usage_keys
from functions.adapters.dynamo.client import ConditionFailed
from functions.adapters.dynamo.condition import NOT_YET_STORED
from functions.adapters.dynamo.table import Table
from functions.names import PARTITION_KEY, SORT_KEY

FIRST_FORMAT = 1  # it did not say so


class DynamoGenesis:
    def __init__(self, usage: Table) -> None:
        self._usage = usage

    def record(self, lanes: int, key_check: str, ledger_format: int) -> tuple[int, str, int]:
        partition, sort = usage_keys.GENESIS
        item = {PARTITION_KEY: partition, SORT_KEY: sort, "lanes": lanes, "key_check": key_check}
        try:
            self._usage.put({**item, "format": ledger_format}, NOT_YET_STORED)
        except ConditionFailed as refused:
            kept = refused.stored or {}
            return kept["lanes"], kept["key_check"], kept.get("format", FIRST_FORMAT)
        return lanes, key_check, ledger_format

"""Which run's turn it is to bill everybody: one item, changed only by a run that has read it."""

from datetime import datetime

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import ConditionFailed
from functions.adapters.dynamo.condition import NOT_YET_STORED, Condition
from functions.adapters.dynamo.table import Table
from functions.application.ports.billing import BillingTurn
from functions.names import PARTITION_KEY, SORT_KEY

RUN, BEGAN_AT = "run_id", "began_at"


class DynamoBillingTurns:
    def __init__(self, table: Table) -> None:
        self._table = table

    def last(self) -> BillingTurn | None:
        item = self._table.get(*keys.BILLING_TURN)
        return BillingTurn(item[RUN], datetime.fromisoformat(item[BEGAN_AT])) if item else None

    def take(self, turn: BillingTurn, after: BillingTurn | None) -> bool:
        partition, sort = keys.BILLING_TURN
        item = {PARTITION_KEY: partition, SORT_KEY: sort, RUN: turn.run_id, BEGAN_AT: turn.began_at.isoformat()}
        try:
            self._table.put(item, Condition(f"{RUN} = :last", {":last": after.run_id}) if after else NOT_YET_STORED)
        except ConditionFailed as refused:
            stored = refused.stored  # our own, put again by the client's library
            return stored is not None and (stored[RUN], stored[BEGAN_AT]) == (turn.run_id, item[BEGAN_AT])
        return True

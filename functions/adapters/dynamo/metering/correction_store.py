"""Corrections in the usage table: by id, by the time they were asked for, and what the aggregator made of them."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.client import ConditionFailed
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import NOT_YET_STORED
from functions.adapters.dynamo.table import Table
from functions.domain.metering.ledger.correction import Correction, EventName, Replacement
from functions.names import PARTITION_KEY, SORT_KEY


class DynamoCorrections:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, tenant: str, correction: Correction) -> Correction:
        partition, item = keys.corrections(tenant), _item(correction)
        try:
            self._table.put(
                {PARTITION_KEY: partition, SORT_KEY: keys.correction(correction.id), **item}, NOT_YET_STORED
            )
        except ConditionFailed as failed:
            stored = failed.stored or self._table.get(partition, keys.correction(correction.id))
            assert stored is not None
            correction = _correction(stored)
            item = _item(correction)
        # If the process dies before this line, the correction is listed when it is asked for again.
        place = keys.correction_place(correction.requested_at, correction.id)
        self._table.put({PARTITION_KEY: partition, SORT_KEY: place, **item})
        return correction

    def newest(self, tenant: str, *, before: str | None, limit: int) -> tuple[Sequence[Correction], str | None]:
        partition, prefix = keys.corrections(tenant), keys.CORRECTION_PLACES
        after = None if before is None else f"{prefix}{before.replace('.', '#')}"
        found = list(self._table.query(partition, prefix=prefix, after=after, descending=True, limit=limit))
        last = found[-1][SORT_KEY].removeprefix(prefix).replace("#", ".") if len(found) == limit else None
        return [_correction(item) for item in found], last

    def with_effects(self, tenant: str, corrections: Sequence[Correction]) -> Sequence[Correction]:
        partition = keys.corrections(tenant)
        wanted = [(partition, keys.correction_outcome(each.id)) for each in corrections]
        outcomes = {item[SORT_KEY]: item for item in self._table.batch_get(wanted)}
        return [_applied(each, outcomes.get(keys.correction_outcome(each.id))) for each in corrections]


def _item(correction: Correction) -> Item:
    return {
        "id": correction.id,
        "event": asdict(correction.event),
        "reason": correction.reason,
        "by": correction.requested_by,
        "at": correction.requested_at,
        "replacement": asdict(correction.replacement) if correction.replacement else None,
    }


def _correction(item: Item) -> Correction:
    replacement = item.get("replacement")
    return Correction(
        id=item["id"],
        event=EventName(**item["event"]),
        reason=item["reason"],
        requested_by=item["by"],
        requested_at=item["at"],
        replacement=Replacement(**replacement) if replacement else None,
    )


def _applied(correction: Correction, outcome: Item | None) -> Correction:
    if outcome is None:
        return correction
    return replace(correction, effect="voided" if outcome["w"] else "suppressed", applied_at=outcome["t"])

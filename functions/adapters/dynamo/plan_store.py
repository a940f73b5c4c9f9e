"""Plans and their families in the billing table."""

from collections.abc import Iterator, Sequence

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import Contended, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.table import Table
from functions.application.ports.billing import PlanFamily
from functions.application.ports.registry import Stale
from functions.domain.catalog.plan import Plan
from functions.names import PARTITION_KEY, SORT_KEY


class DynamoPlans:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, plan_id: str) -> Plan | None:
        item = self._table.get(keys.records(tenant, keys.PLAN), plan_id)
        return _plan(item) if item else None

    def family(self, tenant: str, key: str) -> PlanFamily | None:
        item = self._table.get(keys.records(tenant, keys.PLAN_FAMILY), key)
        if item is None:
            return None
        return PlanFamily(key, tuple(item["ids"]), item.get("draft"), item.get("active"), item["version"])

    def all(self, tenant: str) -> Iterator[Plan]:
        return map(_plan, self._table.query(keys.records(tenant, keys.PLAN)))

    def save(self, tenant: str, plans: Sequence[Plan], family: PlanFamily) -> None:
        family_item = {
            PARTITION_KEY: keys.records(tenant, keys.PLAN_FAMILY),
            SORT_KEY: family.key,
            "ids": list(family.ids),
            "draft": family.draft,
            "active": family.active,
        }
        writes = [self._table.putting_version(family_item, family.version)]
        for plan in plans:
            item = {PARTITION_KEY: keys.records(tenant, keys.PLAN), SORT_KEY: plan.id, "body": plan.model_dump_json()}
            writes.append(self._table.putting(item))
        try:
            self._table.transact(writes)
        except (TransactionRefused, Contended) as error:
            raise Stale from error


def _plan(item: Item) -> Plan:
    return Plan.model_validate_json(item["body"])

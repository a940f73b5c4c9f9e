"""Subscriptions of many customers written straight into the billing table, far faster than through the API."""

from datetime import timedelta
from typing import Any

from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions, writing_tenures
from functions.adapters.dynamo.table import Table
from functions.application.ports.subscriptions import Tenure, Tenures
from functions.domain.identity import ulid_floor
from functions.domain.subscriptions.subscription import Subscription
from tests.writing_customers import MAX_BATCH


def write_subscriptions(table: Table, tenant: str, like: Subscription, count: int) -> list[Subscription]:
    """Copies of one subscription, each of a customer of its own; ids are in the order of the numbers."""
    made = [_copy(like, number) for number in range(count)]
    items = [item for each in made for item in _items(table, tenant, each)]
    for start in range(0, len(items), MAX_BATCH):
        requests: list[Any] = [{"PutRequest": {"Item": item}} for item in items[start : start + MAX_BATCH]]
        answer = table.client.batch_write_item(RequestItems={table.name: requests})
        assert not answer.get("UnprocessedItems")
    return made


def _copy(like: Subscription, number: int) -> Subscription:
    at = like.created_at + timedelta(seconds=number + 1)
    return like.model_copy(update={"id": ulid_floor(at), "customer_id": f"01CUSTOMER{number:016d}"})


def _items(table: Table, tenant: str, each: Subscription) -> list[dict[str, Any]]:
    tenures = Tenures((Tenure(each.id, each.active_from, each.active_to),))
    writes = DynamoSubscriptions(table).writing(tenant, None, each)
    writes.append(writing_tenures(table, tenant, each.customer_id, tenures))
    return [write["Put"]["Item"] for write in writes]

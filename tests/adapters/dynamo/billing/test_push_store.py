"""The push store keeps its promises, on DynamoDB Local and in memory alike."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from functions import names
from functions.adapters.dynamo.billing.push_store import DynamoPushStore
from functions.adapters.dynamo.table import Table
from functions.application.ports.gateway import PushStore
from functions.application.ports.stored import Stale
from functions.domain.billing.push import GatewayCustomer, PushFailure, PushRecord
from tests.application.billing.push.world import MemoryPushStore

NOW = datetime(2026, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)
NEW = PushRecord("default", "01INVOICE", "ab" * 32, first_attempt_at=NOW)


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> PushStore:
    if request.param == "memory":
        return MemoryPushStore()
    database: Any = request.getfixturevalue("dynamodb")
    return DynamoPushStore(Table(database.client, database.billing_table))


def test_what_was_never_pushed_has_no_record(store: PushStore) -> None:
    assert store.record("default", "01INVOICE") is None


@pytest.mark.parametrize(
    "record",
    [
        NEW,
        NEW.leased(NOW),
        replace(NEW, gen=3, gateway_customer="cus_1", gateway_invoice="in_1").pushed(),
        NEW.failed(PushFailure("resource_missing", "No such customer", "customer")),
        NEW.failed(PushFailure("payload_drift", "The document changed.")),
    ],
)
def test_a_record_comes_back_as_it_was_put(store: PushStore, record: PushRecord) -> None:
    stored = store.put(record)
    assert stored == replace(record, version=1)
    assert store.record("default", "01INVOICE") == stored


def test_only_the_version_that_was_read_is_replaced(store: PushStore) -> None:
    first = store.put(NEW)
    second = store.put(replace(first, gateway_invoice="in_1"))
    assert second.version == 2
    for stale in (NEW, first):
        with pytest.raises(Stale):
            store.put(replace(stale, gateway_invoice="in_2"))
    assert store.record("default", "01INVOICE") == second


def test_of_many_who_want_the_lease_one_gets_it(store: PushStore) -> None:
    def take(_: int) -> bool:
        try:
            store.put(NEW.leased(NOW))
        except Stale:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(16))) == 1


def test_tenants_do_not_see_each_others_pushes(store: PushStore) -> None:
    store.put(NEW)
    store.put_customer("default", "01CUSTOMER", "USD", GatewayCustomer("cus_1"))
    store.mark_settled("default", "evt_1", now=NOW)
    assert store.record("other", "01INVOICE") is None
    assert store.customer("other", "01CUSTOMER", "USD") == GatewayCustomer()
    assert not store.is_settled("other", "evt_1")


def test_the_first_gateway_customer_of_a_currency_stays(store: PushStore) -> None:
    nobody, usd = GatewayCustomer(), ("default", "01CUSTOMER", "USD")
    assert store.customer(*usd) == nobody
    first = store.put_customer(*usd, replace(nobody, ref="cus_1"))
    with pytest.raises(Stale):
        store.put_customer(*usd, replace(nobody, ref="cus_2"))
    assert store.put_customer("default", "01CUSTOMER", "EUR", replace(nobody, ref="cus_3")).ref == "cus_3"
    assert store.customer(*usd) == first == GatewayCustomer("cus_1", version=1)


def test_of_two_who_see_a_gateway_customer_gone_one_makes_it_anew(store: PushStore) -> None:
    usd = ("default", "01CUSTOMER", "USD")
    seen = store.put_customer(*usd, GatewayCustomer("cus_1", told="ab" * 32))
    assert store.customer(*usd) == seen
    gone = store.put_customer(*usd, seen.gone())
    with pytest.raises(Stale):
        store.put_customer(*usd, seen.gone())
    assert store.customer(*usd) == gone == GatewayCustomer(None, replaced=1, version=2)


def test_a_gateway_customer_that_was_remembered_before_they_had_versions_can_be_replaced(dynamodb: Any) -> None:
    table = Table(dynamodb.client, dynamodb.billing_table)
    table.put({"pk": "default#gateway_customer", "sk": "01CUSTOMER#USD", "ref": "cus_old"})
    store, usd = DynamoPushStore(table), ("default", "01CUSTOMER", "USD")
    known = store.customer(*usd)
    assert known == GatewayCustomer("cus_old")
    assert (
        store.put_customer(*usd, known.gone()) == store.customer(*usd) == GatewayCustomer(None, replaced=1, version=1)
    )
    with pytest.raises(Stale):
        store.put_customer(*usd, known.gone())


def test_a_message_is_settled_once_it_is_marked(store: PushStore) -> None:
    assert not store.is_settled("default", "evt_1")
    store.mark_settled("default", "evt_1", now=NOW)
    store.mark_settled("default", "evt_1", now=NOW)
    assert store.is_settled("default", "evt_1")
    assert not store.is_settled("default", "evt_2")


def test_a_settled_message_expires_after_35_days(dynamodb: Any) -> None:
    table = Table(dynamodb.client, dynamodb.billing_table)
    DynamoPushStore(table).mark_settled("default", "evt_1", now=NOW)
    item = table.get("default#gateway_event", "evt_1")
    assert item is not None
    assert item[names.EXPIRES_AT] == int(NOW.timestamp()) + 35 * 86_400

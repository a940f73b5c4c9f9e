"""One contract for every store of coupons: the memory one, and DynamoDB (on DynamoDB Local)."""

from typing import Any

import pytest

from functions.adapters.dynamo.subscriptions.coupon_store import DynamoCoupons
from functions.adapters.dynamo.table import Table
from functions.adapters.memory.coupons import MemoryCoupons
from functions.application.ports.coupons import Coupons
from functions.application.ports.stored import Stale, Taken
from functions.application.ports.subscriptions import Tenures
from functions.domain.catalog.coupon import AppliedCoupon, Coupon
from tests.conftest import DynamoDb
from tests.domain.builders import at
from tests.domain.coupons import applied, coupon_create

NOW = at("2026-05-01")
NEW = Tenures()  # nobody has written anything of the customer yet


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Coupons:
    if request.param == "memory":
        return MemoryCoupons()
    database: DynamoDb = request.getfixturevalue("dynamodb")
    return DynamoCoupons(Table(database.client, database.billing_table))


def coupon(number: int = 1, off: str = "12.5 %", key: str = "welcome", **changed: Any) -> Coupon:
    asked = coupon_create(off, "3 times", key, metadata={"campaign": "spring"}, maxRedemptions=7)
    values = {name: getattr(asked, name) for name in type(asked).model_fields}
    return Coupon(**values, id=f"01COUPON{number}", created_at=NOW, created_by="key-1")


def kept(store: Coupons, number: int = 1) -> Coupon:
    found = store.get("acme", f"01COUPON{number}")
    assert found is not None
    return found


def of(customer_id: str, number: int) -> AppliedCoupon:
    return applied("12.5 %").model_copy(update={"customer_id": customer_id, "id": f"01APPLIED{number}"})


def test_a_coupon_comes_back_as_it_was_created_by_id_and_by_key(store: Coupons) -> None:
    store.add("acme", coupon())

    assert kept(store) == coupon().model_copy(update={"version": 1})
    assert store.by_key("acme", "welcome") == kept(store)
    assert store.get("other", "01COUPON1") is None
    assert store.by_key("other", "welcome") is None


def test_a_key_is_free_again_when_its_coupon_is_archived(store: Coupons) -> None:
    store.add("acme", coupon())
    with pytest.raises(Taken):
        store.add("acme", coupon(2))
    store.add("other", coupon(2))

    store.archive("acme", kept(store).archived("key-2", NOW))
    store.add("acme", coupon(2))

    assert store.by_key("acme", "welcome") == kept(store, 2)
    assert [(each.id, each.archived_by) for each in store.all("acme")] == [
        ("01COUPON1", "key-2"),
        ("01COUPON2", None),
    ]


def test_what_was_read_before_another_write_is_stale(store: Coupons) -> None:
    store.add("acme", coupon())
    first = second = kept(store)
    store.redeem("acme", first.redeemed(NOW), of("c1", 1), NEW)

    with pytest.raises(Stale):
        store.redeem("acme", second.redeemed(NOW), of("c1", 2), Tenures(version=1))
    with pytest.raises(Stale):
        store.archive("acme", second.archived("key", NOW))

    assert kept(store).redemption_count == 1
    assert [each.id for each in store.of_customer("acme", "c1")] == ["01APPLIED1"]


def test_a_redemption_that_is_there_already_counts_nothing(store: Coupons) -> None:
    store.add("acme", coupon())
    store.redeem("acme", kept(store).redeemed(NOW), of("c1", 1), NEW)

    with pytest.raises(Stale):
        store.redeem("acme", kept(store).redeemed(NOW), of("c1", 1), Tenures(version=1))

    assert kept(store).redemption_count == 1


def test_a_customers_coupons_are_listed_in_order_and_nobody_elses(store: Coupons) -> None:
    store.add("acme", coupon())
    for customer_id, number, version in (("c1", 2, 0), ("c1", 1, 1), ("c10", 3, 0)):
        store.redeem("acme", kept(store).redeemed(NOW), of(customer_id, number), Tenures(version=version))

    assert [each.id for each in store.of_customer("acme", "c1")] == ["01APPLIED1", "01APPLIED2"]
    assert store.of_customer("other", "c1") == []
    assert store.of_customer("acme", "c1")[0] == of("c1", 1).model_copy(update={"version": 1})


def test_a_change_builds_on_what_was_read(store: Coupons) -> None:
    store.add("acme", coupon())
    store.redeem("acme", kept(store).redeemed(NOW), of("c1", 1), NEW)
    (read,) = store.of_customer("acme", "c1")
    store.change("acme", read.used_on("01INVOICE"))

    with pytest.raises(Stale):
        store.change("acme", read.removed("key", NOW))

    (now,) = store.of_customer("acme", "c1")
    assert (now.invoice_count, now.last_invoice_id, now.version) == (1, "01INVOICE", 2)


def test_a_customer_gets_one_coupon_at_a_time(store: Coupons) -> None:
    store.add("acme", coupon())
    store.add("acme", coupon(2, key="other"))
    store.redeem("acme", kept(store).redeemed(NOW), of("c1", 1), NEW)

    with pytest.raises(Stale):
        store.redeem("acme", kept(store, 2).redeemed(NOW), of("c1", 2), NEW)

    assert (kept(store, 2).redemption_count, len(store.of_customer("acme", "c1"))) == (0, 1)

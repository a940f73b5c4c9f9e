"""Everybody to the next version of a plan, on the whole stack: first what it would come to, then done."""

from typing import Any

from infra.local.patience import wait_while_it_moves
from tests.local.tenant import Tenant

CUSTOMERS = 5


def plan_of(tenant: Tenant, amount: str) -> dict[str, Any]:
    """The next version of the plan, published."""
    price = {"type": "flat", "amount": amount}
    card = {"type": "flat_fee", "key": "fee", "name": "Fee", "billingCadence": "P1M", "price": price}
    phase = {"key": "main", "name": "Main", "duration": None, "rateCards": [card]}
    body = {"key": "pro", "name": "Pro", "currency": "USD", "billingCadence": "P1M", "phases": [phase]}
    made = tenant.made("/api/v1/plans", body)
    published: dict[str, Any] = tenant.made(f"/api/v1/plans/{made['id']}/publish", {})
    return published


def migrated(tenant: Tenant, **body: Any) -> dict[str, Any]:
    """As it is when it has ended."""
    begun = tenant.http.post("/api/v1/plans/pro/migrate-all", json={"toVersion": 2, **body})
    assert begun.status_code == 202, begun.text

    def shown() -> dict[str, Any]:
        answer = tenant.http.get(begun.headers["location"])
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return wait_while_it_moves(shown, lambda found: found["status"] != "running", "the migration")


def counts(tenant: Tenant) -> list[int]:
    items = tenant.http.get("/api/v1/plans/pro/versions").json()["items"]
    return [each["subscriptions"]["active"] for each in items]


def test_everybody_is_migrated_once_after_a_look_ahead(tenant: Tenant) -> None:
    plan_of(tenant, "10")
    for number in range(CUSTOMERS):
        customer = {"name": f"Customer {number}", "key": f"customer-{number}", "currency": "USD"}
        tenant.made("/api/v1/customers", customer)
        tenant.made("/api/v1/subscriptions", {"plan": {"key": "pro"}, "customerKey": customer["key"]})
    plan_of(tenant, "15")

    looked = migrated(tenant, dryRun=True)
    assert (looked["status"], looked["total"], looked["done"], looked["failures"]) == ("done", CUSTOMERS, CUSTOMERS, [])
    sums = looked["amounts"]["USD"]
    assert (sums["before"], sums["after"], sums["difference"]) == ("50.00", "75.00", "25.00")
    assert counts(tenant) == [CUSTOMERS, 0]

    done = migrated(tenant)
    assert (done["status"], done["done"], done["failed"]) == ("done", CUSTOMERS, 0)
    assert counts(tenant) == [0, CUSTOMERS]
    listed = tenant.http.get(f"/api/v1/plans/pro/migrations/{done['id']}/subscriptions").json()["items"]
    assert len({each["nextSubscriptionId"] for each in listed}) == CUSTOMERS

from decimal import Decimal
from typing import Any

import pytest
from openmeter._generated import models

from tests.application.billing.world import ACME, TENANT, World
from tests.domain.builders import at, flat, phase
from tests.domain.coupons import coupon_body
from tests.handlers.gateway import Client, Response
from tests.handlers.genuine import problems

COUPONS = "/api/v1/coupons"
OF_ACME = f"/api/v1/customers/{ACME}/coupons"


def create(client: Client, off: str = "25 %", duration: str = "forever", key: str = "welcome", **more: Any) -> Response:
    return client.post(COUPONS, coupon_body(off, duration, key, **more))


def give(client: Client, of: str = OF_ACME, coupon: str = "welcome") -> Response:
    return client.post(of, {"coupon": coupon})


def test_a_coupon_lives_its_life(client: Client, world: World) -> None:
    made = create(client, "12.5 %", "3 times", maxRedemptions=5, description="Spring", metadata={"a": "b"})
    assert made.status == 201, made.text
    assert made.json["off"] == {"type": "percentage", "percentage": Decimal("12.5")}
    assert made.json["duration"] == {"type": "times", "times": 3}
    assert (made.json["createdBy"], made.json["redemptionCount"]) == ("key", 0)
    assert create(client).status == 409
    assert create(client).fields == ["key"]
    assert client.get(f"{COUPONS}/welcome").json == client.get(f"{COUPONS}/{made.json['id']}").json == made.json

    given = give(client)
    assert given.status == 201, given.text
    assert (given.json["key"], given.json["status"], given.json["appliedBy"]) == ("welcome", "active", "key")
    again = give(client)
    assert (again.status, given.json["id"] in again.json["detail"]) == (409, True), again.text
    assert client.get(f"{COUPONS}/welcome").json["redemptionCount"] == 1

    archived = client.post(f"{COUPONS}/welcome/archive")
    assert (archived.status, archived.json["archivedBy"]) == (200, "key")
    assert client.post(f"{COUPONS}/{made.json['id']}/archive").status == 409
    assert client.get(f"{COUPONS}/welcome").status == 404
    assert give(client, coupon=made.json["id"]).status == 409
    assert client.get(COUPONS).json["totalCount"] == 0
    assert client.get(COUPONS, {"includeArchived": "true"}).json["items"] == [
        client.get(f"{COUPONS}/{made.json['id']}").json
    ]
    assert create(client).status == 201


def test_coupons_are_listed_page_by_page_in_the_order_asked_for(client: Client) -> None:
    for key in ("b", "a", "c"):
        create(client, key=key)

    page = client.get(COUPONS, {"pageSize": "2", "page": "2", "orderBy": "key", "order": "DESC"}).json

    assert ([each["key"] for each in page["items"]], page["totalCount"]) == (["a"], 3)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (coupon_body("0 %"), "off.percentage"),
        (coupon_body("101 %"), "off.percentage"),
        (coupon_body("-1 USD"), "off.amount"),
        (coupon_body("0.001 USD"), "off.amount"),
        (coupon_body("1 XYZ"), "off.currency"),
        (coupon_body("1 USD", "0 times"), "duration.times"),
        (coupon_body("1 USD", "until 2026-04-30"), "duration.until"),
        (coupon_body("1 USD", redeemBy="2026-05-01T00:00:00Z"), "redeemBy"),
        (coupon_body("1 USD", maxRedemptions=0), "maxRedemptions"),
        (coupon_body("1 USD", key="Not A Key"), "key"),
        ({name: value for name, value in coupon_body("1 USD").items() if name != "duration"}, "duration"),
    ],
)
def test_what_is_wrong_with_a_coupon_is_named(client: Client, body: dict[str, Any], field: str) -> None:
    answer = client.post(COUPONS, body)

    assert answer.status == 400, answer.text
    assert answer.fields == [field]


def test_a_coupon_of_a_subscription_is_on_its_invoice_and_can_be_taken_away(client: Client, world: World) -> None:
    world.plan(phase(flat("20")))
    of = world.subscribe(start="2026-05-01")
    path = f"/api/v1/subscriptions/{of.id}/coupons"
    create(client, "4.50 USD")
    applied = give(client, path).json
    assert client.get(OF_ACME).json["totalCount"] == 0
    (issued,) = world.issue().invoices

    shown = client.get(f"/api/v1/billing/invoices/{issued.invoice.id}").json

    assert problems(models.Invoice, shown) == []
    assert (shown["totals"]["amount"], shown["totals"]["discountsTotal"], shown["totals"]["total"]) == (
        "20.00",
        "4.50",
        "15.50",
    )
    (discount,) = shown["lines"][0]["discounts"]["amount"]
    assert (discount["amount"], discount["coupon"]) == ("4.50", {"key": "welcome", "appliedCouponId": applied["id"]})
    (listed,) = client.get(path).json["items"]
    assert (listed["invoiceCount"], listed["lastInvoiceId"]) == (1, issued.invoice.id)

    assert client.delete(f"{OF_ACME}/{applied['id']}").status == 404
    assert client.delete(f"{path}/{applied['id']}").status == 204
    assert client.delete(f"{path}/{applied['id']}").status == 409
    assert client.get(path).json["totalCount"] == 0
    (removed,) = client.get(path, {"includeRemoved": "true"}).json["items"]
    assert (removed["status"], removed["removedBy"]) == ("removed", "key")
    world.clock.time = at("2026-06-01")
    assert [each.invoice.total_minor for each in world.issue().invoices] == [2000]


def test_a_used_up_coupon_says_so(client: Client, world: World) -> None:
    world.plan(phase(flat("20")))
    world.subscribe(start="2026-05-01")
    create(client, "100 %", "once")
    give(client)
    world.issue()

    assert client.get(OF_ACME).json["items"][0]["status"] == "used_up"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v1/customers/nobody/coupons", "customer_not_found"),
        ("/api/v1/subscriptions/none/coupons", "subscription_not_found"),
        (OF_ACME, "coupon_not_found"),
    ],
)
def test_nobody_and_nothing_are_404(client: Client, path: str, code: str) -> None:
    answer = give(client, path, "nope")

    assert (answer.status, code in answer.text) == (404, True), answer.text


def test_another_tenant_sees_nothing_of_it(client: Client, world: World) -> None:
    create(client)
    other = Client(client.handler, tenant="other")

    assert other.get(f"{COUPONS}/welcome").status == 404
    assert other.get(COUPONS).json["totalCount"] == 0
    assert other.post(OF_ACME, {"coupon": "welcome"}).status == 404
    assert world.coupons.of_customer(TENANT, ACME) == []


def test_reading_needs_no_admin_and_everything_else_does(client: Client) -> None:
    create(client)
    reader = Client(client.handler, scopes="read")

    assert reader.get(COUPONS).status == reader.get(OF_ACME).status == 200
    assert reader.post(COUPONS, coupon_body("1 USD")).status == 403
    assert reader.post(OF_ACME, {"coupon": "welcome"}).status == 403
    assert reader.delete(f"{OF_ACME}/x").status == 403

"""Previews of deeds: nothing is written, and the amounts are those of the invoice that follows."""

from typing import Any

import pytest

from functions.domain.billing.line import InvoiceLine
from tests.application.billing.world import ACME, World
from tests.domain.builders import at, flat, phase, unit
from tests.handlers.gateway import Client

SUBSCRIPTIONS = "/api/v1/subscriptions"


def add(card: dict[str, Any]) -> dict[str, Any]:
    return {"op": "add_item", "phaseKey": "main", "rateCard": card}


@pytest.fixture
def of(client: Client, world: World) -> str:
    """A month of 31.00, paid, ten days old; there is a dearer plan and a newer version."""
    world.pays_at_once = True
    world.plan(phase(flat("31"), unit("0.01")))
    body = {"plan": {"key": "pro"}, "customerId": ACME, "timing": "2026-05-01T00:00:00Z"}
    made = client.post(SUBSCRIPTIONS, body).json["id"]
    world.issue("2026-05-01")
    world.plan(phase(flat("62"), unit("0.02")), key="other")
    world.plan(phase(flat("46.50"), unit("0.01")))
    world.clock.time = at("2026-05-11")
    return f"{SUBSCRIPTIONS}/{made}"


CHANGE = {"plan": {"key": "other"}, "timing": "immediate"}
EDIT = {"customizations": [add(flat("15.50"))], "timing": "immediate"}


@pytest.mark.parametrize(
    ("path", "preview", "verb", "body"),
    [
        ("/change", "/change/preview", "POST", CHANGE),
        ("/change", "/change/preview", "POST", CHANGE | {"timing": "next_billing_cycle"}),
        ("/migrate", "/migrate/preview", "POST", {"timing": "immediate"}),
        ("", "?dryRun=true", "PATCH", EDIT),
        ("", "?dryRun=true", "PATCH", EDIT | {"timing": "next_billing_cycle"}),
    ],
)
def test_a_preview_is_the_invoice_that_follows(
    client: Client, world: World, of: str, path: str, preview: str, verb: str, body: dict[str, Any]
) -> None:
    before = client.get(of).json
    looked = client.call(verb, of + preview.partition("?")[0], body, params=preview.partition("?")[2])
    assert looked.status == 200, looked.text
    assert client.get(of).json == before, "nothing is written"
    assert world.issue().invoices == ()

    assert client.call(verb, of + path, body).status == 200
    world.clock.time = at(looked.json["effectiveAt"].removesuffix("Z"))
    lines: list[InvoiceLine] = [line for record in world.issue().invoices for line in record.invoice.lines]

    def amounts(shown: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return [(line["name"], line["totals"]["total"]) for line in shown]

    expected = [(line.name, f"{line.total_minor / 100:.2f}") for line in lines]
    assert sorted(amounts(looked.json["lines"]) + amounts(looked.json["credits"])) == sorted(expected)
    assert looked.json["totals"]["total"] == f"{sum(line.total_minor for line in lines) / 100:.2f}"


def test_a_preview_says_what_is_kept_and_lost(client: Client, world: World, of: str) -> None:
    client.call("PATCH", of, {"customizations": [add(flat("5", key="support"))], "timing": "immediate"})

    looked = client.post(f"{of}/migrate/preview", {"timing": "immediate"}).json

    assert looked["kept"] == [{"type": "phase", "key": "main"}]
    assert looked["lost"] == [{"type": "edit", "key": "support"}]


def test_the_credit_of_an_unpaid_fee_is_not_promised(client: Client, world: World) -> None:
    world.plan(phase(flat("31")))
    made = client.post(
        SUBSCRIPTIONS, {"plan": {"key": "pro"}, "customerId": ACME, "timing": "2026-05-01T00:00:00Z"}
    ).json["id"]
    world.issue("2026-05-01")
    world.plan(phase(flat("62")), key="other")
    world.clock.time = at("2026-05-11")

    looked = client.post(f"{SUBSCRIPTIONS}/{made}/change/preview", CHANGE).json

    assert (looked["totals"]["credits"], looked["totals"]["charges"]) == ("0.00", "42.00")
    client.post(f"{SUBSCRIPTIONS}/{made}/change", CHANGE)
    world.issue()
    (claim,) = client.get(f"{SUBSCRIPTIONS}/{made}").json["claims"]
    assert (claim["status"], claim["amount"], claim["itemKey"]) == ("waiting", "21.00", "fee")


@pytest.mark.parametrize("path", ["change/preview", "migrate/preview"])
def test_a_preview_refuses_what_the_deed_would_refuse(client: Client, of: str, path: str) -> None:
    body = {"plan": {"key": "nope"}, "timing": "immediate"} if "change" in path else {"targetVersion": 9}
    assert client.post(f"{of}/{path}", body).status == 404
    assert client.post(f"{SUBSCRIPTIONS}/01NOTTHERE/{path}", CHANGE if "change" in path else {}).status == 404

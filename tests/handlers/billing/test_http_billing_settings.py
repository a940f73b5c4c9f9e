from typing import Any

import pytest

from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers
from functions.application.billing.issue_invoice import issue_invoices
from functions.application.subscriptions.manage_customer import create_customer
from functions.domain.subscriptions.customer import CustomerCreate
from functions.handlers.wiring import billing
from tests.application.billing.world import ACME, TENANT, World
from tests.domain.builders import at, flat, phase, unit
from tests.handlers.gateway import Client

SETTINGS = "/api/v1/billing/settings"
BERLIN, TOKYO = "Europe/Berlin", "Asia/Tokyo"


def test_nothing_is_decided_at_the_beginning_and_a_put_replaces_all(client: Client) -> None:
    assert client.get(SETTINGS).json == {"timeZone": "UTC", "invoicesIdle": False}

    decided = client.put(SETTINGS, {"timeZone": BERLIN, "invoicesIdle": True})
    now = "2026-05-01T00:00:00Z"
    assert (decided.status, decided.json) == (200, {"timeZone": BERLIN, "invoicesIdle": True, "updatedAt": now})
    assert client.get(SETTINGS).json == decided.json

    again = {"timeZone": TOKYO, "invoicesIdle": False, "updatedAt": now}
    assert client.put(SETTINGS, {"timeZone": TOKYO}).json == again
    at_the_beginning = {"timeZone": "UTC", "invoicesIdle": False, "updatedAt": now}
    assert client.put(SETTINGS, {}).json == client.get(SETTINGS).json == at_the_beginning


def test_what_was_read_is_taken_back_unless_another_changed_it(client: Client, world: World) -> None:
    first = client.get(SETTINGS).json
    assert client.put(SETTINGS, first).status == 200
    read = client.get(SETTINGS).json
    world.clock.time = at("2026-05-02")
    assert client.put(SETTINGS, read | {"timeZone": BERLIN}).json["updatedAt"] == "2026-05-02T00:00:00Z"

    late = client.put(SETTINGS, read | {"timeZone": TOKYO})
    assert (late.status, late.fields) == (400, ["updatedAt"])
    assert client.get(SETTINGS).json["timeZone"] == BERLIN


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"timeZone": "Europe/Atlantis"}, "timeZone"),
        ({"timeZone": "../../etc/passwd"}, "timeZone"),
        ({"timeZone": "E" * 65}, "timeZone"),
        ({"timeZone": None}, "timeZone"),
        ({"invoicesIdle": "perhaps"}, "invoicesIdle"),
        ({"zone": BERLIN}, "zone"),
    ],
)
def test_what_cannot_be_decided_is_refused_by_name(client: Client, body: dict[str, Any], field: str) -> None:
    answer = client.put(SETTINGS, body)

    assert (answer.status, answer.fields) == (400, [field])
    assert client.get(SETTINGS).json["timeZone"] == "UTC"


def test_only_an_administrator_decides_and_only_for_the_own_tenant(client: Client) -> None:
    client.put(SETTINGS, {"timeZone": BERLIN})

    assert client.acting_as("read").put(SETTINGS, {"timeZone": TOKYO}).status == 403
    assert client.get(SETTINGS).json["timeZone"] == BERLIN
    assert client.acting_as("admin", "other").get(SETTINGS).json["timeZone"] == "UTC"


def test_a_stage_that_wants_idle_invoices_is_followed_until_the_tenant_decides(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOICES_IDLE", "true")
    assert client.get(SETTINGS).json["invoicesIdle"] is True
    assert client.put(SETTINGS, {"invoicesIdle": False}).json["invoicesIdle"] is False
    assert client.get(SETTINGS).json["invoicesIdle"] is False


@pytest.mark.parametrize(("own", "expected"), [(None, BERLIN), (TOKYO, TOKYO), ("UTC", "UTC")])
def test_months_are_those_of_the_tenant_unless_the_customer_has_a_zone(
    client: Client, world: World, own: str | None, expected: str
) -> None:
    customers = DynamoCustomers(world.table)
    world.customers = customers
    body = CustomerCreate(name="Acme", key="acme", time_zone=own)
    create_customer(TENANT, body, customers=customers, clock=world.clock, new_id=world.new_id)
    world.plan(phase(flat("30")))
    client.put(SETTINGS, {"timeZone": BERLIN})

    made = client.post("/api/v1/subscriptions", {"customerKey": "acme", "plan": {"key": "pro"}})
    assert (made.status, made.json["timeZone"]) == (201, expected), made.text

    client.put(SETTINGS, {"timeZone": "America/New_York"})
    kept = client.get(f"/api/v1/subscriptions/{made.json['id']}").json["timeZone"]
    assert kept == expected, "what runs stays where it was"


def test_a_tenant_gets_invoices_about_nothing_once_it_wants_them(client: Client, world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.usage.per_day = {}
    world.subscribe(start="2026-04-01")

    def issued(now: str) -> list[int]:
        world.clock.time = at(now)
        ports = billing.billing_ports()
        records = issue_invoices(TENANT, ACME, world.clock.now(), "run-1", ports=ports).invoices
        return [each.invoice.total_minor for each in records]

    assert issued("2026-05-01T01:00:00") == []
    client.put(SETTINGS, {"invoicesIdle": True})
    assert issued("2026-06-01T01:00:00") == [0]
    client.put(SETTINGS, {"invoicesIdle": False})
    assert issued("2026-07-01T01:00:00") == []

import pytest

from functions.application import list_due as module
from functions.application.list_due import list_due, list_due_customers
from functions.application.ports.billing import Due
from tests.application.billing.world import ACME, GLOBEX, TENANT, World
from tests.domain.builders import at, phase, unit


def pages(world: World, as_of: str, now: str) -> list[list[Due]]:
    found, cursor = [], None
    while True:
        page = list_due(at(as_of), at(now), cursor=cursor, index=world.index)
        found.append(list(page.items))
        cursor = page.cursor
        if cursor is None:
            return found


def everybody(world: World, as_of: str, now: str | None = None) -> list[Due]:
    return [due for page in pages(world, as_of, now or as_of) for due in page]


def test_whoever_has_a_period_that_ended_is_listed_earliest_first(world: World):
    world.plan(phase(unit()))
    world.subscribe(ACME, start="2026-04-10")
    world.subscribe(GLOBEX, start="2026-04-05")

    assert everybody(world, "2026-05-04") == []
    assert everybody(world, "2026-05-05") == [Due(TENANT, GLOBEX)]
    assert everybody(world, "2026-06-01") == [Due(TENANT, GLOBEX), Due(TENANT, ACME)]


def test_pages_are_bounded_and_a_customer_that_stays_due_is_listed_once(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PAGE_SIZE", 1)
    world.plan(phase(unit()))
    world.subscribe(ACME, start="2026-04-10")
    world.subscribe(GLOBEX, start="2026-04-05")

    found = pages(world, "2026-06-01", "2026-06-01")

    assert [len(page) for page in found] == [1, 1, 0, 0]


def test_an_invoice_the_gateway_never_got_is_listed_again_after_a_while(world: World):
    world.plan(phase(unit()))
    world.subscribe(ACME, start="2026-04-01")
    issued = world.issue()

    assert everybody(world, "2026-05-01", "2026-05-01T00:09:59") == []
    assert everybody(world, "2026-05-01", "2026-05-01T00:10:00") == [
        Due(TENANT, ACME, (issued.invoices[0].invoice.id,))
    ]


def test_a_few_customers_are_asked_for_directly(world: World):
    world.plan(phase(unit()))
    world.subscribe(ACME, start="2026-04-01")
    world.subscribe(GLOBEX, start="2026-04-20")

    page = list_due_customers(TENANT, [ACME, GLOBEX], at("2026-05-01"), subscriptions=world.subscriptions)

    assert (page.items, page.cursor) == ([Due(TENANT, ACME)], None)

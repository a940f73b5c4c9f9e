import pytest

from functions.adapters.dynamo.billing.billing_index import DynamoDueIndex, DynamoDuePlans
from functions.adapters.dynamo.table import Table
from functions.application.billing import list_due as module
from functions.application.billing.list_due import list_due, list_due_customers
from functions.application.ports.billing import Due
from tests.application.billing.world import ACME, GLOBEX, TENANT, World
from tests.domain.builders import at, phase, unit


def pages(world: World, as_of: str, now: str) -> list[list[Due]]:
    found, cursor = [], None
    while True:
        page = list_due(
            at(as_of), at(now), run_id="run-1", cursor=cursor, index=world.index, plans=DynamoDuePlans(world.table)
        )
        found.append(list(page.items))
        cursor = page.cursor
        if cursor is None:
            return found


def everybody(world: World, as_of: str, now: str | None = None) -> list[Due]:
    return [due for page in pages(world, as_of, now or as_of) for due in page]


def test_customers_with_a_period_that_ended_are_listed_earliest_first(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(ACME, start="2026-04-10")
    world.subscribe(GLOBEX, start="2026-04-05")

    assert everybody(world, "2026-05-04") == []
    assert everybody(world, "2026-05-05") == [Due(TENANT, GLOBEX)]
    assert everybody(world, "2026-06-01") == [Due(TENANT, GLOBEX), Due(TENANT, ACME)]


def test_pages_are_bounded_and_a_customer_that_stays_due_is_listed_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE_SIZE", 1)
    world.plan(phase(unit()))
    world.subscribe(ACME, start="2026-04-10")
    world.subscribe(GLOBEX, start="2026-04-05")

    found = pages(world, "2026-06-01", "2026-06-01")

    assert [len(page) for page in found] == [1, 1, 0]


def test_an_invoice_the_gateway_never_got_is_listed_again_after_a_while(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(ACME, start="2026-04-01")
    issued = world.issue()

    assert everybody(world, "2026-05-01", "2026-05-01T00:09:59") == []
    assert everybody(world, "2026-05-01", "2026-05-01T00:10:00") == [
        Due(TENANT, ACME, (issued.invoices[0].invoice.id,))
    ]


def test_a_few_customers_are_asked_for_directly(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(ACME, start="2026-04-01")
    world.subscribe(GLOBEX, start="2026-04-20")

    page = list_due_customers(TENANT, [ACME, GLOBEX], at("2026-05-01"), subscriptions=world.subscriptions)

    assert (page.items, page.cursor) == ([Due(TENANT, ACME)], None)


class Everybody:
    """Index entries as they lie in the table, without the subscriptions behind them."""

    def __init__(self, table: Table, index: str = "due") -> None:
        self.table, self.index, self.plans = table, DynamoDueIndex(table), DynamoDuePlans(table)
        self.name = index

    def add(self, tenant: str, customers: int, instant: str, invoices: int = 1) -> None:
        entries = [
            {"pk": {"S": self.name}, "sk": {"S": f"{instant}#{tenant}#c{n:06d}#i{m:03d}"}}
            for n in range(customers)
            for m in range(invoices)
        ]
        for start in range(0, len(entries), 25):
            some = entries[start : start + 25]
            self.table.client.batch_write_item(
                RequestItems={self.table.name: [{"PutRequest": {"Item": item}} for item in some]}
            )

    def pages(self, run_id: str = "run-1") -> list[list[Due]]:
        found, cursor = [], None
        while True:
            page = list_due(
                at("2026-06-01"), at("2026-06-01"), run_id=run_id, cursor=cursor, index=self.index, plans=self.plans
            )
            found.append(list(page.items))
            cursor = page.cursor
            if cursor is None:
                return found


@pytest.fixture
def everybody_due(world: World) -> Everybody:
    return Everybody(world.table)


@pytest.mark.parametrize(("big_at", "small_at"), [("2026-05-01", "2026-05-01"), ("2026-05-01", "2026-05-31")])
def test_a_tenant_with_one_customer_does_not_wait_for_a_thousand_of_another(
    everybody_due: Everybody, big_at: str, small_at: str
) -> None:
    everybody_due.add("big", 1_000, f"{big_at}T00:00:00Z")
    everybody_due.add("small", 1, f"{small_at}T00:00:00Z")
    first, second, third, nothing = everybody_due.pages()
    assert Due("small", "c000000") in first[:2]
    everyone = [*first, *second, *third]
    assert [len(first), len(second), len(third), nothing] == [500, 500, 1, []]
    assert len(set(everyone)) == 1_001, "each of them once"
    assert [due.customer_id for due in everyone if due.tenant == "big"] == [f"c{n:06d}" for n in range(1_000)]


def test_every_tenant_has_its_turn_before_anybody_has_a_second(everybody_due: Everybody) -> None:
    for tenant, customers in (("a", 3), ("b", 1), ("c", 2)):
        everybody_due.add(tenant, customers, "2026-05-01T00:00:00Z")
    (page, _) = everybody_due.pages()
    assert [(due.tenant, due.customer_id[-1]) for due in page] == [
        *(("a", "0"), ("b", "0"), ("c", "0")),
        *(("a", "1"), ("c", "1")),
        ("a", "2"),
    ]


def test_what_a_plan_has_no_room_for_is_there_for_the_next_run(
    everybody_due: Everybody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PLANNED", 5)
    everybody_due.add("big", 20, "2026-05-01T00:00:00Z")
    everybody_due.add("small", 1, "2026-05-02T00:00:00Z")
    (page, _) = everybody_due.pages()
    assert [due.tenant for due in page] == ["big", "small", "big", "big", "big"]
    for due in page:
        instant = "2026-05-01" if due.tenant == "big" else "2026-05-02"
        everybody_due.table.delete("due", f"{instant}T00:00:00Z#{due.tenant}#{due.customer_id}#i000")
    (following, _) = everybody_due.pages("run-2")
    assert [due.customer_id for due in following] == [f"c{n:06d}" for n in range(4, 9)]


def test_reading_what_is_due_is_bounded(everybody_due: Everybody, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SCANNED", 20)
    monkeypatch.setattr(module, "SCANNED_AT_ONCE", 10)
    everybody_due.add("big", 50, "2026-05-01T00:00:00Z")
    (page, _) = everybody_due.pages()
    assert len(page) == 20


def test_invoices_to_push_take_turns_too_and_count_for_the_size_of_a_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpushed = Everybody(world.table, "unpushed")
    unpushed.add("big", 30, "2026-05-01T00:00:00Z", invoices=40)
    unpushed.add("small", 1, "2026-05-31T00:00:00Z")
    nothing, *pages = unpushed.pages()
    assert nothing == []
    assert [due.tenant for due in pages[0][:2]] == ["big", "small"]
    assert all(sum(len(due.invoice_ids) for due in page) <= module.PAGE_SIZE for page in pages)
    assert sum(len(due.invoice_ids) for page in pages for due in page) == 30 * 40 + 1
    monkeypatch.setattr(module, "MAX_INVOICES", 10)
    assert max(len(due.invoice_ids) for page in unpushed.pages("run-2") for due in page) == 10


def test_a_run_with_one_page_writes_no_plan(everybody_due: Everybody) -> None:
    everybody_due.add("a", 500, "2026-05-01T00:00:00Z")
    everybody_due.pages()
    assert list(everybody_due.table.query("due_plan")) == []


def test_a_step_that_is_tried_again_gives_the_same_page(everybody_due: Everybody) -> None:
    everybody_due.add("a", 1_200, "2026-05-01T00:00:00Z")
    assert everybody_due.pages() == everybody_due.pages()


def test_a_run_that_a_deployment_overtook_begins_its_index_again(everybody_due: Everybody) -> None:
    everybody_due.add("a", 3, "2026-05-01T00:00:00Z")
    old = "due:2026-05-01T00:00:00Z#a#c000000#i000"
    found = list_due(
        at("2026-06-01"),
        at("2026-06-01"),
        run_id="r",
        cursor=old,
        index=everybody_due.index,
        plans=everybody_due.plans,
    )
    assert (len(found.items), found.cursor) == (3, "unpushed:")

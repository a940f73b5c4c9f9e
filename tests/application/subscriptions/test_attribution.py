"""Usage is billed to whom it belonged when it happened: subjects that move, leave and come back."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers
from functions.application.subscriptions.cancel_subscription import cancel_subscription
from functions.application.subscriptions.manage_customer import create_customer, delete_customer, replace_customer
from functions.domain.metering.values.holding import Holding
from functions.domain.subscriptions.customer import CustomerCreate
from tests.application.billing.world import TENANT, World
from tests.domain.builders import at, phase, unit


class Owners:
    """Customers as they are kept, on a plan of 1.00 a unit and month; each subject uses ten units a day."""

    def __init__(self, world: World) -> None:
        self.world, self.customers = world, DynamoCustomers(world.table)
        world.customers = self.customers
        world.usage.per_day = {name: Decimal(10) for name in ("app", "web", "acme")}
        world.plan(phase(unit() | {"price": {"type": "unit", "amount": "1.00"}}))
        world.clock.time = at("2026-05-01")

    def on(self, instant: str) -> "Owners":
        self.world.clock.time = at(instant)
        return self

    def create(self, name: str, *subjects: str, **more: Any) -> str:
        made = create_customer(
            TENANT,
            customer_create(name, *subjects, **more),
            customers=self.customers,
            clock=self.world.clock,
            new_id=self.world.new_id,
        )
        self.world.subscribe(made.id)
        return made.id

    def hold(self, customer_id: str, *subjects: str) -> None:
        replace_customer(
            TENANT, customer_id, customer_create("n", *subjects), customers=self.customers, clock=self.world.clock
        )

    def delete(self, customer_id: str) -> None:
        world = self.world
        for each in world.subscriptions.of_customer(TENANT, customer_id):
            cancel_subscription(TENANT, each.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)
        delete_customer(
            TENANT, customer_id, customers=self.customers, subscriptions=world.subscriptions, clock=world.clock
        )

    def billed(self, customer_id: str) -> list[str]:
        """The total of each invoice until now, in major units."""
        issued = self.world.issue(customer_id=customer_id)
        return [f"{Decimal(each.invoice.total_minor) / 100:.2f}" for each in issued.invoices]

    def held(self, customer_id: str) -> list[tuple[str, datetime | None, datetime | None]]:
        holdings = self.customers.holdings(TENANT, [customer_id])[customer_id]
        return [(each.subject, each.held_from, each.held_to) for each in holdings]


def customer_create(name: str, *subjects: str, **more: Any) -> CustomerCreate:
    return CustomerCreate.model_validate({"name": name, "usageAttribution": {"subjectKeys": list(subjects)}, **more})


@pytest.fixture
def owners(world: World) -> Owners:
    return Owners(world)


def test_a_subject_that_moves_is_billed_to_each_for_its_own_days(owners: Owners) -> None:
    acme, globex = owners.create("Acme", "app", "web"), owners.create("Globex")
    owners.on("2026-05-11").hold(acme, "web")
    owners.hold(globex, "app")
    owners.on("2026-06-01T00:10:00")
    assert owners.billed(acme) == ["410.00"]  # ten days of app, 31 of web
    assert owners.billed(globex) == ["210.00"]
    assert owners.held(acme) == [("app", None, at("2026-05-11")), ("web", None, None)]
    assert owners.held(globex) == [("app", at("2026-05-11"), None)]


def test_a_line_says_whose_it_was_and_when_and_its_explanation_asks_the_same(owners: Owners) -> None:
    acme, globex = owners.create("Acme", "app", "web"), owners.create("Globex")
    owners.on("2026-05-11").hold(acme, "web")
    owners.hold(globex, "app")
    owners.on("2026-06-01T00:10:00")
    (record,) = owners.world.issue(customer_id=acme).invoices
    usage = record.invoice.lines[0].usage
    assert usage is not None
    moved = Holding(subject="app", held_to=at("2026-05-11"))
    assert (usage.subjects, usage.held) == (("app", "web"), (moved, Holding(subject="web")))
    owners.on("2026-07-01T00:10:00")
    (record,) = owners.world.issue(customer_id=acme).invoices
    usage = record.invoice.lines[0].usage
    assert usage is not None
    assert (usage.subjects, usage.held, usage.quantity) == (("web",), (), Decimal(300))


def test_what_a_removed_subject_used_stays_and_the_gap_is_nobodys(owners: Owners) -> None:
    acme = owners.create("Acme", "app")
    owners.on("2026-05-11").hold(acme)
    owners.on("2026-05-21").hold(acme, "app")
    assert owners.held(acme) == [("app", None, at("2026-05-11")), ("app", at("2026-05-21"), None)]
    assert owners.on("2026-06-01T00:10:00").billed(acme) == ["210.00"]


def test_a_deleted_customers_subject_is_its_own_until_then_and_the_next_ones_from_then(owners: Owners) -> None:
    acme, globex = owners.create("Acme", "app", key="acme"), owners.create("Globex", "web")
    owners.on("2026-05-06").delete(acme)
    owners.on("2026-05-07").hold(globex, "web", "app", "acme")
    owners.on("2026-06-01T00:10:00")
    assert owners.billed(acme) == ["100.00"]  # five days of app and of its own key
    assert owners.billed(globex) == ["810.00"]  # 31 days of web, 25 of the other two
    since = at("2026-05-07")
    assert set(owners.held(globex)) == {("web", None, None), ("app", since, None), ("acme", since, None)}


def test_from_hand_to_hand_and_back_within_a_day_nobody_pays_twice(owners: Owners) -> None:
    acme, globex = owners.create("Acme", "app"), owners.create("Globex")
    for hour in range(0, 24, 2):
        owners.on(f"2026-05-02T{hour:02}:00:00").hold(acme)
        owners.hold(globex, "app")
        owners.on(f"2026-05-02T{hour + 1:02}:00:00").hold(globex)
        owners.hold(acme, "app")
    owners.on("2026-06-01T00:10:00")
    assert (owners.billed(acme), owners.billed(globex)) == (["305.00"], ["5.00"])


def test_a_customer_who_takes_a_subject_by_a_slow_clock_has_it_from_when_it_was_free(owners: Owners) -> None:
    acme, globex = owners.create("Acme", "app"), owners.create("Globex")
    owners.on("2026-05-11T00:00:02").hold(acme)
    owners.on("2026-05-11T00:00:00").hold(globex, "app")
    assert owners.held(globex) == [("app", at("2026-05-11T00:00:02"), None)]


def test_what_is_held_for_no_time_leaves_nothing(owners: Owners) -> None:
    acme, globex = owners.create("Acme", "app"), owners.create("Globex")
    owners.on("2026-05-11").hold(acme)
    owners.hold(globex, "app")
    owners.hold(globex)
    assert owners.held(globex) == []
    owners.hold(acme, "app")
    assert owners.on("2026-06-01T00:10:00").billed(acme) == ["310.00"]


def test_holders_of_a_subject_are_told_with_their_times(owners: Owners) -> None:
    acme, globex = owners.create("Acme", "app"), owners.create("Globex")
    owners.on("2026-05-11").hold(acme)
    owners.on("2026-05-12").hold(globex, "app")
    holders = owners.customers.holders(TENANT, ["app", "unheard-of"])
    assert list(holders) == ["app"]
    times = [(each.customer_id, each.holding.held_from, each.holding.held_to) for each in holders["app"]]
    assert times == [(acme, None, at("2026-05-11")), (globex, at("2026-05-12"), None)]


def test_the_upcoming_invoice_knows_it_too(owners: Owners) -> None:
    acme, globex = owners.create("Acme", "app"), owners.create("Globex")
    owners.on("2026-05-11").hold(acme)
    owners.hold(globex, "app")
    (of_acme,) = owners.world.subscriptions.of_customer(TENANT, acme)
    assert owners.world.preview(of_acme.id).invoice.total_minor == 100_00


def test_a_customer_from_before_there_were_dates_holds_its_subjects_ever(owners: Owners, world: World) -> None:
    acme, globex = owners.create("Acme", "app"), owners.create("Globex")
    deleted = owners.customers.get(TENANT, acme)
    assert deleted is not None
    # As it was written then: the names are free, nothing says since when.
    owners.on("2026-05-06")
    for each in world.subscriptions.of_customer(TENANT, acme):
        cancel_subscription(TENANT, each.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)
    body = deleted.record.model_copy(update={"deleted_at": at("2026-05-06"), "updated_at": at("2026-05-06")})
    table = world.table
    table.put(
        {
            "pk": f"{TENANT}#customer",
            "sk": acme,
            "version": 2,
            "body": body.model_dump_json(by_alias=True, exclude_none=True),
        }
    )
    table.delete(f"{TENANT}#unique", "subject#app")
    owners.hold(globex, "app")
    assert owners.held(acme) == [("app", None, at("2026-05-06"))]
    owners.on("2026-06-01T00:10:00")
    assert owners.billed(acme) == ["50.00"]


def test_ninety_subjects_can_all_leave_and_all_come_back(owners: Owners) -> None:
    names = [f"device-{n}-{'x' * 230}" for n in range(90)]
    acme = owners.create("Acme", *names)
    for day in range(2, 8):
        owners.on(f"2026-05-{day:02}T00:00:00").hold(acme)
        owners.on(f"2026-05-{day:02}T12:00:00").hold(acme, *names)
    held = owners.held(acme)
    assert len(held) == 90 * 7
    assert {each[2] for each in held if each[0] == names[5]} == {
        *(at(f"2026-05-{day:02}") for day in range(2, 8)),
        None,
    }

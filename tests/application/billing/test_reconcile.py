"""Usage that comes late for a billed period is found, rated again and told: nothing of it vanishes in silence."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers
from functions.adapters.dynamo.subscriptions.reconciliation_store import DynamoDifferences, DynamoRechecks
from functions.adapters.memory.ledger import MemoryLedger
from functions.application.billing.reconcile import Reconciled, ReconciliationPorts, check_customer, reconcile
from functions.application.subscriptions.cancel_subscription import cancel_subscription
from functions.application.subscriptions.edit_subscription import edit_subscription
from functions.application.subscriptions.manage_customer import create_customer, replace_customer
from functions.domain.billing.difference import BilledDifference
from functions.domain.errors import NotFound, Unavailable
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.ledger.late import DAY_SECONDS, LateUsage
from functions.domain.metering.ledger.ledger import HOUR_SECONDS
from functions.domain.subscriptions.customer import CustomerCreate
from tests.application.billing.test_pieces import (
    EVENTS,
    LIMITS,
    MORE,
    START,
    STEPS,
    WAYS,
    Life,
    ListedUsage,
    Used,
)
from tests.application.billing.world import ACME, TENANT, World
from tests.domain.builders import EDIT, at, phase, unit

PER_UNIT = {"type": "unit", "amount": "1.00"}


class Late:
    """A customer of one card, whose events are listed; late ones are told as a commit tells them."""

    def __init__(self, world: World, price: dict[str, Any] | None = None, **more: Any) -> None:
        self.world, self.usage, self.ledger = world, ListedUsage(), MemoryLedger()
        world.usage = self.usage
        self.customers = world.customers = DynamoCustomers(world.table)
        world.clock.time = at("2026-05-01")
        world.invoices_idle = False
        self.card = unit() | {"price": price or PER_UNIT} | more
        world.plan(phase(self.card))
        self.acme = self.create("acme")

    def create(self, key: str) -> str:
        create = CustomerCreate(name=key, key=key)
        world = self.world
        made = create_customer(TENANT, create, customers=self.customers, clock=world.clock, new_id=world.new_id)
        world.subscribe(made.id)
        return made.id

    def use(self, instant: str, value: str | int = 1, **more: Any) -> None:
        self.usage.events = [*self.usage.events, Used(at(instant), Decimal(value), **more)]

    def late(self, instant: str, value: str | int = 1, subject: str = "acme", **more: Any) -> None:
        """It has just been counted."""
        self.use(instant, value, **more)
        slot = int(self.world.clock.now().timestamp()) // HOUR_SECONDS
        day = int(at(instant).timestamp()) // DAY_SECONDS
        late = LateUsage(slot, TENANT, day, subject)
        self.ledger.table.put(("late", *late), late)

    def bill(self, instant: str, customer_id: str | None = None) -> list[int]:
        self.world.clock.time = at(instant)
        issued = self.world.issue(customer_id=customer_id or self.acme)
        return [each.invoice.total_minor for each in issued.invoices]

    def look(self, instant: str, has_time: Any = lambda: True) -> Reconciled:
        self.world.clock.time = at(instant)
        return reconcile(has_time, ports=self.ports)

    @property
    def ports(self) -> ReconciliationPorts:
        world = self.world
        return ReconciliationPorts(
            late=self.ledger,
            rechecks=DynamoRechecks(world.table),
            customers=self.customers,
            billed_customers=self.customers,
            subscriptions=world.subscriptions,
            invoices=world.invoices,
            usage=self.usage,
            differences=DynamoDifferences(world.table),
            clock=world.clock,
        )

    @property
    def found(self) -> list[BilledDifference]:
        return list(DynamoDifferences(self.world.table).all(TENANT))

    @property
    def amounts(self) -> list[tuple[int, int | None]]:
        return [(each.issued_minor, each.re_rated_minor) for each in self.found]


def test_seven_units_that_came_late_are_found_with_what_they_cost(world: World) -> None:
    late = Late(world)
    late.use("2026-05-10", 100)
    assert late.bill("2026-06-01T01:00:00") == [100_00]
    late.late("2026-05-12", 7)
    assert late.look("2026-06-01T01:30:00").customers == 0  # the hour is not over
    done = late.look("2026-06-01T02:15:00")
    assert (done.customers, done.found, done.is_done, done.errors) == (1, 1, True, [])
    (found,) = late.found
    (invoice,) = world.all_invoices()
    assert (found.issued_minor, found.re_rated_minor, found.open_minor) == (100_00, 107_00, 7_00)
    assert (found.issued_quantity, found.re_rated_quantity) == (Decimal(100), Decimal(107))
    assert (found.customer_id, found.item_key, found.reason) == (late.acme, "tokens", "late_usage")
    assert (found.period_start, found.period_end) == (at("2026-05-01"), at("2026-06-01"))
    assert found.invoices == (invoice.invoice.id,)
    assert late.look("2026-06-01T03:15:00").customers == 0


def test_what_was_taken_back_is_found_and_what_cancels_out_is_forgotten(world: World) -> None:
    late = Late(world)
    late.use("2026-05-10", 100)
    late.bill("2026-06-01T01:00:00")
    late.late("2026-05-12", -7)
    assert late.look("2026-06-01T02:15:00").found == 1
    assert late.amounts == [(100_00, 93_00)]
    assert late.found[0].reason == "corrected_usage"
    late.late("2026-05-13", 7)
    assert late.look("2026-06-01T03:15:00").found == 0
    assert late.found == []


def test_a_seat_that_came_late_and_one_that_only_moved_are_both_found(world: World) -> None:
    """The same value-hours at other levels, and another level at the end, cost something else."""
    tiers = [{"upToAmount": "3", "unitPrice": {"amount": "10"}}, {"unitPrice": {"amount": "5"}}]
    price = {"type": "tiered", "mode": "graduated", "prorated": True, "tiers": tiers}
    world.features.aggregation = Aggregation.TIME_WEIGHTED_SUM
    late = Late(world, price)
    late.use("2026-05-01", 4)
    assert late.bill("2026-06-01T01:00:00") == [35_00]
    late.late("2026-05-16T12:00:00", 1)
    late.look("2026-06-01T02:15:00")
    assert late.amounts == [(35_00, 37_50)]
    # Two fewer in the first half and two more in the second: the average is what was billed.
    late.usage.events = [Used(at("2026-05-01"), Decimal(2)), Used(at("2026-05-16T12:00:00"), Decimal(3))]
    late.late("2026-05-16T12:00:00", 1)
    late.look("2026-06-01T03:15:00")
    assert late.amounts == [(35_00, 32_50)]
    assert late.found[0].re_rated_quantity == late.found[0].issued_quantity == 4 * 31 * 24


def test_a_difference_that_grows_is_told_again_and_one_that_stays_is_not(world: World) -> None:
    late = Late(world)
    late.use("2026-05-10", 100)
    late.bill("2026-06-01T01:00:00")
    late.late("2026-05-12", 7)
    late.look("2026-06-01T02:15:00")
    late.late("2026-05-12", 3)
    assert late.look("2026-06-01T03:15:00").found == 1
    assert late.amounts == [(100_00, 110_00)]
    assert (late.found[0].found_at, late.found[0].checked_at) == (at("2026-06-01T02:15:00"), at("2026-06-01T03:15:00"))
    late.late("2026-05-12", 0)
    assert late.look("2026-06-01T04:15:00").found == 0
    assert late.amounts == [(100_00, 110_00)]


def test_late_usage_of_a_month_in_which_nothing_was_used_has_no_invoice_and_is_found(world: World) -> None:
    late = Late(world)
    assert late.bill("2026-06-01T01:00:00") == []
    late.late("2026-05-12", 7)
    late.look("2026-06-01T02:15:00")
    assert late.amounts == [(0, 7_00)]
    assert late.found[0].invoices == ()


def test_usage_that_costs_nothing_more_is_no_difference(world: World) -> None:
    late = Late(world, discounts={"usage": {"quantity": "500"}})
    late.use("2026-05-10", 100)
    late.bill("2026-06-01T01:00:00")
    late.late("2026-05-12", 7)
    done = late.look("2026-06-01T02:15:00")
    assert (done.customers, done.found, late.found) == (1, 0, [])


@pytest.mark.parametrize(
    ("price", "issued", "re_rated"),
    [
        ({**PER_UNIT, "maximumAmount": "102"}, 100_00, 102_00),
        ({**PER_UNIT, "minimumAmount": "150"}, 150_00, 150_00),
        ({"type": "package", "amount": "10", "quantityPerPackage": "50"}, 20_00, 30_00),
        (
            {
                "type": "tiered",
                "mode": "graduated",
                "tiers": [
                    {"upToAmount": "100", "unitPrice": {"type": "unit", "amount": "1"}},
                    {"unitPrice": {"type": "unit", "amount": "0.50"}},
                ],
            },
            100_00,
            103_50,
        ),
        (
            {
                "type": "tiered",
                "mode": "volume",
                "tiers": [
                    {"upToAmount": "100", "unitPrice": {"type": "unit", "amount": "1"}},
                    {"unitPrice": {"type": "unit", "amount": "0.50"}},
                ],
            },
            100_00,
            53_50,
        ),
        (
            {
                "type": "matrix",
                "dimensions": ["model"],
                "rows": [{"values": {"model": "large"}, "amount": "2"}],
                "defaultAmount": "1",
            },
            200_00,
            214_00,
        ),
    ],
)
def test_each_price_says_what_it_would_have_been(
    world: World, price: dict[str, Any], issued: int, re_rated: int
) -> None:
    late = Late(world, price)
    late.use("2026-05-10", 100)
    assert late.bill("2026-06-01T01:00:00") == [issued]
    late.late("2026-05-12", 7)
    late.look("2026-06-01T02:15:00")
    assert late.amounts == ([] if issued == re_rated else [(issued, re_rated)])


def test_the_part_of_a_period_that_is_billed_is_not_the_period(world: World) -> None:
    late = Late(world)
    late.use("2026-05-05", 100)
    world.clock.time = at("2026-05-11T01:00:00")
    issued = world.issue(customer_id=late.acme, progressive=True).invoices
    assert [each.invoice.total_minor for each in issued] == [100_00]
    late.late("2026-05-04", 7)
    late.look("2026-05-11T03:00:00")
    assert late.found == []  # on the next line
    assert late.bill("2026-06-01T01:00:00") == [7_00]
    late.late("2026-05-04", 5)
    late.look("2026-06-01T02:15:00")
    assert late.amounts == [(107_00, 112_00)]
    assert len(late.found[0].invoices) == 2


def test_an_invoice_that_was_measured_at_once_looks_again_when_all_has_come(world: World) -> None:
    late = Late(world)
    late.use("2026-05-05", 100)
    world.clock.time = at("2026-05-20T10:07:33")
    (of,) = world.subscriptions.of_customer(TENANT, late.acme)
    cancel_subscription(TENANT, of.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)
    assert late.bill("2026-05-20T10:07:35") == [100_00]
    late.use("2026-05-20T10:07:30", 7)  # counted a second later, which is not late
    assert late.look("2026-05-20T11:09:59").customers == 0
    assert late.look("2026-05-20T11:10:00").found == 1
    assert late.amounts == [(100_00, 107_00)]
    assert late.look("2026-05-20T12:00:00").customers == 0


def test_every_customer_with_the_subject_on_the_day_or_after_is_looked_at(world: World) -> None:
    late = Late(world)
    other = late.create("globex")
    world.clock.time = at("2026-05-20")
    replace_customer(TENANT, late.acme, CustomerCreate(name="acme"), customers=late.customers, clock=world.clock)
    moved = CustomerCreate.model_validate({"name": "g", "key": "globex", "usageAttribution": {"subjectKeys": ["acme"]}})
    replace_customer(TENANT, other, moved, customers=late.customers, clock=world.clock)
    late.bill("2026-06-01T01:00:00")
    late.bill("2026-06-01T01:00:00", other)
    # A level that changed on the twelfth goes on into the time of the next holder.
    late.late("2026-05-12", 7)
    assert late.look("2026-06-01T02:15:00").customers == 2
    late.late("2026-05-20", 7)
    assert late.look("2026-06-01T03:15:00").customers == 1


def test_a_piece_before_an_edit_and_the_one_behind_it_are_rated_as_they_were_billed(world: World) -> None:
    late = Late(world, {**PER_UNIT, "minimumAmount": "150"})
    late.use("2026-05-05", 100)
    late.use("2026-05-25", 10)
    world.clock.time = at("2026-05-20")
    (of,) = world.subscriptions.of_customer(TENANT, late.acme)
    renamed = EDIT.validate_python({"op": "add_item", "phaseKey": "main", "rateCard": late.card | {"name": "Renamed"}})
    ports: Any = {"subscriptions": world.subscriptions, "features": world.features, "clock": world.clock}
    edit_subscription(TENANT, of.id, [renamed], "immediate", **ports, new_id=world.new_id)
    assert late.bill("2026-06-01T01:00:00") == [150_00]
    late.late("2026-05-06", 45)
    late.look("2026-06-01T02:15:00")
    # The piece before costs 45.00 more; the one behind, 10.00 and 40.00 of the minimum, no minimum any more.
    assert sum(each.open_minor for each in late.found) == 5_00


def test_a_meter_that_is_gone_is_told_as_such(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    late = Late(world)
    late.use("2026-05-10", 100)
    late.bill("2026-06-01T01:00:00")
    late.late("2026-05-12", 7)

    def gone(*_asked: Any) -> Any:
        raise NotFound("There is no meter 'tokens_total' to bill by.")

    monkeypatch.setattr(late.usage, "usage", gone)
    late.look("2026-06-01T02:15:00")
    (found,) = late.found
    assert (found.reason, found.re_rated_minor, found.open_minor) == ("not_measured", None, 0)
    assert found.detail == "There is no meter 'tokens_total' to bill by."


def test_a_customer_that_fails_by_our_fault_stops_nobody_and_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Late(world)
    late.create("globex")
    late.use("2026-05-10", 100)
    late.bill("2026-06-01T01:00:00")
    late.late("2026-05-12", 7)
    late.late("2026-05-12", 0, "globex")
    whole = DynamoCustomers.billed

    def broken(self: DynamoCustomers, tenant: str, customer_id: str) -> Any:
        if customer_id == late.acme:
            raise RuntimeError("a defect")
        return whole(self, tenant, customer_id)

    with monkeypatch.context() as patch:
        patch.setattr(DynamoCustomers, "billed", broken)
        done = late.look("2026-06-01T02:15:00")
    assert (done.customers, len(done.errors)) == (1, 1)
    done = late.look("2026-06-01T03:15:00")
    assert (done.customers, done.found, done.errors) == (1, 1, [])


def test_what_there_was_no_time_for_is_left_for_the_next_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.application.billing.reconcile.SUBJECTS_OF_A_TURN", 2)
    late = Late(world)
    late.use("2026-05-10", 100)
    late.bill("2026-06-01T01:00:00")
    for n in range(7):
        late.late("2026-05-12", 1, f"subject-{n}")
    late.late("2026-05-12", 1)
    assert not late.look("2026-06-01T02:15:00", lambda: False).is_done
    assert len(late.ledger.table.keys("late")) == 7
    assert late.look("2026-06-01T02:20:00").is_done
    assert late.ledger.table.keys("late") == []
    assert late.amounts == [(100_00, 108_00)]


def test_invoices_from_before_there_was_an_index_are_found(world: World) -> None:
    late = Late(world)
    late.use("2026-05-10", 100)
    late.bill("2026-06-01T01:00:00")
    (invoice,) = world.all_invoices()
    world.table.delete(f"{TENANT}#customer_invoice", f"{late.acme}#{invoice.invoice.id}")
    late.late("2026-05-12", 7)
    late.look("2026-06-01T02:15:00")
    assert late.amounts == [(100_00, 107_00)]


@dataclass
class MemoryDifferences:
    kept: dict[str, BilledDifference] = field(default_factory=dict)

    def of_customer(self, _tenant: str, _customer_id: str) -> list[BilledDifference]:
        return list(self.kept.values())

    def keep(self, _tenant: str, difference: BilledDifference) -> None:
        self.kept[difference.name] = difference

    def forget(self, _tenant: str, difference: BilledDifference) -> None:
        del self.kept[difference.name]


def differences_of(life: Life) -> list[BilledDifference]:
    billing, differences = life.billing, MemoryDifferences()
    ports: Any = SimpleNamespace(
        billed_customers=billing.customers,
        subscriptions=billing.subscriptions,
        invoices=SimpleNamespace(
            of_customer=lambda *_: list(billing.invoices.stored.values()), unindexed_of_customer=lambda *_: []
        ),
        usage=life.usage,
        differences=differences,
        clock=billing.clock,
    )
    check_customer(TENANT, ACME, START, ports=ports)
    return list(differences.kept.values())


@settings(max_examples=120, deadline=None)
@given(
    way=WAYS,
    limits=st.sampled_from(LIMITS),
    more=st.sampled_from(MORE),
    events=EVENTS,
    late=EVENTS,
    steps=STEPS,
)
def test_what_was_issued_and_what_is_open_is_what_it_would_have_cost_in_time(
    way: tuple[dict[str, Any], Aggregation],
    limits: dict[str, str],
    more: dict[str, Any],
    events: list[Used],
    late: list[Used],
    steps: list[tuple[int, str]],
) -> None:
    """A life of edits, migrations and progressive invoices, and usage of all of it that comes when it is billed."""
    price, aggregation = way
    cut = Life(price | limits, *events, aggregation=aggregation, **more)
    in_time = Life(price | limits, *events, *late, aggregation=aggregation, **more)
    cut.live(steps)
    issued = cut.total()
    assert differences_of(cut) == []
    cut.usage.events = [*events, *late]
    assert issued + sum(each.open_minor for each in differences_of(cut)) == in_time.total()


def test_what_is_busy_for_a_moment_is_looked_at_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    late = Late(world)
    late.use("2026-05-10", 100)
    late.bill("2026-06-01T01:00:00")
    late.late("2026-05-12", 7)

    def busy(*_asked: Any) -> Any:
        raise Unavailable("The database is too busy; try again.", retry_after_seconds=2)

    with monkeypatch.context() as patch:
        patch.setattr(late.usage, "usage", busy)
        assert late.look("2026-06-01T02:15:00").customers == 0
    assert late.found == []
    assert late.look("2026-06-01T03:15:00").found == 1


def test_a_period_measured_at_once_without_usage_or_invoice_looks_again_too(world: World) -> None:
    late = Late(world)
    world.clock.time = at("2026-05-20T10:07:33")
    (of,) = world.subscriptions.of_customer(TENANT, late.acme)
    cancel_subscription(TENANT, of.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)
    assert late.bill("2026-05-20T10:07:35") == []
    late.use("2026-05-20T10:07:30", 7)
    assert late.look("2026-05-20T11:10:00").found == 1
    assert late.amounts == [(0, 7_00)]


def test_what_an_added_subject_had_used_before_is_looked_at(world: World) -> None:
    late = Late(world)
    late.use("2026-05-10", 100)
    assert late.bill("2026-06-01T01:00:00") == [100_00]
    world.clock.time = at("2026-06-05")
    create = {"name": "acme", "key": "acme", "usageAttribution": {"subjectKeys": ["web"]}}
    replace_customer(
        TENANT, late.acme, CustomerCreate.model_validate(create), customers=late.customers, clock=world.clock
    )
    late.use("2026-05-11", 310)
    assert late.look("2026-06-05T00:05:00").customers == 0
    assert late.look("2026-06-05T00:10:00").found == 1
    assert late.amounts == [(100_00, 410_00)]


def test_more_invoices_than_can_be_read_are_told_as_such(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.application.billing.reconcile.MAX_INVOICES", 2)
    late = Late(world)
    for day in range(2, 6):
        late.use(f"2026-05-0{day}", 1)
        world.clock.time = at(f"2026-05-0{day}T12:00:00")
        world.issue(customer_id=late.acme, progressive=True)
    late.bill("2026-06-01T01:00:00")
    late.late("2026-05-12", 7)
    late.look("2026-06-01T02:15:00")
    assert [(each.reason, each.open_minor) for each in late.found] == [("not_measured", 0)]
    assert "more than 2 invoices" in (late.found[0].detail or "")


def test_many_rechecks_and_much_late_usage_take_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.application.billing.reconcile.TENANTS_AT_ONCE", 1)
    monkeypatch.setattr("functions.application.billing.reconcile.RECHECKS_AT_ONCE", 2)
    late = Late(world)
    others = [late.create(f"other-{n}") for n in range(5)]
    late.use("2026-05-10", 100)
    for each in (late.acme, *others):
        (of,) = world.subscriptions.of_customer(TENANT, each)
        world.clock.time = at("2026-05-20T10:00:01")
        cancel_subscription(TENANT, of.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)
        late.bill("2026-05-20T10:00:05", each)
    late.late("2026-05-12", 7)
    turns = iter([True, False])
    done = late.look("2026-05-20T12:10:00", lambda: next(turns))
    assert (done.customers, len(late.ledger.table.keys("late"))) == (2, 0)
    done = late.look("2026-05-20T12:20:00")
    assert (done.customers, done.is_done) == (5, True)


def test_a_slot_is_an_hour_of_the_clock() -> None:
    late = LateUsage(0, TENANT, 20_000, "a")
    assert late.since == datetime.fromtimestamp(0, UTC) + timedelta(days=20_000)

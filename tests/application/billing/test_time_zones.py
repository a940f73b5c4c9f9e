"""Billing periods of the place where the customer lives: whole months there, not in UTC."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from functions.application.subscriptions.change_subscription import change_subscription
from functions.application.subscriptions.create_subscription import PlanChoice
from functions.domain.billing.line import InvoiceLine
from functions.domain.subscriptions.subscribe import SubscriptionTerms
from tests.application.billing.world import ACME, TENANT, World
from tests.domain.builders import at, flat, phase, unit

BERLIN = "Europe/Berlin"


@pytest.fixture
def world(world: World) -> World:
    lives_there = world.known_customers[ACME].model_copy(update={"time_zone": BERLIN})
    world.known_customers[ACME] = lives_there
    world.clock.time = at("2025-11-30T23:00:00")
    return world


def local(instant: datetime, zone: str = BERLIN) -> str:
    return f"{instant.astimezone(ZoneInfo(zone)):%m-%d %H:%M}"


def periods(world: World, until: str) -> list[tuple[str, str, str, int]]:
    world.clock.time = at(until)
    lines: list[InvoiceLine] = []
    while (issued := world.issue()).invoices:
        lines += [line for record in issued.invoices for line in record.invoice.lines]
    assert {line.time_zone for line in lines} <= {BERLIN}
    return [(line.name, local(line.period_start), local(line.period_end), line.total_minor) for line in lines]


def test_a_month_in_berlin_ends_with_the_month_there(world: World) -> None:
    world.plan(phase(flat("30", term="in_arrears")))
    world.subscribe()

    assert periods(world, "2026-04-30T22:00:00") == [
        ("Fee", "12-01 00:00", "01-01 00:00", 3000),
        ("Fee", "01-01 00:00", "02-01 00:00", 3000),
        ("Fee", "02-01 00:00", "03-01 00:00", 3000),
        ("Fee", "03-01 00:00", "04-01 00:00", 3000),
        ("Fee", "04-01 00:00", "05-01 00:00", 3000),
    ]


def test_phases_end_at_midnight_there_as_well(world: World) -> None:
    world.plan(phase(key="trial", duration="P4M"), phase(flat("30", term="in_arrears"), key="rest"))
    of = world.subscribe()

    assert [local(each.starts_at) for each in of.phases] == ["12-01 00:00", "04-01 00:00"]


def test_what_was_agreed_is_kept_when_the_customer_moves_and_by_what_follows(world: World) -> None:
    world.plan(phase(unit()))
    of = world.subscribe()
    world.known_customers[ACME] = world.known_customers[ACME].model_copy(update={"time_zone": "Asia/Tokyo"})
    world.clock.time = at("2025-12-10")
    world.plan(phase(unit("0.9")), key="third")

    after = change_subscription(
        TENANT,
        of.id,
        PlanChoice("third"),
        "next_billing_cycle",
        SubscriptionTerms(),
        catalogue=world.catalogue,
        subscriptions=world.subscriptions,
        clock=world.clock,
        new_id=world.new_id,
    ).following

    assert (after.time_zone, local(after.active_from)) == (BERLIN, "01-01 00:00")


def test_an_anchor_is_a_day_of_the_month_there(world: World) -> None:
    world.plan(phase(flat("31", term="in_arrears")))
    anchor = at("2026-01-30T23:00:00")  # the 31st in Berlin
    world.clock.time = at("2025-12-30T23:00:00")
    of = world.subscribe(anchor=anchor)

    assert [local(of.billing_period_at(at(day)).end) for day in ("2026-01-15", "2026-02-15", "2026-03-15")] == [
        "01-31 00:00",
        "02-28 00:00",
        "03-31 00:00",
    ]

"""What a migration keeps and a change does not begin anew: set-up fees, trials, phases, coupons."""

from datetime import datetime
from typing import Any

import pytest

from functions.application.subscriptions.cancel_subscription import cancel_subscription
from functions.application.subscriptions.change_subscription import change_subscription, migrate_subscription
from functions.application.subscriptions.create_subscription import PlanChoice
from functions.domain.subscriptions.subscribe import SubscriptionTerms
from functions.domain.subscriptions.subscription import Subscription
from tests.application.billing.test_changes_billed import change
from tests.application.billing.world import TENANT, World
from tests.domain.builders import at, flat, phase, unit

SETUP = flat("100", key="setup", cadence=None)


@pytest.fixture
def world(world: World) -> World:
    world.pays_at_once = True
    world.clock.time = at("2026-01-01")
    return world


def migrate(world: World, of: Subscription, timing: datetime | str = "immediate", **terms: Any) -> Subscription:
    return migrate_subscription(
        TENANT,
        of.id,
        None,
        timing,
        SubscriptionTerms(**terms),
        catalogue=world.catalogue,
        plan_addons=world.plan_addons_of,
        subscriptions=world.subscriptions,
        clock=world.clock,
        new_id=world.new_id,
    ).following


def cancel(world: World, of: Subscription) -> None:
    cancel_subscription(TENANT, of.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)


def lines(world: World, on: str) -> list[tuple[str, int]]:
    world.clock.time = at(on)
    found: list[tuple[str, int]] = []
    while (issued := world.issue()).invoices:
        found += [(line.name, line.total_minor) for record in issued.invoices for line in record.invoice.lines]
    return found


def ends(of: Subscription) -> list[tuple[str, str | None]]:
    return [(each.key, f"{each.ends_at:%m-%d}" if each.ends_at else None) for each in of.phases]


def test_a_set_up_fee_is_charged_once_however_often_the_subscription_is_migrated(world: World) -> None:
    world.plan(phase(SETUP, flat("31")))
    of = world.subscribe()
    assert ("Setup", 10_000) in [(name.title(), minor) for name, minor in lines(world, "2026-01-01")]
    for day in ("2026-01-11", "2026-01-21"):
        world.clock.time = at(day)
        world.plan(phase(SETUP, flat("31")))
        of = migrate(world, of)

    assert not any(minor == 10_000 for _, minor in lines(world, "2026-03-01"))


def test_a_set_up_fee_that_is_due_but_not_invoiced_yet_is_charged_once_too(world: World) -> None:
    world.plan(phase(SETUP))
    of = world.subscribe()
    world.clock.time = at("2026-01-11")
    world.plan(phase(SETUP))
    migrate(world, of)

    assert [minor for _, minor in lines(world, "2026-03-01")] == [10_000]


def test_a_customer_who_comes_back_pays_no_set_up_fee_and_gets_no_second_trial(world: World) -> None:
    world.plan(phase(key="trial", duration="P14D"), phase(SETUP, flat("31"), key="main"))
    of = world.subscribe()
    assert lines(world, "2026-01-16")[0][1] == 10_000
    cancel(world, of)
    world.clock.time = at("2026-02-01")
    again = world.subscribe()

    assert [each.key for each in again.phases] == ["main"]
    assert lines(world, "2026-02-01") == [("Fee (unused time)", -1600), ("Fee", 3100)]


def test_another_plan_has_its_own_set_up_fee(world: World) -> None:
    world.plan(phase(SETUP))
    of = world.subscribe()
    lines(world, "2026-01-01")
    world.plan(phase(SETUP), key="other")
    world.clock.time = at("2026-01-11")
    change(world, of, "other")

    assert [minor for _, minor in lines(world, "2026-01-12")] == [10_000]


def test_a_customer_who_pays_is_not_put_into_the_trial_of_the_next_plan(world: World) -> None:
    world.plan(phase(flat("31")))
    of = world.subscribe()
    world.plan(phase(key="trial", duration="P14D"), phase(flat("62"), key="main"), key="other")
    world.clock.time = at("2026-01-11")

    assert [each.key for each in change(world, of, "other").following.phases] == ["main"]


def test_a_customer_in_a_trial_still_gets_that_of_the_next_plan(world: World) -> None:
    trial = phase(key="trial", duration="P14D")
    world.plan(trial, phase(flat("31"), key="main"))
    of = world.subscribe()
    world.plan(trial, phase(flat("62"), key="main"), key="other")
    world.clock.time = at("2026-01-11")

    assert [each.key for each in change(world, of, "other").following.phases] == ["trial", "main"]


def test_an_introductory_price_ends_when_it_would_have_ended(world: World) -> None:
    phases = (phase(flat("10"), key="intro", duration="P3M"), phase(flat("30"), key="main"))
    world.plan(*phases)
    of = world.subscribe()
    for day in ("2026-02-10", "2026-03-10"):
        world.clock.time = at(day)
        world.plan(*phases)
        of = migrate(world, of)

    assert ends(of) == [("intro", "04-01"), ("main", None)]


def test_a_phase_that_is_shorter_in_the_newer_version_may_be_over(world: World) -> None:
    world.plan(phase(flat("10"), key="intro", duration="P3M"), phase(flat("30"), key="main"))
    of = world.subscribe()
    world.clock.time = at("2026-02-10")
    world.plan(phase(flat("10"), key="intro", duration="P1M"), phase(flat("30"), key="main"))

    assert ends(migrate(world, of)) == [("main", None)]


def test_a_coupon_of_a_subscription_goes_on_with_what_is_left_of_it(world: World) -> None:
    world.plan(phase(flat("100", term="in_arrears")))
    of = world.subscribe()
    world.give(world.coupon("10 %", "3 times"), of)
    assert [minor for _, minor in lines(world, "2026-02-01")] == [9_000]
    world.plan(phase(flat("100", term="in_arrears")))
    of = migrate(world, of)
    assert [minor for _, minor in lines(world, "2026-03-01")] == [9_000]
    world.plan(phase(flat("100", term="in_arrears")))
    migrate(world, of)

    assert [minor for _, minor in lines(world, "2026-05-01")] == [9_000, 10_000]


def test_the_phases_after_it_begin_when_they_would_have(world: World) -> None:
    phases = (
        phase(flat("10"), key="intro", duration="P3M"),
        phase(flat("20"), key="second", duration="P3M"),
        phase(flat("30"), key="main"),
    )
    world.plan(*phases)
    of = world.subscribe()
    world.clock.time = at("2026-02-10")
    world.plan(*phases)

    assert ends(migrate(world, of)) == [("intro", "04-01"), ("second", "07-01"), ("main", None)]


def test_a_set_up_fee_of_a_later_phase_is_another_one(world: World) -> None:
    later = phase(SETUP | {"price": {"type": "flat", "amount": "200"}}, key="later")
    world.plan(phase(SETUP, key="first", duration="P1M"), later)
    of = world.subscribe()
    world.clock.time = at("2026-01-11")
    world.plan(phase(SETUP, key="first", duration="P1M"), later)
    migrate(world, of)

    assert [minor for _, minor in lines(world, "2026-03-01")] == [10_000, 20_000]


def test_a_phase_that_begins_with_the_migration_begins_anew(world: World) -> None:
    free = unit("1") | {"discounts": {"usage": {"quantity": "1000"}}}
    phases = (phase(free, key="intro", duration="P10D"), phase(free, key="main"))
    world.plan(*phases)
    of = world.subscribe()
    world.clock.time = at("2026-01-11")
    world.plan(*phases)
    migrate(world, of)

    # A hundred a day: a thousand in the intro, and 2,100 after it, of which a thousand are free as well.
    assert [minor for _, minor in lines(world, "2026-02-01")] == [0, 110_000]


def test_a_coupon_of_the_subscription_goes_on_over_a_change_of_plan(world: World) -> None:
    """Half off for ever: 31.00, then from the sixteenth of thirty-one days 62.00."""
    world.pays_at_once = True
    world.plan(phase(flat("31")))
    world.plan(phase(flat("62")), key="team")
    world.clock.time = at("2026-01-01")
    of = world.subscribe(start="2026-01-01")
    world.give(world.coupon("50 %"), of)
    assert lines(world, "2026-01-01") == [("Fee", 15_50)]
    world.clock.time = at("2026-01-16")
    change_subscription(
        TENANT,
        of.id,
        PlanChoice("team"),
        "immediate",
        SubscriptionTerms(),
        catalogue=world.catalogue,
        subscriptions=world.subscriptions,
        clock=world.clock,
        new_id=world.new_id,
    )
    assert sum(minor for _, minor in lines(world, "2026-01-16")) == 8_00
    assert [minor for _, minor in lines(world, "2026-02-01")] == [31_00]

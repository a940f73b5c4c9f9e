from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.application.catalog.revise_plan import delete_plan
from functions.application.subscriptions.cancel_subscription import cancel_subscription
from functions.application.subscriptions.create_subscription import PlanChoice
from functions.domain.billing.invoice import BilledCustomer
from functions.domain.errors import Conflict, InvalidInput, NotFound
from functions.domain.subscriptions.subscription import Subscription
from tests.application.billing.world import ACME, GLOBEX, TENANT, World
from tests.domain.builders import at, flat, phase

ONLY_ONE = "only_single_subscription_allowed_per_customer_at_a_time"


def cancel(world: World, subscription: Subscription, timing: str = "immediate") -> Subscription:
    return cancel_subscription(TENANT, subscription.id, timing, subscriptions=world.subscriptions, clock=world.clock)


def due(world: World, until: str) -> list[str]:
    return [each.customer_id for each in world.index.due(at(until), after=None, limit=10).items]


def test_a_subscription_comes_back_from_the_table_as_it_was_created(world: World) -> None:
    world.plan()
    made = world.subscribe(name="Acme on Pro", metadata={"deal": "42"})

    assert world.subscriptions.get(TENANT, made.id) == made.model_copy(update={"version": 1})
    assert [each.id for each in world.subscriptions.of_customer(TENANT, ACME)] == [made.id]
    assert world.subscriptions.of_customer(TENANT, GLOBEX) == []


def test_a_later_version_of_the_plan_does_not_change_a_running_subscription(world: World) -> None:
    world.plan()
    made = world.subscribe()
    world.plan(phase(flat("999")))

    stored = world.subscriptions.get(TENANT, made.id)
    assert stored is not None
    assert [item.key for item in stored.phases[0].items] == ["fee", "tokens"]
    assert stored.plan is not None
    assert stored.plan.version == 1


def test_a_plan_that_was_never_published_is_called_a_draft(world: World) -> None:
    made = world.draft_plan()
    with pytest.raises(InvalidInput, match="pro version 1 is draft; publish it first") as refused:
        world.subscribe()
    assert refused.value.code == "plan_not_active"

    delete_plan(TENANT, made.id, plans=world.plans, clock=world.clock)
    with pytest.raises(NotFound):
        world.subscribe()


def test_a_customer_has_one_subscription_at_a_time(world: World) -> None:
    world.plan()
    world.subscribe()

    with pytest.raises(Conflict) as refused:
        world.subscribe()
    assert refused.value.code == ONLY_ONE
    assert world.subscribe(GLOBEX).customer_id == GLOBEX


def test_of_subscriptions_created_at_the_same_moment_one_is_kept(world: World) -> None:
    world.plan()

    def attempt(_: int) -> str:
        try:
            plan = world.subscribe().plan
            assert plan is not None
            return plan.key
        except Conflict as conflict:
            return conflict.code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(attempt, range(6))) == [ONLY_ONE] * 5 + ["pro"]
    assert len(world.subscriptions.of_customer(TENANT, ACME)) == 1


def test_after_the_end_of_one_there_is_room_for_the_next(world: World) -> None:
    world.plan()
    first = world.subscribe()
    cancel(world, first, "next_billing_cycle")

    with pytest.raises(Conflict):
        world.subscribe(start="2026-05-31")
    assert world.subscribe(start="2026-06-01").active_from == at("2026-06-01")


def test_a_subscription_starts_in_the_past_within_the_acceptance_window(world: World) -> None:
    world.plan()

    assert world.subscribe(start="2026-03-17").active_from == at("2026-03-17")
    with pytest.raises(InvalidInput, match="at most 45 days ago"):
        world.subscribe(GLOBEX, start="2026-03-16T23:59:59")


def test_nonsense_is_refused(world: World) -> None:
    world.plan()

    with pytest.raises(NotFound, match="no customer"):
        world.subscribe("01JNJBJDYNJBJDYNJBJDYNJBJD")
    with pytest.raises(NotFound, match="no plan 'gold'"):
        world.subscribe(plan=PlanChoice("gold"))
    with pytest.raises(NotFound, match="version 7"):
        world.subscribe(plan=PlanChoice("pro", 7))
    with pytest.raises(InvalidInput, match="three years"):
        world.subscribe(start="2126-01-01")
    with pytest.raises(InvalidInput, match="next_billing_cycle"):
        world.subscribe(timing="next_billing_cycle")


def test_what_is_sold_must_be_there_when_it_is_sold(world: World) -> None:
    world.plan()
    world.features.features.clear()

    with pytest.raises(InvalidInput, match="no active feature 'tokens'"):
        world.subscribe()


def test_a_plan_in_another_currency_than_the_customer_is_refused(world: World) -> None:
    world.plan()
    world.known_customers[ACME] = BilledCustomer(id=ACME, name="Acme", currency="EUR")

    with pytest.raises(InvalidInput, match="billed in EUR"):
        world.subscribe()


def test_the_due_index_follows_the_subscription(world: World) -> None:
    world.plan()
    made = world.subscribe()
    assert due(world, "2026-05-01") == [ACME]

    world.clock.time = at("2026-05-03")
    cancel(world, made)
    assert due(world, "2026-04-30T23:59:59") == []
    assert due(world, "2026-05-01") == [ACME]


def test_a_cancelled_subscription_that_owes_nothing_leaves_the_index(world: World) -> None:
    world.plan()
    made = world.subscribe(start="2026-06-01")
    assert due(world, "2026-06-01") == [ACME]

    cancel(world, made)
    assert due(world, "2026-07-01") == []


def test_cancelling_what_is_not_there_or_over_is_refused(world: World) -> None:
    world.plan()
    made = world.subscribe()
    world.clock.time = at("2026-05-02")
    assert cancel(world, made).active_to == at("2026-05-02")

    with pytest.raises(Conflict, match="ended at"):
        cancel(world, made)
    with pytest.raises(NotFound):
        cancel_subscription(
            TENANT, "01JNJBJDYNJBJDYNJBJDYNJBJD", "immediate", subscriptions=world.subscriptions, clock=world.clock
        )

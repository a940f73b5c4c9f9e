from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.application.catalog.create_plan import create_plan, next_plan
from functions.application.catalog.find_plan import find_plan
from functions.application.catalog.revise_plan import archive_plan, delete_plan, publish_plan, update_plan
from functions.application.ports.catalog import Family
from functions.domain.catalog.plan import Plan, PlanCreate, PlanReplaceUpdate, PlanStatus
from functions.domain.errors import Conflict, InvalidInput, NotFound
from tests.application.billing.world import TENANT, World
from tests.domain.builders import at, draft, flat, phase, unit


def create(world: World, **changed: object) -> Plan:
    body = PlanCreate.model_validate(draft(**changed))
    return create_plan(TENANT, body, plans=world.plans, features=world.features, clock=world.clock, new_id=world.new_id)


def publish(world: World, plan: Plan) -> Plan:
    return publish_plan(TENANT, plan.id, plans=world.plans, features=world.features, clock=world.clock)


def test_a_plan_comes_back_from_the_table_as_it_was_created(world: World) -> None:
    made = create(world, metadata={"team": "growth"}, description="All of it")

    assert world.plans.get(TENANT, made.id) == made
    assert world.plans.get("other", made.id) is None


def test_publishing_a_new_version_archives_the_one_before(world: World) -> None:
    first = publish(world, create(world))
    world.clock.time = at("2026-06-01")
    second = publish(world, create(world, name="Pro 2"))

    assert (first.version, second.version) == (1, 2)
    stored = {plan.version: plan.status(at("2026-06-01")) for plan in world.plans.all(TENANT)}
    assert stored == {1: PlanStatus.ARCHIVED, 2: PlanStatus.ACTIVE}
    assert find_plan(TENANT, "pro", plans=world.plans).version == 2
    assert find_plan(TENANT, "pro", plans=world.plans, version=1).id == first.id


def test_there_is_one_draft_of_a_key_at_a_time(world: World) -> None:
    create(world)

    with pytest.raises(Conflict, match="has a draft version already"):
        create(world)


def test_of_plans_created_at_the_same_moment_one_is_kept(world: World) -> None:
    def attempt(_: int) -> str:
        try:
            return create(world).id
        except Conflict:
            return "conflict"

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(attempt, range(6)))

    kept = [each for each in results if each != "conflict"]
    assert [plan.id for plan in world.plans.all(TENANT)] == kept
    assert len(kept) == 1


def test_a_draft_changes_until_it_is_published(world: World) -> None:
    plan = create(world)
    update = PlanReplaceUpdate.model_validate(
        {"name": "Better", "billingCadence": "P1M", "phases": [phase(flat("20"))]}
    )
    changed = update_plan(TENANT, plan.id, update, plans=world.plans, features=world.features, clock=world.clock)
    publish(world, plan)

    assert changed.name == "Better"
    with pytest.raises(Conflict, match="is published"):
        update_plan(TENANT, plan.id, update, plans=world.plans, features=world.features, clock=world.clock)
    with pytest.raises(Conflict, match="is published"):
        delete_plan(TENANT, plan.id, plans=world.plans, clock=world.clock)


def test_an_archived_plan_is_no_longer_found_by_its_key(world: World) -> None:
    plan = publish(world, create(world))
    archive_plan(TENANT, plan.id, plans=world.plans, clock=world.clock)

    with pytest.raises(NotFound):
        find_plan(TENANT, "pro", plans=world.plans)
    assert find_plan(TENANT, plan.id, plans=world.plans).status(world.clock.now()) is PlanStatus.ARCHIVED
    assert find_plan(TENANT, "pro", plans=world.plans, latest=True).id == plan.id


def test_a_deleted_draft_makes_room_for_another(world: World) -> None:
    plan = create(world)
    delete_plan(TENANT, plan.id, plans=world.plans, clock=world.clock)

    assert create(world).version == 2
    with pytest.raises(NotFound):
        delete_plan(TENANT, plan.id, plans=world.plans, clock=world.clock)


def test_the_next_version_starts_as_a_copy_of_the_published_one(world: World) -> None:
    first = publish(world, create(world, metadata={"team": "growth"}))
    second = following(world, "pro")

    assert (second.version, second.is_draft, second.phases) == (2, True, first.phases)
    assert second.metadata == first.metadata
    with pytest.raises(Conflict, match="has a draft"):
        following(world, "pro")
    publish(world, second)
    with pytest.raises(Conflict, match="not the latest"):
        following(world, first.id)
    archive_plan(TENANT, second.id, plans=world.plans, clock=world.clock)
    assert following(world, second.id).version == 3


def following(world: World, id_or_key: str) -> Plan:
    return next_plan(
        TENANT, id_or_key, plans=world.plans, plan_addons=world.plan_addons, clock=world.clock, new_id=world.new_id
    )


def test_unknown_features_are_refused_when_creating_and_again_when_publishing(world: World) -> None:
    with pytest.raises(InvalidInput, match="no active feature 'seats'"):
        create(world, phases=[phase(unit(key="seats"))])
    plan = create(world)
    world.features.features.clear()
    with pytest.raises(InvalidInput, match="no active feature 'tokens'"):
        publish(world, plan)


def overtaken_by(world: World, monkeypatch: pytest.MonkeyPatch, other: Callable[[], object]) -> None:
    """The next request has read its version when another one comes first, from beginning to end."""
    family = world.plans.family

    def overtaken(tenant: str, key: str) -> Family | None:
        monkeypatch.setattr(world.plans, "family", family)
        other()
        return family(tenant, key)

    monkeypatch.setattr(world.plans, "family", overtaken)


def test_a_plan_published_twice_at_once_is_published_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = create(world)
    overtaken_by(world, monkeypatch, lambda: publish(world, made))

    with pytest.raises(Conflict, match="is published"):
        publish(world, made)
    assert find_plan(TENANT, "pro", plans=world.plans).status(world.clock.now()) is PlanStatus.ACTIVE


def test_archiving_a_version_while_the_next_is_published_leaves_the_next_on_sale(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(world, create(world))
    second = create(world)
    overtaken_by(world, monkeypatch, lambda: publish(world, second))

    with pytest.raises(Conflict, match="archived"):
        archive_plan(TENANT, first.id, plans=world.plans, clock=world.clock)
    assert find_plan(TENANT, "pro", plans=world.plans).id == second.id

"""Places of running backfills: one a tenant, five in all, the longest waiting first; on DynamoDB under contention."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.adapters.dynamo.metering.backfill_slots import DynamoBackfillSlots
from functions.application.metering.meters.queue_backfill import release_slot, renew_slot
from functions.domain.metering.ledger.backfill_slots import (
    FORGOTTEN_SECONDS,
    HELD_SECONDS,
    MAX_RUNNING,
    MAX_WAITING,
    Slots,
)
from functions.domain.metering.ledger.history import Backfill, Status
from tests.conftest import DynamoDb

NOW = 1_764_000_000


def run(tenant: str, number: int = 1, meter: str = "m") -> Backfill:
    at = datetime.fromtimestamp(NOW, UTC)
    return Backfill(
        tenant=tenant,
        meter_id=f"{meter}-{tenant}",
        event_from=at - timedelta(days=1),
        run=number,
        status=Status.RUNNING,
        started_at=at,
    )


class Line:
    """Slots that are asked one after the other."""

    def __init__(self) -> None:
        self.slots, self.now = Slots(), NOW

    def asks(self, tenant: str, number: int = 1) -> bool:
        self.slots, turn = self.slots.asked(run(tenant, number), self.now)
        self.now += 1
        return turn.has_slot

    def ends(self, tenant: str, number: int = 1) -> None:
        self.slots = self.slots.left(run(tenant, number).run_id)


def full_line() -> Line:
    line = Line()
    assert all(line.asks(f"t{n}") for n in range(MAX_RUNNING))
    return line


def test_a_tenant_has_one_place_and_keeps_it_when_it_asks_again() -> None:
    line = Line()
    assert line.asks("a") and line.asks("a")
    assert not line.asks("a", 2)
    assert line.asks("b")
    assert len(line.slots.holders) == 2


def test_all_tenants_together_have_so_many_and_who_waited_longest_is_next() -> None:
    line = full_line()
    assert not line.asks("early") and not line.asks("late")
    line.ends("t0")
    assert not line.asks("late"), "it came after another that still asks"
    assert line.asks("early")
    assert not line.asks("late")
    line.ends("t1")
    assert line.asks("late")


def test_a_tenant_with_many_backfills_goes_to_the_end_of_the_line_after_each() -> None:
    line = full_line()
    assert not line.asks("t0", 2), "its own runs"
    assert not line.asks("other")
    line.ends("t0")
    assert not line.asks("t0", 2)
    assert line.asks("other")


def test_who_no_longer_asks_holds_up_nobody() -> None:
    line = full_line()
    assert not line.asks("gone")
    line.now += FORGOTTEN_SECONDS
    line.ends("t0")
    assert line.asks("here")


def test_a_place_that_is_not_renewed_is_free_after_its_time() -> None:
    line = full_line()
    line.now = NOW + HELD_SECONDS - 1
    line.slots = line.slots.renewed(run("t1").run_id, line.now)
    line.now = NOW + HELD_SECONDS + MAX_RUNNING
    assert line.asks("next")
    assert {each.tenant for each in line.slots.holders} == {"t1", "next"}


def test_the_item_stays_small_however_many_wait(dynamodb: DynamoDb) -> None:
    line = full_line()
    for n in range(MAX_WAITING + 100):
        line.slots, _ = line.slots.asked(run(f"{'x' * 58}{n:05d}"), NOW)
    assert len(line.slots.waiting) == MAX_WAITING
    assert DynamoBackfillSlots(dynamodb.client, dynamodb.usage_table).save(line.slots, 0)


def test_what_is_saved_is_loaded_and_an_older_version_is_refused(dynamodb: DynamoDb) -> None:
    store = DynamoBackfillSlots(dynamodb.client, dynamodb.usage_table)
    assert store.load() == (Slots(), 0)
    line = full_line()
    line.asks("waits")
    assert store.save(line.slots, 0)
    assert store.load() == (line.slots, 1)
    assert not store.save(Slots(), 0)
    assert store.save(Slots(), 1)


def test_many_who_ask_at_once_never_get_more_places_than_there_are(dynamodb: DynamoDb) -> None:
    store = DynamoBackfillSlots(dynamodb.client, dynamodb.usage_table)

    def asks(number: int) -> bool:
        for _ in range(200):
            places, version = store.load()
            changed, turn = places.asked(run(f"t{number % 9}", number), NOW)
            if changed == places or store.save(changed, version):
                return turn.has_slot
        raise AssertionError("never written")

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(asks, range(18))) == MAX_RUNNING
    held = store.load()[0].holders
    assert len({each.tenant for each in held}) == len(held) == MAX_RUNNING


def test_a_worker_renews_its_place_seldom_and_an_end_gives_it_back(dynamodb: DynamoDb) -> None:
    store = DynamoBackfillSlots(dynamodb.client, dynamodb.usage_table)
    mine = run("a")
    store.save(Slots().asked(mine, NOW)[0], 0)

    class Clock:
        at = NOW

        def now(self) -> datetime:
            return datetime.fromtimestamp(self.at, UTC)

    clock: Any = Clock()
    renew_slot(mine.run_id, slots=store, clock=clock)
    assert store.load()[1] == 1, "there is time enough"
    clock.at += HELD_SECONDS // 2 + 1
    renew_slot(mine.run_id, slots=store, clock=clock)
    assert store.load()[0].holders[0].until == clock.at + HELD_SECONDS
    renew_slot("backfill-unknown-1", slots=store, clock=clock)
    release_slot(mine.run_id, slots=store)
    release_slot(mine.run_id, slots=store)
    assert store.load() == (Slots(), 3)

"""After any failure, at any later try, and with any number of pushers: one final invoice with the right total."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from functions.application.billing.push_invoice import _Push
from functions.application.ports.gateway import GatewayInvoice, PushBusy
from functions.domain.billing.push import PaymentStatus, PushRecord
from functions.domain.errors import Unavailable
from tests.application.billing.push.world import (
    Crash,
    CrashingGateway,
    ForgetfulPushStore,
    MemoryPushStore,
    PushWorld,
    document,
    push_world,
)

# Hundreds of schedules.
pytestmark = pytest.mark.large

# 120 lines go in two requests: a push changes something five times.
LINES = 120
CALLS = {
    "customer": ("/v1/customers", 0),
    "create": ("/v1/invoices", 0),
    "first lines": ("/v1/invoices/[^/]+/add_lines", 0),
    "second lines": ("/v1/invoices/[^/]+/add_lines", 1),
    "finalize": ("/v1/invoices/[^/]+/finalize", 0),
}
FAULTS = ("rate_limit", "conflict", "error_before", "error_after", "drop_before", "drop_after")
REPLAYS = {"1 s": 1.0, "25 h": 25 * 3600.0}
# As often as the gateway tries within one call, so that the failure reaches the push.
TIMES = {"rate_limit": 4}


@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_at_any_call_leaves_one_right_invoice(world: PushWorld, fault: str, call: str, replay: str) -> None:
    issued = world.issue(document(LINES))
    path, skip = CALLS[call]
    world.fault(fault, path, skip=skip, times=TIMES.get(fault, 1))
    update = world.push_until_done(wait_seconds=REPLAYS[replay])
    assert (update.status, update.amount_due_minor) == (PaymentStatus.OPEN, issued.total_minor)
    world.the_one_invoice()
    assert world.payments.status() is PaymentStatus.OPEN


@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.parametrize("after", range(1, len(CALLS) + 1))
def test_a_process_killed_after_any_call_leaves_one_right_invoice(world: PushWorld, after: int, replay: str) -> None:
    world.issue(document(LINES))
    dying = CrashingGateway(world.gateway, world.pushes, after)
    with pytest.raises(Crash):
        world.push(gateway=dying)
    world.stripe.advance(1)
    world.pushes.is_dead = False
    with pytest.raises(PushBusy):
        world.push()
    world.push_until_done(wait_seconds=REPLAYS[replay])
    world.the_one_invoice()


@pytest.mark.parametrize("seed", range(40))
def test_failures_one_after_the_other_leave_one_right_invoice(world: PushWorld, seed: int) -> None:
    chance = random.Random(seed)
    world.issue(document(LINES))
    for _ in range(chance.randrange(1, 7)):
        path, skip = chance.choice(list(CALLS.values()))
        fault = chance.choice(FAULTS)
        world.fault(fault, path, skip=skip + chance.randrange(2), times=TIMES.get(fault, 1))
    if chance.random() < 0.5:
        with suppress(Crash, Unavailable):
            world.push(gateway=CrashingGateway(world.gateway, world.pushes, chance.randrange(1, 6)))
        world.pushes.is_dead = False
    world.push_until_done(wait_seconds=chance.choice([1.0, 25 * 3600.0]), most=40)
    world.the_one_invoice()


def at_once(world: PushWorld, stores: list[MemoryPushStore]) -> None:
    """All of them push the same invoice and try again, as the workflow does, until each has its answer."""

    def one(store: MemoryPushStore) -> PaymentStatus:
        gateway = world.new_gateway()
        for _ in range(500):
            try:
                return world.push(gateway=gateway, pushes=store).status
            except Unavailable:
                time.sleep(random.uniform(0.005, 0.05))
        raise AssertionError("never got through")

    with ThreadPoolExecutor(len(stores)) as pool:
        assert set(pool.map(one, stores)) == {PaymentStatus.OPEN}
    world.the_one_invoice()


def test_four_pushers_with_one_lease_make_one_invoice(world: PushWorld) -> None:
    world.issue(document(LINES))
    for path, _ in CALLS.values():
        world.fault("slow", path, seconds=0.05, times=4)
    at_once(world, [world.pushes] * 4)
    created = [each for each in world.requests() if (each["method"], each["path"]) == ("POST", "/v1/invoices")]
    assert len(created) == 1


def test_four_pushers_whose_leases_all_lapsed_make_one_invoice(world: PushWorld) -> None:
    world.issue(document(LINES))
    for path, _ in CALLS.values():
        world.fault("slow", path, seconds=0.02, times=4)
    at_once(world, [ForgetfulPushStore(lapses=12)] * 4)


def test_four_pushers_who_know_nothing_of_each_other_make_one_invoice(world: PushWorld) -> None:
    """No shared record at all: the keys and the list alone keep it one."""
    world.issue(document(LINES))
    for path, _ in CALLS.values():
        world.fault("slow", path, seconds=0.02, times=4)
    at_once(world, [MemoryPushStore() for _ in range(4)])


# What the tests above are worth: each safeguard taken out must be noticed by one of them.


def without_list(world: PushWorld, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(type(world.gateway), "find_invoices", lambda *args: [])


def without_line_reconcile(world: PushWorld, patch: pytest.MonkeyPatch) -> None:
    def add_all(self: Any, ref: str) -> None:
        for start in range(0, len(self.document.lines), 100):
            self._renew()
            chunk = self.document.lines[start : start + 100]
            self.gateway.add_lines(self.document, ref, chunk, gen=self.record.gen)

    patch.setattr(_Push, "_add_missing_lines", add_all)


def without_generations(world: PushWorld, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PushRecord, "next_generation", lambda self: self)


def without_keys(world: PushWorld, patch: pytest.MonkeyPatch) -> None:
    for name in ("customer_key", "create_key", "lines_key", "finalize_key"):
        patch.setattr(f"functions.adapters.stripe.keys.{name}", lambda *args: str(uuid4()))


def without_verify_and_reconcile(world: PushWorld, patch: pytest.MonkeyPatch) -> None:
    without_line_reconcile(world, patch)

    def unverified(self: Any, ref: str) -> GatewayInvoice:
        found: GatewayInvoice = self.gateway.invoice(ref)
        return found

    patch.setattr(_Push, "_verified", unverified)


def forgetting_the_draft(world: PushWorld) -> None:
    world.fault("drop_after", "/v1/invoices")
    world.push_until_done(wait_seconds=25 * 3600)


def losing_lines(world: PushWorld) -> None:
    world.fault("error_after", "/v1/invoices/[^/]+/add_lines", times=1)
    world.push_until_done(wait_seconds=1)


def replaying_a_saved_failure(world: PushWorld) -> None:
    world.fault("error_before", "/v1/invoices")
    world.push_until_done(wait_seconds=1, most=5)


def pushing_without_knowing_each_other(world: PushWorld) -> None:
    world.fault("slow", "/v1/invoices", seconds=0.2, times=4)
    at_once(world, [MemoryPushStore() for _ in range(4)])


def went_right(world: PushWorld, schedule: Callable[[PushWorld], None]) -> None:
    schedule(world)
    world.the_one_invoice()


@pytest.mark.parametrize(
    ("safeguard", "schedule"),
    [
        (without_list, forgetting_the_draft),
        (without_line_reconcile, losing_lines),
        (without_verify_and_reconcile, losing_lines),
        (without_generations, replaying_a_saved_failure),
        (without_keys, pushing_without_knowing_each_other),
    ],
)
def test_without_a_safeguard_the_same_schedule_goes_wrong(
    safeguard: Callable[[PushWorld, pytest.MonkeyPatch], None], schedule: Callable[[PushWorld], None]
) -> None:
    with push_world() as sound:
        sound.issue(document(LINES))
        went_right(sound, schedule)
    with push_world() as mutant, pytest.MonkeyPatch.context() as patch:
        mutant.issue(document(LINES))
        safeguard(mutant, patch)
        with pytest.raises((AssertionError, ValueError)):
            went_right(mutant, schedule)


def test_a_lease_that_lapsed_is_taken_over_at_the_same_generation(world: PushWorld) -> None:
    issued = world.issue()
    now = world.clock.now()
    left = replace(PushRecord(issued.tenant, issued.invoice_id, issued.sha256(), now), gen=3).leased(now)
    world.pushes.put(left)
    world.stripe.advance(3600)
    world.push()
    record = world.pushes.record(issued.tenant, issued.invoice_id)
    assert record is not None
    assert (record.gen, record.first_attempt_at) == (3, now)

"""A customer whom somebody deleted at Stripe is made anew, once, and their invoices arrive all the same."""

from dataclasses import replace
from typing import Any

import pytest

from functions.adapters.stripe import keys
from functions.application.ports.gateway import GatewayRefused
from functions.domain.billing.push import GatewayCustomer, PaymentStatus
from functions.domain.errors import Unavailable
from tests.application.billing.push.test_crashes import FAULTS, REPLAYS, TIMES
from tests.application.billing.push.world import TENANT, CrashingGateway, MemoryPushStore, PushWorld, document
from tests.infra.local.stripe_standin.contract import wrong_request

# Each pushes to the stand-in over HTTP.
pytestmark = pytest.mark.large

USD = (TENANT, "01CUSTOMER", "USD")


def known(world: PushWorld) -> str:
    ref = world.pushes.customer(*USD).ref
    assert ref is not None
    return ref


def delete_customer(world: PushWorld) -> str:
    ref = known(world)
    assert world.client().v1.customers.delete(ref).deleted
    return ref


def issue_next(world: PushWorld, name: str = "02INVOICE") -> None:
    world.issue(replace(document(), invoice_id=name))


def open_invoices(world: PushWorld) -> list[tuple[str, str]]:
    return [(each["metadata"]["invoice_id"], each["customer"]) for each in world.invoices() if each["status"] == "open"]


def stopped_before_finalizing(world: PushWorld) -> str:
    """The draft, with all its lines."""
    world.issue()
    world.fault("rate_limit", ".*/finalize", times=4)
    with pytest.raises(Unavailable):
        world.push()
    (draft,) = world.invoices()
    return str(draft["id"])


def test_the_next_invoice_makes_them_anew(world: PushWorld) -> None:
    world.issue()
    world.push()
    old = delete_customer(world)
    issue_next(world)

    assert world.push("02INVOICE").status is PaymentStatus.OPEN

    new = known(world)
    assert (new != old, list(world.stripe.customers)) == (True, [new])
    assert open_invoices(world) == [("01INVOICE", old), ("02INVOICE", new)]
    assert world.pushes.customer(*USD).replaced == 1
    wrong = [w for each in world.requests() for w in wrong_request(each["method"], each["path"], each["params"])]
    assert wrong == []


def test_one_that_was_never_there_is_made(world: PushWorld) -> None:
    world.issue()
    world.pushes.put_customer(*USD, GatewayCustomer("cus_of_another_account"))

    assert world.push().status is PaymentStatus.OPEN
    assert world.the_one_invoice()["customer"] == known(world)


def test_a_draft_of_theirs_is_replaced(world: PushWorld) -> None:
    draft = stopped_before_finalizing(world)
    delete_customer(world)

    assert world.push().status is PaymentStatus.OPEN
    assert world.the_one_invoice()["id"] != draft
    assert world.the_one_invoice()["customer"] == known(world)


def test_what_is_final_is_left_as_it_is(world: PushWorld) -> None:
    world.issue()
    first = world.push()
    delete_customer(world)

    assert world.push().gateway_invoice == first.gateway_invoice
    assert len(world.invoices()) == 1
    assert world.stripe.customers == {}, "nobody is made for nothing"


def test_deleted_again_and_again(world: PushWorld) -> None:
    names = [f"{number:02}INVOICE" for number in range(1, 6)]
    for name in names:
        issue_next(world, name)
        assert world.push(name).status is PaymentStatus.OPEN
        delete_customer(world)

    assert [name for name, _ in open_invoices(world)] == names
    assert len({customer for _, customer in open_invoices(world)}) == 5


def test_an_invoice_that_failed_because_of_it_heals_by_itself(
    world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.issue()
    world.pushes.put_customer(*USD, GatewayCustomer("cus_gone"))
    with monkeypatch.context() as before:
        before.setattr("functions.application.billing.push_invoice.MAX_GENERATIONS_PER_RUN", 1)
        assert world.push().status is PaymentStatus.PUSH_FAILED

    assert world.push().status is PaymentStatus.OPEN
    world.the_one_invoice()


def test_a_refusal_of_something_else_stays_one(world: PushWorld) -> None:
    world.issue()

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.gateway, name)

        def finalize(self, *_args: Any, **_named: Any) -> Any:
            raise GatewayRefused("No.", code="resource_missing", param="customer")

    update = world.push(gateway=Refusing())

    assert (update.status, update.failure and update.failure.code) == (PaymentStatus.PUSH_FAILED, "resource_missing")
    assert len(world.stripe.customers) == 1


def test_two_invoices_at_once_make_one_customer(world: PushWorld) -> None:
    world.issue()
    world.push()
    old = delete_customer(world)
    names = [f"{number:02}INVOICE" for number in range(2, 6)]
    for name in names:
        issue_next(world, name)
    for path in ("/v1/customers", "/v1/invoices"):
        world.fault("slow", path, seconds=0.05, times=8)

    assert world.push_together(names) == {PaymentStatus.OPEN}

    new = known(world)
    assert new != old
    assert sorted(open_invoices(world)) == [("01INVOICE", old), *((name, new) for name in names)]


CALLS = {
    "is gone": ("/v1/customers/[^/]+", "GET"),
    "customer": ("/v1/customers", "POST"),
    "create": ("/v1/invoices", "POST"),
    "delete draft": ("/v1/invoices/[^/]+", "DELETE"),
    "finalize": ("/v1/invoices/[^/]+/finalize", "POST"),
}


@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_at_any_call_leaves_one_right_invoice(world: PushWorld, fault: str, call: str, replay: str) -> None:
    stopped_before_finalizing(world)
    delete_customer(world)
    path, method = CALLS[call]
    world.fault(fault, path, method=method, times=TIMES.get(fault, 1))

    assert world.push_until_done(wait_seconds=REPLAYS[replay]).status is PaymentStatus.OPEN

    assert world.the_one_invoice()["customer"] == known(world)
    assert len(world.stripe.customers) <= 2, "one more at most, whose answer was lost"


@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.parametrize("after", range(1, 6))
def test_a_process_killed_after_any_call_leaves_one_right_invoice(world: PushWorld, after: int, replay: str) -> None:
    stopped_before_finalizing(world)
    delete_customer(world)
    dying = CrashingGateway(world.gateway, world.pushes, after)

    assert world.push_until_done(wait_seconds=REPLAYS[replay], gateway=dying).status is PaymentStatus.OPEN

    assert world.the_one_invoice()["customer"] == known(world)


def test_a_pusher_that_knows_nothing_of_the_deletion_gets_no_deleted_customer(world: PushWorld) -> None:
    """The key that made them answers with them for a day."""
    world.issue()
    world.push()
    delete_customer(world)
    issue_next(world)

    assert world.push("02INVOICE", pushes=MemoryPushStore()).status is PaymentStatus.OPEN
    assert [name for name, _ in open_invoices(world)] == ["01INVOICE", "02INVOICE"]


def test_the_keys_and_the_payload_of_what_was_issued_before_are_those_of_always() -> None:
    """Written down as they were; another key would make what exists a second time."""
    issued = document()
    customer = "bill:default:cust:01CUSTOMER:USD:11b3a0bf0a37967bd774d8417058dd4254bbc50e7a06ff14c43fdbb622ddbad2:g0"
    lines = "bill:default:01INVOICE:lines:0050447b4224a1fbfc5a308a17d7decd368b7069b1312db0b61fc10b5fda3456:g0"
    assert keys.customer_key(issued, 0) == customer
    assert keys.customer_key(issued, 0, 1) == customer.replace(":g0", ":r1:g0")
    assert keys.create_key(issued, 0) == "bill:default:01INVOICE:create:g0"
    assert keys.lines_key(issued, "in_1", issued.lines, 0) == lines
    assert keys.finalize_key(issued, "in_1", 0) == "bill:default:01INVOICE:finalize:in_1:g0"
    assert issued.sha256() == "a5396919a1625a86cf0343fc6e0d02037ae2384966024604b443f64b5d42ca31"

"""A customer who changed their name, e-mail or address finds it on the next invoice, for one request."""

from dataclasses import replace
from typing import Any

import pytest

from functions.adapters.stripe.gateway import StripeGateway
from functions.application.ports.gateway import GatewayRefused
from functions.domain.billing.contact import Contact, PostalAddress
from functions.domain.billing.push import GatewayCustomer, PaymentStatus
from functions.domain.errors import Unavailable
from tests.application.billing.push.test_crashes import FAULTS, REPLAYS, TIMES
from tests.application.billing.push.test_gone_customer import USD, delete_customer, issue_next
from tests.application.billing.push.world import CrashingGateway, PushWorld, document
from tests.infra.local.stripe_standin.contract import wrong_request

# Each pushes to the stand-in over HTTP.
pytestmark = pytest.mark.large

KOELN = PostalAddress(country="DE", postal_code="50667", city="Köln", line1="Domkloster 4")
AS_ISSUED = Contact("Acme", "pay@acme.example")
MOVED = Contact("Acme Europe", "billing@acme.example", KOELN)
AT_STRIPE = {"city": "Köln", "country": "DE", "line1": "Domkloster 4", "line2": None, "postal_code": "50667"}


def updates(world: PushWorld) -> list[dict[str, Any]]:
    """The requests that told Stripe something of a customer."""
    return [
        each["params"]
        for each in world.requests()
        if each["method"] == "POST" and each["path"].startswith("/v1/customers/")
    ]


def printed(world: PushWorld, name: str = "01INVOICE") -> tuple[Any, Any, Any]:
    (found,) = [each for each in world.invoices() if each["metadata"]["invoice_id"] == name]
    return found["customer_name"], found["customer_email"], found["customer_address"]


def test_what_changed_is_on_the_next_invoice(world: PushWorld) -> None:
    world.issue()
    world.push()
    world.contacts["01CUSTOMER"] = MOVED
    issue_next(world)

    assert world.push("02INVOICE").status is PaymentStatus.OPEN

    (at_stripe,) = world.stripe.customers.values()
    assert printed(world, "02INVOICE") == ("Acme Europe", "billing@acme.example", AT_STRIPE | {"state": None})
    assert printed(world) == ("Acme", "pay@acme.example", None)
    assert (at_stripe["name"], at_stripe["email"]) == ("Acme Europe", "billing@acme.example")
    assert at_stripe["metadata"] == {"tenant": "default", "customer_id": "01CUSTOMER"}
    wrong = [w for each in world.requests() for w in wrong_request(each["method"], each["path"], each["params"])]
    assert wrong == []


def test_one_request_as_long_as_nothing_differs(world: PushWorld) -> None:
    world.contacts["01CUSTOMER"] = MOVED
    for number in range(1, 4):
        issue_next(world, f"{number:02}INVOICE")
        world.push(f"{number:02}INVOICE")

    assert len(updates(world)) == 1


def test_no_request_for_who_is_what_the_invoice_says(world: PushWorld) -> None:
    world.contacts["01CUSTOMER"] = AS_ISSUED
    world.issue()
    world.push()

    assert updates(world) == []


def test_a_contact_that_goes_back_to_an_older_one_is_told_too(world: PushWorld) -> None:
    for number, contact in enumerate([MOVED, AS_ISSUED, MOVED, AS_ISSUED], start=1):
        world.contacts["01CUSTOMER"] = contact
        issue_next(world, f"{number:02}INVOICE")
        world.push(f"{number:02}INVOICE")
        expected = AT_STRIPE | {"state": None} if contact is MOVED else None
        assert printed(world, f"{number:02}INVOICE") == (contact.name, contact.email, expected)

    assert len(updates(world)) == 4


def test_what_they_have_no_more_is_taken_away(world: PushWorld) -> None:
    world.contacts["01CUSTOMER"] = MOVED
    world.issue()
    world.push()
    world.contacts["01CUSTOMER"] = replace(MOVED, email=None, address=replace(KOELN, line1=""))
    issue_next(world)
    world.push("02INVOICE")

    assert printed(world, "02INVOICE") == ("Acme Europe", None, AT_STRIPE | {"state": None, "line1": None})


def test_an_old_invoice_that_comes_late_does_not_undo_it(world: PushWorld) -> None:
    world.issue()
    world.fault("rate_limit", ".*/finalize", times=4)
    with pytest.raises(Unavailable):
        world.push()
    world.contacts["01CUSTOMER"] = MOVED
    issue_next(world)
    world.push("02INVOICE")

    assert world.push().status is PaymentStatus.OPEN
    (at_stripe,) = world.stripe.customers.values()
    assert at_stripe["email"] == "billing@acme.example"
    assert printed(world) == printed(world, "02INVOICE")
    assert len(updates(world)) == 1


def test_what_is_pushed_already_asks_for_nothing(world: PushWorld) -> None:
    world.issue()
    world.push()
    world.contacts["01CUSTOMER"] = MOVED

    assert world.push().status is PaymentStatus.OPEN
    assert updates(world) == []


def test_a_customer_of_before_anything_was_remembered_is_told_once(world: PushWorld) -> None:
    made = world.gateway.create_customer(document(), gen=0)
    world.pushes.put_customer(*USD, GatewayCustomer(made))
    world.contacts["01CUSTOMER"] = AS_ISSUED
    world.issue()
    issue_next(world)
    world.push()
    world.push("02INVOICE")

    assert len(updates(world)) == 1


def test_one_who_is_made_anew_is_told_again(world: PushWorld) -> None:
    world.contacts["01CUSTOMER"] = MOVED
    world.issue()
    world.push()
    delete_customer(world)
    issue_next(world)

    assert world.push("02INVOICE").status is PaymentStatus.OPEN
    assert printed(world, "02INVOICE")[0] == "Acme Europe"


def test_one_who_is_gone_when_something_is_to_be_told_is_made_anew(world: PushWorld) -> None:
    world.issue()
    world.push()
    delete_customer(world)
    world.contacts["01CUSTOMER"] = MOVED
    issue_next(world)

    assert world.push("02INVOICE").status is PaymentStatus.OPEN
    assert printed(world, "02INVOICE")[0] == "Acme Europe"


def test_each_currency_is_told(world: PushWorld) -> None:
    for name, currency in (("01INVOICE", "USD"), ("02INVOICE", "JPY")):
        world.issue(replace(document(), invoice_id=name, currency=currency))
        world.push(name)
    world.contacts["01CUSTOMER"] = MOVED
    for name, currency in (("03INVOICE", "USD"), ("04INVOICE", "JPY")):
        world.issue(replace(document(), invoice_id=name, currency=currency))
        world.push(name)

    assert {each["name"] for each in world.stripe.customers.values()} == {"Acme Europe"}
    assert len(updates(world)) == 2


def test_of_two_who_tell_different_things_the_later_one_stays(world: PushWorld) -> None:
    """The first reads the customer, who then changes; the second tells that, and only then does the first one tell."""
    world.issue()
    world.push()
    world.contacts["01CUSTOMER"] = replace(AS_ISSUED, name="Acme Two")
    issue_next(world)
    issue_next(world, "03INVOICE")

    class Slow:
        def __init__(self) -> None:
            self.is_first = True

        def __getattr__(self, name: str) -> Any:
            return getattr(world.gateway, name)

        def update_customer(self, *args: Any, **named: Any) -> None:
            if self.is_first:
                self.is_first = False
                world.contacts["01CUSTOMER"] = MOVED
                world.push("03INVOICE")
            world.gateway.update_customer(*args, **named)

    assert world.push("02INVOICE", gateway=Slow()).status is PaymentStatus.OPEN

    (at_stripe,) = world.stripe.customers.values()
    assert at_stripe["name"] == "Acme Europe"
    assert printed(world, "02INVOICE")[0] == "Acme Europe"
    issue_next(world, "04INVOICE")
    world.push("04INVOICE")
    assert len(updates(world)) == 3


def test_many_at_once_tell_the_same(world: PushWorld) -> None:
    world.issue()
    world.push()
    world.contacts["01CUSTOMER"] = MOVED
    names = [f"{number:02}INVOICE" for number in range(2, 6)]
    for name in names:
        issue_next(world, name)
    world.fault("slow", "/v1/customers/[^/]+", seconds=0.05, times=8)

    assert world.push_together(names) == {PaymentStatus.OPEN}
    assert {printed(world, name)[0] for name in names} == {"Acme Europe"}


@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_while_it_is_told_leaves_one_right_invoice(world: PushWorld, fault: str, replay: str) -> None:
    world.contacts["01CUSTOMER"] = MOVED
    world.issue()
    world.fault(fault, "/v1/customers/[^/]+", times=TIMES.get(fault, 1))

    world.push_until_done(wait_seconds=REPLAYS[replay])

    world.the_one_invoice()
    assert printed(world)[0] == "Acme Europe"


@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.parametrize("after", range(1, 6))
def test_a_process_killed_after_any_call_leaves_one_right_invoice(world: PushWorld, after: int, replay: str) -> None:
    world.contacts["01CUSTOMER"] = MOVED
    world.issue()

    world.push_until_done(wait_seconds=REPLAYS[replay], gateway=CrashingGateway(world.gateway, world.pushes, after))

    world.the_one_invoice()
    assert printed(world)[0] == "Acme Europe"


def test_a_contact_that_the_gateway_refuses_holds_up_no_invoice(
    world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address it does not know: the invoice is pushed with what it has, and the next one tells it again."""
    world.issue()
    world.push()
    world.contacts["01CUSTOMER"] = MOVED

    def refused(*_asked: Any, **_more: Any) -> None:
        raise GatewayRefused("Stripe refused it: invalid_country.", code="invalid_country", param="address[country]")

    with monkeypatch.context() as patch:
        patch.setattr(StripeGateway, "update_customer", refused)
        issue_next(world)
        assert world.push("02INVOICE").status is PaymentStatus.OPEN
    assert printed(world, "02INVOICE")[0] == "Acme"
    issue_next(world, "03INVOICE")
    world.push("03INVOICE")
    assert printed(world, "03INVOICE")[0] == "Acme Europe"

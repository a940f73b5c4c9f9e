"""One invoice, one push: what reaches Stripe, what stops a push, and what comes back on our invoice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.application.ports.gateway import GatewayUnauthorized, PushBusy
from functions.domain.billing.document import DocumentLine
from functions.domain.billing.push import PUSH_LEASE, PaymentStatus, PushRecord, PushState
from functions.domain.errors import NotFound
from tests.application.billing.push.world import JUNE, MAY, TENANT, PushWorld, document
from tests.infra.local.stripe_standin.contract import wrong_request

# Each pushes to the stand-in over HTTP.
pytestmark = pytest.mark.large


def amounts(*minor: int) -> tuple[DocumentLine, ...]:
    return tuple(DocumentLine(f"line-{i}", "usage", each, MAY, JUNE) for i, each in enumerate(minor))


def failure_code(world: PushWorld, **others: Any) -> str | None:
    update = world.push(**others)
    assert update.status is PaymentStatus.PUSH_FAILED
    assert update.failure is not None
    return update.failure.code


def test_an_invoice_is_pushed_finalized_and_comes_back_with_its_links(world: PushWorld) -> None:
    issued = world.issue()
    update = world.push()
    found = world.the_one_invoice()
    assert update.status is PaymentStatus.OPEN
    assert (update.gateway_invoice, update.number) == (found["id"], found["number"])
    assert (update.hosted_invoice_url, update.invoice_pdf) == (found["hosted_invoice_url"], found["invoice_pdf"])
    assert (update.amount_due_minor, update.amount_paid_minor) == (issued.total_minor, 0)
    finalized_at = datetime.fromtimestamp(found["status_transitions"]["finalized_at"], UTC)
    assert update.due_at == finalized_at + timedelta(days=30)
    assert found["metadata"] == {
        "tenant": TENANT,
        "invoice_id": "01INVOICE",
        "run_id": "run-1",
        "payload_sha": issued.sha256(),
    }
    assert (found["auto_advance"], found["collection_method"], found["currency"]) == (True, "send_invoice", "usd")
    assert found["custom_fields"] == [{"name": "Reference", "value": "INV-ACME-1"}]
    line = world.stripe.lines[found["id"]][0]
    assert line["period"] == {"start": int(MAY.timestamp()), "end": int(JUNE.timestamp())}
    assert line["description"] == "1,000 x $0.001 tokens"
    assert world.payments.status() is PaymentStatus.OPEN
    record = world.pushes.record(TENANT, "01INVOICE")
    assert record is not None
    assert (record.state, record.lease_until, record.gen) == (PushState.PUSHED, None, 0)


def test_every_request_is_one_stripes_own_types_allow(world: PushWorld) -> None:
    world.issue(document(lines=250))
    world.push()
    world.issue(
        replace(document(), invoice_id="02INVOICE", collection_method="charge_automatically", days_until_due=None)
    )
    world.push("02INVOICE")
    sent = world.requests()
    assert len(sent) > 10
    wrong = [w for each in sent for w in wrong_request(each["method"], each["path"], each["params"])]
    assert wrong == []
    created = [each["params"] for each in sent if (each["method"], each["path"]) == ("POST", "/v1/invoices")]
    assert all(params["automatic_tax"] == {"enabled": "false"} for params in created)
    assert all((params["discounts"], params["auto_advance"]) == ("", "false") for params in created)
    assert ["days_until_due" in params for params in created] == [True, False]
    chunks = [len(each["params"]["lines"]) for each in sent if each["path"].endswith("add_lines")]
    assert chunks == [100, 100, 50, 3]


def test_pushing_again_changes_nothing(world: PushWorld) -> None:
    world.issue()
    first = world.push()
    before = [each for each in world.requests() if each["method"] == "POST"]
    again = world.push()
    assert replace(again, at=first.at) == first
    assert [each for each in world.requests() if each["method"] == "POST"] == before


def test_two_invoices_of_a_customer_share_one_gateway_customer(world: PushWorld) -> None:
    for name in ("01INVOICE", "02INVOICE"):
        world.issue(replace(document(), invoice_id=name))
        world.push(name)
    assert len(world.stripe.customers) == 1
    assert len(world.invoices()) == 2


def test_another_currency_is_another_gateway_customer(world: PushWorld) -> None:
    world.issue()
    world.issue(replace(document(), invoice_id="02INVOICE", currency="JPY"))
    world.push()
    world.push("02INVOICE")
    assert sorted(each["currency"] for each in world.stripe.customers.values()) == ["jpy", "usd"]


def test_nothing_to_collect_is_paid_without_the_gateway(world: PushWorld) -> None:
    world.issue(document(of=amounts(500, -500)))
    update = world.push()
    assert (update.status, update.amount_due_minor) == (PaymentStatus.PAID, 0)
    assert world.payments.status() is PaymentStatus.PAID
    assert world.requests() == []


@pytest.mark.parametrize(
    ("currency", "minor", "at_stripe"),
    [("JPY", 1234, 1234), ("KWD", 12340, 12340), ("ISK", 150, 15000), ("MGA", 12300, 123)],
)
def test_amounts_arrive_in_stripes_digits_and_come_back_in_ours(
    world: PushWorld, currency: str, minor: int, at_stripe: int
) -> None:
    world.issue(document(of=amounts(minor), currency=currency))
    assert world.push().amount_due_minor == minor
    (found,) = world.invoices()
    assert found["total"] == at_stripe


def test_an_invoice_that_gives_money_back_becomes_the_customers_balance(world: PushWorld) -> None:
    world.issue(document(of=amounts(1000, -2600)))

    update = world.push()

    assert update.status is PaymentStatus.PAID
    (found,) = world.invoices()
    assert (found["total"], found["amount_due"], found["ending_balance"]) == (-1600, 0, -1600)


def test_a_negative_line_reduces_the_total(world: PushWorld) -> None:
    world.issue(document(of=amounts(1000, -400)))
    world.push()
    assert world.the_one_invoice()["total"] == 600


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"of": amounts(12345), "currency": "KWD"}, "amount_not_representable"),
        ({"of": amounts(12345), "currency": "UGX"}, "currency_not_supported"),
        ({"of": amounts(1000, -1), "automatic_tax": True}, "negative_line_with_tax"),
    ],
)
def test_what_stripe_cannot_bill_fails_before_anything_is_sent(
    world: PushWorld, changes: dict[str, Any], code: str
) -> None:
    world.issue(document(**changes))
    assert failure_code(world) == code
    assert world.requests() == []
    assert world.payments.status() is PaymentStatus.PUSH_FAILED


def test_a_refusal_is_recorded_with_its_code_and_param_and_can_be_tried_again(world: PushWorld) -> None:
    world.issue()

    class Deleting:
        """Every customer made here is deleted at once."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.gateway, name)

        def create_customer(self, *args: Any, **kwargs: Any) -> str:
            ref = world.gateway.create_customer(*args, **kwargs)
            world.client().v1.customers.delete(ref)
            return ref

    update = world.push(gateway=Deleting())
    assert update.failure is not None
    assert (update.failure.code, update.failure.param) == ("resource_missing", "customer")
    record = world.pushes.record(TENANT, "01INVOICE")
    assert record is not None
    assert (record.state, record.failure, record.lease_until) == (PushState.FAILED, update.failure, None)
    assert world.push().status is PaymentStatus.OPEN
    world.the_one_invoice()
    assert [each.status for each in world.payments.updates[TENANT, "01INVOICE"]] == ["push_failed", "open"]


def test_a_wrong_key_stops_the_run_and_frees_the_lease(world: PushWorld) -> None:
    world.issue()
    world.server.service.api_key = "sk_test_another"
    with pytest.raises(GatewayUnauthorized):
        world.push()
    world.server.service.api_key = "sk_test_push"
    assert world.push().status is PaymentStatus.OPEN


def test_a_document_that_changed_after_its_first_push_is_refused(world: PushWorld) -> None:
    world.issue()
    world.push()
    world.issue(document(lines=4))
    assert failure_code(world) == "payload_drift"
    world.issue()
    world.the_one_invoice()
    assert world.payments.status() is PaymentStatus.OPEN


def test_the_same_key_with_other_words_stops_the_push(world: PushWorld) -> None:
    world.issue()
    world.gateway.create_draft(
        replace(document(), run_id="run-0"), world.gateway.create_customer(document(), gen=0), gen=0
    )
    world.stripe.invoices.clear()
    assert failure_code(world) == "idempotency_mismatch"


def test_a_foreign_line_in_our_draft_stops_before_finalizing(world: PushWorld) -> None:
    world.issue()
    customer = world.gateway.create_customer(document(), gen=0)
    draft = world.gateway.create_draft(document(), customer, gen=0)
    world.client().v1.invoices.add_lines(draft.ref, {"lines": [{"amount": 999, "description": "by hand"}]})
    assert failure_code(world) == "unknown_lines"
    (found,) = world.invoices()
    assert found["status"] == "draft"


def test_a_draft_that_does_not_add_up_is_never_finalized(world: PushWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.issue()
    monkeypatch.setattr("functions.adapters.stripe.gateway.to_stripe", lambda minor, currency: minor + 1)
    assert failure_code(world) == "verification_failed"
    (found,) = world.invoices()
    assert found["status"] == "draft"


def test_two_invoices_at_the_gateway_stop_the_push(world: PushWorld) -> None:
    world.issue()
    customer = world.gateway.create_customer(document(), gen=0)
    for gen in (0, 1):
        world.gateway.create_draft(document(), customer, gen=gen)
    assert failure_code(world) == "duplicate_invoices"


def test_an_invoice_of_another_document_is_not_adopted(world: PushWorld) -> None:
    world.issue()
    customer = world.gateway.create_customer(document(), gen=0)
    world.gateway.create_draft(document(lines=2), customer, gen=0)
    assert failure_code(world) == "payload_drift"


def test_a_voided_invoice_is_not_adopted_but_made_anew(world: PushWorld) -> None:
    issued = world.issue()
    customer = world.gateway.create_customer(issued, gen=0)
    draft = world.gateway.create_draft(issued, customer, gen=7)
    world.gateway.add_lines(issued, draft.ref, issued.lines, gen=7)
    world.gateway.finalize(issued, draft.ref, gen=7)
    world.client().v1.invoices.void_invoice(draft.ref)
    assert world.push().status is PaymentStatus.OPEN
    assert sorted(each["status"] for each in world.invoices()) == ["open", "void"]


def test_our_invoice_voided_at_the_gateway_is_void_here_too(world: PushWorld) -> None:
    world.issue()
    ref = world.push().gateway_invoice
    assert ref is not None
    world.client().v1.invoices.void_invoice(ref)
    assert world.push().status is PaymentStatus.VOID
    assert world.payments.status() is PaymentStatus.VOID


def test_a_draft_deleted_by_hand_is_made_anew(world: PushWorld) -> None:
    world.issue()
    world.fault("rate_limit", ".*/finalize", times=4)
    with pytest.raises(Exception, match="asked too much"):
        world.push()
    (draft,) = world.invoices()
    world.client().v1.invoices.delete(draft["id"])
    assert world.push().status is PaymentStatus.OPEN
    assert world.the_one_invoice()["id"] != draft["id"]


def test_an_invoice_beyond_the_first_page_is_found(world: PushWorld) -> None:
    issued = world.issue()
    customer = world.gateway.create_customer(issued, gen=0)
    world.gateway.create_draft(issued, customer, gen=5)
    for i in range(120):
        world.gateway.create_draft(replace(issued, invoice_id=f"other-{i}"), customer, gen=0)
    assert world.push().status is PaymentStatus.OPEN
    assert sum(each["metadata"]["invoice_id"] == "01INVOICE" for each in world.invoices()) == 1


def test_an_invoice_finalized_by_somebody_else_meanwhile_is_taken_as_it_is(world: PushWorld) -> None:
    world.issue()
    finalize = world.gateway.finalize

    class Racing:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.gateway, name)

        def finalize(self, issued: Any, ref: str, *, gen: int) -> Any:
            world.client().v1.invoices.finalize_invoice(ref)
            return finalize(issued, ref, gen=gen)

    assert world.push(gateway=Racing()).status is PaymentStatus.OPEN
    assert len(world.invoices()) == 1


def test_a_held_lease_is_respected_until_it_lapses(world: PushWorld) -> None:
    issued = world.issue()
    now = world.clock.now()
    held = PushRecord(TENANT, issued.invoice_id, issued.sha256(), first_attempt_at=now).leased(now)
    world.pushes.put(held)
    with pytest.raises(PushBusy):
        world.push()
    assert world.requests() == []
    world.stripe.advance(PUSH_LEASE.total_seconds() + 1)
    assert world.push().status is PaymentStatus.OPEN


def test_a_pusher_that_lost_its_lease_changes_nothing_more(world: PushWorld) -> None:
    world.issue()

    class TakenOver:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.gateway, name)

        def add_lines(self, *args: Any, **kwargs: Any) -> None:
            world.gateway.add_lines(*args, **kwargs)
            stored = world.pushes.record(TENANT, "01INVOICE")
            assert stored is not None
            world.pushes.put(stored.leased(world.clock.now()))

    with pytest.raises(PushBusy, match="taken over"):
        world.push(gateway=TakenOver())
    (found,) = world.invoices()
    assert found["status"] == "draft"


def test_small_sums_are_moved_to_the_customers_balance_by_stripe(world: PushWorld) -> None:
    world.issue(document(of=amounts(20)))
    update = world.push()
    assert (update.status, update.amount_due_minor, update.amount_paid_minor) == (PaymentStatus.PAID, 0, 0)


def test_an_unknown_invoice_is_not_found(world: PushWorld) -> None:
    with pytest.raises(NotFound):
        world.push("nowhere")

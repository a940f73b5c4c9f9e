"""The stand-in behaves as Stripe documents it: idempotency, states, lists, limits, currencies, faults."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from infra.local.stripe_standin.server import Server
from tests.infra.local.stripe_standin.conftest import API_KEY

DAY = 86_400


def once(key: str) -> Any:
    return {"idempotency_key": key}


def customer(client: stripe.StripeClient, **params: Any) -> str:
    given: Any = {"name": "Acme", **params}
    return client.v1.customers.create(given).id


def draft(client: stripe.StripeClient, *amounts: int, owner: str | None = None, **params: Any) -> str:
    given: Any = {"customer": owner or customer(client), "currency": "usd", **params}
    name = client.v1.invoices.create(given).id
    if amounts:
        client.v1.invoices.add_lines(name, {"lines": [{"amount": each} for each in amounts]})
    return name


def finalized(client: stripe.StripeClient, *amounts: int, **params: Any) -> stripe.Invoice:
    return client.v1.invoices.finalize_invoice(draft(client, *amounts, **params))


def test_the_same_key_gives_the_same_answer_and_one_object(server: Server, client: stripe.StripeClient) -> None:
    first, second = (client.v1.customers.create({"name": "Acme"}, once("k")) for _ in range(2))
    assert first.id == second.id
    assert len(server.service.world.customers) == 1
    assert second.last_response is not None
    assert second.last_response.headers["Idempotent-Replayed"] == "true"


def test_a_key_is_forgotten_after_24_hours(server: Server, client: stripe.StripeClient) -> None:
    first = client.v1.customers.create({"name": "Acme"}, once("k")).id
    server.service.world.advance(DAY - 5)
    assert client.v1.customers.create({"name": "Acme"}, once("k")).id == first
    server.service.world.advance(10)
    assert client.v1.customers.create({"name": "Acme"}, once("k")).id != first


def test_another_payload_under_a_key_is_an_idempotency_error(client: stripe.StripeClient) -> None:
    client.v1.customers.create({"name": "Acme"}, once("k"))
    with pytest.raises(stripe.IdempotencyError) as refused:
        client.v1.customers.create({"name": "Other"}, once("k"))
    assert refused.value.http_status == 400


def test_a_key_in_flight_conflicts(server: Server, client: stripe.StripeClient) -> None:
    server.service.faults.add({"fault": "slow", "path": "/v1/customers", "seconds": 0.5})
    gate = threading.Barrier(2)

    def create(_: int) -> int:
        gate.wait()
        try:
            client.v1.customers.create({"name": "Acme"}, once("k"))
        except stripe.StripeError as error:
            return error.http_status or 0
        return 200

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(create, range(2))) == [200, 409]


def test_a_saved_500_is_repeated_and_a_new_key_is_not(server: Server, client: stripe.StripeClient) -> None:
    server.service.faults.add({"fault": "error_after", "path": "/v1/customers"})
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            client.v1.customers.create({"name": "Acme"}, once("k"))
    assert len(server.service.world.customers) == 1
    assert client.v1.customers.create({"name": "Acme"}, once("k2")).name == "Acme"


@pytest.mark.parametrize(("fault", "kept"), [("drop_before", 0), ("drop_after", 1)])
def test_a_dropped_connection_tells_nothing_about_what_happened(
    server: Server, client: stripe.StripeClient, fault: str, kept: int
) -> None:
    server.service.faults.add({"fault": fault, "path": "/v1/customers"})
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.create({"name": "Acme"}, once("k"))
    assert len(server.service.world.customers) == kept
    client.v1.customers.create({"name": "Acme"}, once("k"))
    assert len(server.service.world.customers) == 1


def test_refused_parameters_are_not_kept_for_the_key(client: stripe.StripeClient) -> None:
    wrong: Any = {"customer": "cus_nobody"}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.create(wrong, once("k"))
    assert client.v1.invoices.create({"customer": customer(client)}, once("k")).status == "draft"


@pytest.mark.parametrize("given", [f"Bearer {API_KEY}", "Basic c2tfdGVzdF9zdGFuZGluOg=="])
def test_bearer_and_basic_keys_are_accepted(server: Server, given: str) -> None:
    import httpx

    assert httpx.get(f"{server.url}/v1/customers", headers={"Authorization": given}).status_code == 200
    for wrong in ("", "Bearer nope", "Basic !!!", "Digest x"):
        answer = httpx.get(f"{server.url}/v1/customers", headers={"Authorization": wrong})
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")


def test_invoices_are_listed_newest_first_by_page_customer_and_time(
    server: Server, client: stripe.StripeClient
) -> None:
    owner = customer(client)
    made = [draft(client, owner=owner)]
    server.service.world.advance(DAY)
    cut = server.service.world.now()
    made += [draft(client, owner=owner) for _ in range(3)]
    draft(client)
    page = client.v1.invoices.list({"customer": owner, "limit": 2})
    assert (page.has_more, [each.id for each in page.auto_paging_iter()]) == (True, made[::-1])
    newer = client.v1.invoices.list({"customer": owner, "created": {"gte": cut}})
    assert [each.id for each in newer.data] == made[:0:-1]
    before = client.v1.invoices.list({"customer": owner, "ending_before": made[1], "limit": 1})
    assert [each.id for each in before.data] == [made[2]]


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ({"shoe": 1}, "unknown parameter: shoe"),
        ({"days_until_due": 3}, "collection method"),
        ({"collection_method": "send_invoice"}, "days_until_due"),
        ({"currency": "usx"}, "currency"),
        ({"currency": "USD"}, "currency"),
        ({"metadata": {"k" * 41: "v"}}, "40 characters"),
        ({"metadata": {"k": "v" * 501}}, "40 characters"),
        ({"metadata": {f"k{i}": "v" for i in range(51)}}, "50 keys"),
        ({"custom_fields": [{"name": "n", "value": "v"}] * 5}, "4 custom fields"),
        ({"auto_advance": "maybe"}, "boolean"),
    ],
)
def test_wrong_invoices_are_refused(client: stripe.StripeClient, params: Any, complaint: str) -> None:
    wrong: Any = {"customer": customer(client), **params}
    with pytest.raises(stripe.InvalidRequestError, match=complaint):
        client.v1.invoices.create(wrong)


def test_an_invoice_holds_250_lines_and_a_request_100(client: stripe.StripeClient) -> None:
    name = draft(client, *[1] * 100)
    for count, is_fine in ((101, False), (100, True), (51, False), (50, True), (1, False)):
        lines: Any = [{"amount": 1}] * count
        if is_fine:
            client.v1.invoices.add_lines(name, {"lines": lines})
            continue
        with pytest.raises(stripe.InvalidRequestError, match=r"at most (100|250)"):
            client.v1.invoices.add_lines(name, {"lines": lines})
    assert client.v1.invoices.retrieve(name).total == 250


@pytest.mark.parametrize(
    ("currency", "amount", "is_fine"),
    [("kwd", 1230, True), ("kwd", 1234, False), ("isk", 1200, True), ("isk", 1250, False), ("jpy", 123, True)],
)
def test_amounts_follow_the_currencys_rule(
    client: stripe.StripeClient, currency: str, amount: int, is_fine: bool
) -> None:
    name = draft(client, currency=currency)
    if is_fine:
        assert client.v1.invoices.add_lines(name, {"lines": [{"amount": amount}]}).total == amount
    else:
        with pytest.raises(stripe.InvalidRequestError, match="decimal"):
            client.v1.invoices.add_lines(name, {"lines": [{"amount": amount}]})


def test_negative_lines_cannot_stand_on_a_taxed_invoice(client: stripe.StripeClient) -> None:
    name = draft(client, automatic_tax={"enabled": True})
    with pytest.raises(stripe.InvalidRequestError, match="negative"):
        client.v1.invoices.add_lines(name, {"lines": [{"amount": -1}]})


def test_only_a_draft_is_edited_or_deleted(client: stripe.StripeClient) -> None:
    opened = finalized(client, 1000).id
    changes: list[Callable[[], object]] = [
        lambda: client.v1.invoices.add_lines(opened, {"lines": [{"amount": 1}]}),
        lambda: client.v1.invoices.delete(opened),
        lambda: client.v1.invoices.update(opened, {"description": "later"}),
        lambda: client.v1.invoices.finalize_invoice(opened),
    ]
    for change in changes:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            change()
        assert refused.value.code == "invoice_not_editable"
    noted = client.v1.invoices.update(opened, {"metadata": {"a": "b"}}).metadata
    assert noted is not None
    assert noted["a"] == "b"
    gone = draft(client, 1)
    assert client.v1.invoices.delete(gone).deleted
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.invoices.retrieve(gone)
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")


def test_a_declined_card_leaves_the_invoice_open(server: Server, client: stripe.StripeClient) -> None:
    opened = finalized(client, 1000).id
    with pytest.raises(stripe.CardError) as declined:
        client.v1.invoices.pay(opened, {"payment_method": "pm_card_chargeDeclined"})
    assert (declined.value.http_status, declined.value.code) == (402, "card_declined")
    after = client.v1.invoices.retrieve(opened)
    assert (after.status, after.attempt_count, after.amount_paid) == ("open", 1, 0)
    assert next(reversed(server.service.world.events.values()))["type"] == "invoice.payment_failed"
    assert client.v1.invoices.pay(opened, {"paid_out_of_band": True}).status == "paid"
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        client.v1.invoices.pay(opened, {"payment_method": "pm_card_visa"})


def test_an_invoice_without_lines_cannot_be_finalized(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Nothing to invoice"):
        client.v1.invoices.finalize_invoice(draft(client))


def test_small_sums_and_credit_wait_on_the_customers_balance(client: stripe.StripeClient) -> None:
    owner = customer(client)
    small = finalized(client, 20, owner=owner)
    assert (small.status, small.amount_due, small.ending_balance) == ("paid", 0, 20)
    credit = finalized(client, -520, owner=owner)
    assert (credit.status, credit.ending_balance) == ("paid", -500)
    rest = finalized(client, 1000, owner=owner)
    assert (rest.status, rest.total, rest.amount_due, rest.starting_balance) == ("open", 1000, 500, -500)
    assert client.v1.customers.retrieve(owner).balance == 0


def test_pending_items_wait_for_an_invoice_that_includes_them(client: stripe.StripeClient) -> None:
    owner = customer(client)
    client.v1.invoice_items.create({"customer": owner, "amount": 700, "currency": "usd"})
    assert client.v1.invoices.retrieve(draft(client, owner=owner)).total == 0
    assert (
        client.v1.invoices.retrieve(draft(client, owner=owner, pending_invoice_items_behavior="include")).total == 700
    )


def test_a_refund_never_exceeds_what_was_paid(client: stripe.StripeClient) -> None:
    opened = finalized(client, 1000).id
    client.v1.invoices.pay(opened, {"payment_method": "pm_card_visa"})
    payments = client.v1.invoices.retrieve(opened, {"expand": ["payments"]}).payments
    assert payments is not None
    intent = str(payments.data[0].payment.payment_intent)
    assert client.v1.refunds.create({"payment_intent": intent, "amount": 400}).amount == 400
    assert client.v1.refunds.create({"payment_intent": intent}).amount == 600
    with pytest.raises(stripe.InvalidRequestError, match="greater"):
        client.v1.refunds.create({"payment_intent": intent, "amount": 1})


def test_a_credit_note_for_all_that_is_due_pays_the_invoice(client: stripe.StripeClient) -> None:
    opened = finalized(client, 1000).id
    with pytest.raises(stripe.InvalidRequestError, match="larger"):
        client.v1.credit_notes.create({"invoice": opened, "amount": 1001})
    note = client.v1.credit_notes.create({"invoice": opened, "amount": 300})
    assert client.v1.credit_notes.void_credit_note(note.id).status == "void"
    client.v1.credit_notes.create({"invoice": opened, "amount": 1000})
    after = client.v1.invoices.retrieve(opened)
    assert (after.status, after.amount_due, after.pre_payment_credit_notes_amount) == ("paid", 0, 1000)


def test_an_unknown_path_is_answered_as_stripe_does(server: Server) -> None:
    import httpx

    answer = httpx.post(f"{server.url}/v1/unicorns", headers={"Authorization": f"Bearer {API_KEY}"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")


def test_a_deleted_customer_is_told_so_and_gets_nothing_new(client: stripe.StripeClient, server: Server) -> None:
    owner = customer(client)
    drafted, final = (draft(client, 1000, owner=owner) for _ in range(2))
    client.v1.invoices.finalize_invoice(final)

    assert client.v1.customers.delete(owner).deleted
    assert getattr(client.v1.customers.retrieve(owner), "deleted", False)

    refused = []
    for ask in (
        lambda: client.v1.customers.delete(owner),
        lambda: client.v1.customers.update(owner, {"name": "Other"}),
        lambda: client.v1.invoices.create({"customer": owner}),
        lambda: client.v1.invoices.finalize_invoice(drafted),
    ):
        with pytest.raises(stripe.InvalidRequestError) as error:
            ask()
        refused.append((error.value.code, error.value.param))
    assert refused == [("resource_missing", "id")] * 2 + [("resource_missing", "customer")] * 2
    assert client.v1.customers.list().data == []
    assert {each.id for each in client.v1.invoices.list({"customer": owner}).data} == {drafted, final}
    assert client.v1.invoices.retrieve(final).status == "open"
    assert [each["type"] for each in server.service.world.events.values()].count("customer.deleted") == 1

"""The push against the real Stripe: `STRIPE_TEST_KEY=sk_test_... pytest -m stripe_live`.

The same steps run against the stand-in in every test run, so that they are right when somebody has a key.
"""

import os
from uuid import uuid4

import pytest
import stripe

from functions.adapters.clock import SystemClock
from functions.adapters.stripe.gateway import PUSH_TIMEOUT_SECONDS, StripeGateway, stripe_client
from functions.application.billing.push_invoice import push_invoice
from functions.domain.billing.push import PaymentStatus
from tests.application.billing.push.world import (
    API_KEY,
    TENANT,
    Contacts,
    Documents,
    MemoryPayments,
    MemoryPushStore,
    PushWorld,
    document,
)
from tests.infra.local.stripe_standin.contract import wrong_answer


def walk(client: stripe.StripeClient) -> None:
    """120 lines pushed by two processes that share nothing, read back, checked against Stripe's types, and voided."""
    name = f"live-{uuid4().hex}"
    issued = document(120, invoice_id=name, customer_id=f"customer-{name}", customer_email=None)
    documents = Documents({(TENANT, name): issued})
    updates = [
        push_invoice(
            TENANT,
            name,
            documents=documents,
            contacts=Contacts(),
            payments=MemoryPayments(),
            gateway=StripeGateway(lambda: client),
            pushes=MemoryPushStore(),
            clock=SystemClock(),
        )
        for _ in range(2)
    ]
    first, again = updates
    ref = first.gateway_invoice
    assert ref is not None
    try:
        assert (first.status, first.amount_due_minor) == (PaymentStatus.OPEN, issued.total_minor)
        assert (again.gateway_invoice, again.number, again.due_at) == (ref, first.number, first.due_at)
        found = client.v1.invoices.retrieve(ref)
        assert wrong_answer(stripe.Invoice, found.to_dict(recursive=True, for_json=True)) == []
        assert found.hosted_invoice_url
    finally:
        client.v1.invoices.void_invoice(ref)


def test_the_walk_is_right_at_the_stand_in(world: PushWorld) -> None:
    walk(stripe_client(API_KEY, world.server.url, timeout_seconds=PUSH_TIMEOUT_SECONDS))
    (found,) = world.invoices()
    assert (found["status"], len(world.stripe.lines[found["id"]])) == ("void", 120)


@pytest.mark.stripe_live
def test_the_walk_is_right_at_stripe() -> None:
    key = os.environ["STRIPE_TEST_KEY"]
    assert key.startswith(("sk_test_", "rk_test_")), "only a test key: this makes and voids an invoice"
    walk(stripe_client(key, None, timeout_seconds=PUSH_TIMEOUT_SECONDS))

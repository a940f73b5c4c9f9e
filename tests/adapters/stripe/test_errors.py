"""What the genuine SDK raises, and what a push does about it."""

from typing import Any

import pytest
import stripe

from functions.adapters.stripe.errors import FIRST_WAIT_SECONDS, RATE_LIMIT_TRIES, PatientCaller, translated
from functions.adapters.stripe.gateway import StripeGateway, stripe_client
from functions.application.ports.gateway import (
    GatewayBusy,
    GatewayFault,
    GatewayKeyMismatch,
    GatewayRefused,
    GatewayUnauthorized,
    GatewayUnreachable,
)
from tests.application.billing.push.world import PushWorld, document


@pytest.mark.parametrize(
    ("fault", "times", "error"),
    [
        ("drop_before", 1, GatewayUnreachable),
        ("drop_after", 1, GatewayUnreachable),
        ("conflict", 1, GatewayUnreachable),
        ("rate_limit", RATE_LIMIT_TRIES, GatewayBusy),
        ("error_before", 1, GatewayFault),
        ("error_after", 1, GatewayFault),
    ],
)
def test_each_failure_has_its_own_answer(
    world: PushWorld,
    fault: str,
    times: int,
    error: type[Exception],
) -> None:
    world.fault(fault, "/v1/customers", times=times)
    with pytest.raises(error):
        world.gateway.create_customer(document(), gen=0)


def test_another_payload_under_the_same_key_is_our_own_mistake(world: PushWorld) -> None:
    customer = world.gateway.create_customer(document(), gen=0)
    world.gateway.create_draft(document(), customer, gen=0)
    with pytest.raises(GatewayKeyMismatch):
        world.gateway.create_draft(document(days_until_due=1), customer, gen=0)


def test_a_refusal_names_its_code_and_parameter(world: PushWorld) -> None:
    with pytest.raises(GatewayRefused) as refused:
        world.gateway.create_draft(document(), "cus_nobody", gen=0)
    assert (refused.value.code, refused.value.param) == ("resource_missing", "customer")
    assert refused.value.detail.startswith("Stripe refused it because of customer: resource_missing.")


SAID = "No such customer: 'somebody@example.com'; Invalid API Key provided: sk_live_****4242 https://pay.example/i/1"


def raised(kind: type[stripe.StripeError], status: int | None, **more: Any) -> stripe.StripeError:
    return kind(SAID, http_status=status, headers={"request-id": "req_Abc123"}, **more)


@pytest.mark.parametrize(
    "error",
    [
        raised(stripe.APIConnectionError, None),
        raised(stripe.APIError, 409),
        raised(stripe.APIError, 500),
        raised(stripe.APIError, 200),
        raised(stripe.IdempotencyError, 400),
        raised(stripe.AuthenticationError, 401),
        raised(stripe.PermissionError, 403),
        raised(stripe.InvalidRequestError, 400, param="customer", code="resource_missing"),
        raised(stripe.InvalidRequestError, 400, param=SAID, code=SAID),
        raised(stripe.CardError, 402, param="", code="card_declined"),
    ],
)
def test_stripes_own_sentences_go_no_further(error: stripe.StripeError) -> None:
    """They may hold e-mail addresses, parts of a key and addresses of payment pages; we tell where to read them."""
    ours = translated(error)
    said = f"{ours} {ours.code} {getattr(ours, 'param', None)}"
    assert "req_Abc123" in said
    for word in ("somebody", "4242", "://"):
        assert word not in said


def test_a_request_id_that_is_none_is_left_out() -> None:
    error = stripe.APIError(SAID, http_status=500, headers={"request-id": SAID})
    assert str(translated(error)) == "Stripe failed on its side."


def test_a_wrong_key_is_an_unhealthy_integration(world: PushWorld) -> None:
    client = stripe_client("sk_test_wrong", world.server.url, timeout_seconds=5)
    with pytest.raises(GatewayUnauthorized):
        StripeGateway(lambda: client).create_customer(document(), gen=0)


def test_nobody_listening_is_unreachable() -> None:
    client = stripe.StripeClient("sk_test", base_addresses={"api": "http://127.0.0.1:9"}, max_network_retries=0)
    with pytest.raises(GatewayUnreachable):
        StripeGateway(lambda: client).invoice("in_1")


def test_the_sdk_itself_repeats_a_lost_answer_with_the_same_key(world: PushWorld) -> None:
    client = stripe_client("sk_test_push", world.server.url, timeout_seconds=5)
    world.fault("drop_after", "/v1/customers")
    StripeGateway(lambda: client).create_customer(document(), gen=0)
    assert len(world.stripe.customers) == 1
    assert len({each["idempotency_key"] for each in world.requests()}) == 1


def test_rate_limits_are_waited_out_with_full_jitter(world: PushWorld) -> None:
    waits: list[float] = []
    bounds: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        bounds.append((low, high))
        return high / 2

    client = world.client()
    world.fault("rate_limit", "/v1/customers", times=RATE_LIMIT_TRIES - 1)
    gateway = StripeGateway(lambda: client, PatientCaller(sleep=waits.append, uniform=uniform))
    assert gateway.create_customer(document(), gen=0).startswith("cus_")
    assert bounds == [(0, FIRST_WAIT_SECONDS), (0, 2 * FIRST_WAIT_SECONDS), (0, 4 * FIRST_WAIT_SECONDS)]
    assert waits == [high / 2 for _, high in bounds]

from collections.abc import Iterator

import pytest
import stripe

from infra.local.stripe_standin.server import Server, running

API_KEY = "sk_test_standin"
WEBHOOK_SECRET = "whsec_standin"


@pytest.fixture
def server() -> Iterator[Server]:
    with running(api_key=API_KEY, webhook_secret=WEBHOOK_SECRET) as server:
        yield server


@pytest.fixture
def client(server: Server) -> stripe.StripeClient:
    """The genuine SDK, without retries of its own, so that each answer is seen."""
    return stripe.StripeClient(API_KEY, base_addresses={"api": server.url}, max_network_retries=0)

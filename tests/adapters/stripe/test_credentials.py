"""The Stripe secret is read rarely, understood or refused in words, and never shown."""

from typing import Any

import pytest

from functions.adapters.stripe.credentials import KEEP_SECONDS, StripeCredentials, StripeCredentialsSource
from functions.application.ports.gateway import GatewayUnauthorized


class Secrets:
    """Secrets Manager's one call, with a secret that may be rotated."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.reads = 0

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:
        self.reads += 1
        return {"SecretString": self.text}


def test_the_secret_is_read_once_and_again_after_minutes() -> None:
    secrets, now = Secrets('{"api_key": "sk_1", "webhook_secrets": ["whsec_1", "whsec_2"]}'), [0.0]
    source = StripeCredentialsSource("arn", secrets, monotonic=lambda: now[0])  # type: ignore[arg-type]
    assert source.get() == StripeCredentials("sk_1", ("whsec_1", "whsec_2"))
    secrets.text = '{"api_key": "sk_2", "webhook_secrets": []}'
    assert source.get().api_key == "sk_1"
    now[0] = KEEP_SECONDS
    assert source.get() == StripeCredentials("sk_2", ())
    assert secrets.reads == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("not json", "not JSON"),
        ("[]", "not JSON like"),
        ("{}", "api_key"),
        ('{"api_key": " "}', "api_key"),
        ('{"api_key": "sk_1", "webhook_secrets": "whsec_1"}', "webhook_secrets"),
        ('{"api_key": "sk_1", "webhook_secrets": [""]}', "webhook_secrets"),
    ],
)
def test_a_secret_that_cannot_work_is_refused_in_words(text: str, complaint: str) -> None:
    with pytest.raises(GatewayUnauthorized, match=complaint):
        StripeCredentials.parse(text)


def test_credentials_do_not_show_themselves() -> None:
    assert "sk_1" not in repr(StripeCredentials("sk_1", ("whsec_1",)))

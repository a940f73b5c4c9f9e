"""The Stripe secret: API key and webhook signing secrets, read from Secrets Manager and kept for minutes only."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.application.ports.gateway import GatewayUnauthorized

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# A rotated key reaches warm containers within this time; the old one must stay valid that long.
KEEP_SECONDS = 300


@dataclass(frozen=True)
class StripeCredentials:
    """`webhook_secrets` holds several during a rotation: each of them is accepted."""

    api_key: str
    webhook_secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return "StripeCredentials(...)"

    @classmethod
    def parse(cls, text: str) -> "StripeCredentials":
        """From {"api_key": "...", "webhook_secrets": ["..."]}; raises GatewayUnauthorized saying what is missing."""
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise GatewayUnauthorized('The Stripe secret is not JSON like {"api_key": ..., "webhook_secrets": [...]}.')
        api_key, secrets = values.get("api_key"), values.get("webhook_secrets") or []
        if not isinstance(api_key, str) or not api_key.strip():
            raise GatewayUnauthorized('The Stripe secret has no "api_key"; put one there to push invoices.')
        if not isinstance(secrets, list) or not all(isinstance(each, str) and each.strip() for each in secrets):
            raise GatewayUnauthorized('"webhook_secrets" in the Stripe secret is not a list of texts.')
        return cls(api_key.strip(), tuple(each.strip() for each in secrets))


class StripeCredentialsSource:
    def __init__(
        self, secret_id: str, client: "SecretsManagerClient", *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._secret_id = secret_id
        self._client = client
        self._monotonic = monotonic
        self._kept: StripeCredentials | None = None
        self._kept_until = 0.0

    def get(self) -> StripeCredentials:
        if self._kept is None or self._monotonic() >= self._kept_until:
            answer = self._client.get_secret_value(SecretId=self._secret_id)
            self._kept = StripeCredentials.parse(answer["SecretString"])
            self._kept_until = self._monotonic() + KEEP_SECONDS
        return self._kept

"""The composition root of access: keys, portal tokens, limits, the first key of a deployment."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from functions import names
from functions.handlers import settings
from functions.handlers.wiring import base

if TYPE_CHECKING:
    from functions.adapters.dynamo.access.api_key_store import DynamoApiKeys
    from functions.adapters.dynamo.access.bucket_store import DynamoBuckets
    from functions.adapters.dynamo.access.portal_token_store import DynamoPortalTokens
    from functions.adapters.portal_seal import JwtPortalSeal
    from functions.adapters.secrets import SecretsManagerVault
    from functions.application.access.charges import Charges
    from functions.application.access.limit_rate import RateLimiter


@cache
def buckets() -> "DynamoBuckets":
    """With a client of its own: a request waits a moment for a limit, and then goes on without."""
    from functions.adapters.aws import AT_ONCE, aws_client
    from functions.adapters.dynamo.access.bucket_store import DynamoBuckets

    client = aws_client("dynamodb", AT_ONCE, is_checked=False, raises_unavailable=False)
    return DynamoBuckets(client, settings.usage_table())


@cache
def rate_limiter() -> "RateLimiter":
    from functions.application.access.limit_rate import RateLimiter

    return RateLimiter(buckets(), base.microseconds, _note_failure)


def _note_failure(failure: Exception) -> None:
    """One line and one count a pause: everything is let through meanwhile."""
    from functions.handlers import metrics

    metrics.write("rate limits cannot be kept", {names.METRIC_LIMITER_FAILED: 1}, level="WARN", reason=str(failure))


def charges() -> "Charges":
    from functions.application.access.charges import Charges

    return Charges(settings.rate_limits(), settings.lanes, rate_limiter)


def charge_surplus(surplus: Mapping[str, int]) -> None:
    charges().surplus(surplus)


def new_secret() -> str:
    from functions.adapters.ids import new_secret

    return new_secret()


def api_keys() -> "DynamoApiKeys":
    from functions.adapters.dynamo.access.api_key_store import DynamoApiKeys

    return DynamoApiKeys(base.billing_table())


def admin_vault() -> "SecretsManagerVault":
    from functions.adapters.secrets import SecretsManagerVault

    return SecretsManagerVault(base.aws("secretsmanager"), settings.admin_secret())


def portal_tokens() -> "DynamoPortalTokens":
    from functions.adapters.dynamo.access.portal_token_store import DynamoPortalTokens

    return DynamoPortalTokens(base.billing_table())


def portal_vault() -> "SecretsManagerVault":
    from functions.adapters.secrets import SecretsManagerVault

    return SecretsManagerVault(base.aws("secretsmanager"), settings.portal_secret())


@cache
def portal_seal() -> "JwtPortalSeal":
    from functions.adapters.portal_seal import JwtPortalSeal, SigningKeys

    return JwtPortalSeal(SigningKeys(lambda: portal_vault().still_believed()))


def put_answer(url: str, answer: Mapping[str, Any]) -> None:
    from functions.adapters.cloudformation import put_answer

    put_answer(url, answer)

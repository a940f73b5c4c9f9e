"""The one table from what the Stripe SDK raises to what a push does about it; rate limits are waited out here."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import stripe

from functions.application.ports.gateway import (
    GatewayBusy,
    GatewayFault,
    GatewayKeyMismatch,
    GatewayRefused,
    GatewayUnauthorized,
    GatewayUnreachable,
)
from functions.domain.errors import TollboothError

Answer = TypeVar("Answer")

# The SDK retries lost connections, 409 and 5xx, but not 429. Four tries wait about 3 s in the middle, 7 s at most,
# so that one call stays far inside the push lease; after that the workflow's own retry waits longer.
RATE_LIMIT_TRIES = 4
FIRST_WAIT_SECONDS = 1.0
# Enough of Stripe's sentence for a human, without a page of it in a record.
MAX_MESSAGE_CHARACTERS = 300


class PatientCaller:
    """Runs one SDK call; full jitter keeps parallel pushers from coming back together."""

    def __init__(
        self,
        *,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._sleep = sleep
        self._uniform = uniform

    def __call__(self, ask: Callable[[], Answer]) -> Answer:
        for tried in range(1, RATE_LIMIT_TRIES + 1):
            try:
                return ask()
            except stripe.RateLimitError as error:
                if tried == RATE_LIMIT_TRIES:
                    raise GatewayBusy(_message(error)) from error
                self._sleep(self._uniform(0, FIRST_WAIT_SECONDS * 2 ** (tried - 1)))
            except stripe.StripeError as error:
                raise translated(error) from error
        raise AssertionError("the last try returns or raises")


def translated(error: stripe.StripeError) -> TollboothError:
    message, status = _message(error), error.http_status
    if isinstance(error, stripe.APIConnectionError) or status is None or status == 409:
        return GatewayUnreachable(message)
    if isinstance(error, stripe.IdempotencyError):
        return GatewayKeyMismatch(message)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return GatewayUnauthorized(message)
    if status >= 500:
        return GatewayFault(message)
    if status >= 400:
        param = getattr(error, "param", None)
        return GatewayRefused(message, code=error.code or "invalid_request", param=param)
    # A 2xx whose body could not be read: it happened, and the same key will tell.
    return GatewayUnreachable(message)


def is_missing(error: GatewayRefused) -> bool:
    return error.code == "resource_missing"


def _message(error: stripe.StripeError) -> str:
    return (error.user_message or type(error).__name__)[:MAX_MESSAGE_CHARACTERS]

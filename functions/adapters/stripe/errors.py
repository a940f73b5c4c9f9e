"""The one table from what the Stripe SDK raises to what a push does about it; rate limits are waited out here."""

import random
import re
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
# Stripe's words of a machine, which we pass on. Its sentences may hold e-mail addresses, names and parts of a key.
CODE = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
PARAM = re.compile(r"[A-Za-z0-9_.\[\]]{1,100}", re.ASCII)
REQUEST_ID = re.compile(r"req_[A-Za-z0-9]{1,64}", re.ASCII)
UNKNOWN_CODE = "invalid_request"


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
                    raise GatewayBusy(_told("Stripe is asked too much at the moment.", error)) from error
                self._sleep(self._uniform(0, FIRST_WAIT_SECONDS * 2 ** (tried - 1)))
            except stripe.StripeError as error:
                raise translated(error) from error
        raise AssertionError("the last try returns or raises")


def translated(error: stripe.StripeError) -> TollboothError:
    status = error.http_status
    if isinstance(error, stripe.APIConnectionError) or status is None:
        return GatewayUnreachable(_told("Stripe did not answer.", error))
    if status == 409:
        return GatewayUnreachable(_told("Stripe is still at work on the same request.", error))
    if isinstance(error, stripe.IdempotencyError):
        return GatewayKeyMismatch(_told("Stripe had another request under the same idempotency key.", error))
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return GatewayUnauthorized(_told("Stripe does not take this deployment's API key; look at its secret.", error))
    if status >= 500:
        return GatewayFault(_told("Stripe failed on its side.", error))
    if status >= 400:
        code, param = _word(error.code, CODE) or UNKNOWN_CODE, _word(getattr(error, "param", None), PARAM)
        about = f" because of {param}" if param else ""
        return GatewayRefused(_told(f"Stripe refused it{about}: {code}.", error), code=code, param=param)
    # A 2xx whose body could not be read: it happened, and the same key will tell.
    return GatewayUnreachable(_told("Stripe's answer could not be read.", error))


def is_missing(error: GatewayRefused) -> bool:
    return error.code == "resource_missing"


def _told(sentence: str, error: stripe.StripeError) -> str:
    """The sentence, and where Stripe's own words are for those who may read them."""
    request_id = _word(error.request_id, REQUEST_ID)
    return f"{sentence} Stripe's dashboard shows why under {request_id}." if request_id else sentence


def _word(text: object, form: re.Pattern[str]) -> str | None:
    return text if isinstance(text, str) and form.fullmatch(text) else None

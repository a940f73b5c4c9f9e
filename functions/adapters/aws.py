"""Clients of AWS services: how long they try, and what every service's temporary failures are called.

Throttles, answers of 500 and more, and broken connections come as Unavailable once the client's own tries are used up
("standard" mode: exponential pauses with jitter). What a request of many items leaves undone stands in an answer of
200: its reader tries again after `pauses`.
"""

import random
import time
from collections.abc import Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import ConnectionError as BrokenConnection
from botocore.exceptions import HTTPClientError, IncompleteReadError

from functions.domain.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# What a caller may know: the role of a service, never its name or an address.
ROLES = {
    "dynamodb": "The database",
    "s3": "The archive",
    "kinesis": "The event stream",
    "athena": "The query engine",
    "stepfunctions": "The workflow engine",
    "secretsmanager": "The key store",
}
RETRY_AFTER_SECONDS = 2
LONGEST_PAUSE_SECONDS = 2.0
# What services call it when they are asked too much, at a status below 500.
THROTTLED = frozenset(
    {
        *("ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", "Throttling"),
        *("ThrottledException", "TooManyRequestsException", "LimitExceededException", "SlowDown", "RequestTimeout"),
        "KMSThrottlingException",
    }
)


class Patience(NamedTuple):
    """Seconds to connect and to wait for an answer, and how many tries."""

    connect: float
    read: float
    tries: int

    @property
    def longest(self) -> float:
        """Until a client gives up, its pauses of at most 1, 2, 4, ... seconds included.

        To connect is tried at every address a name has, and S3 has eight: one that answers none of them takes longer.
        """
        return self.tries * (self.connect + self.read) + sum(2.0**number for number in range(self.tries - 1))


PATIENT = Patience(2, 10, 5)
BRISK = Patience(1, 4, 3)
HASTY = Patience(1, 1.5, 2)
# The caller tries again, or goes on without.
ONCE = Patience(1, 2, 1)
AT_ONCE = Patience(0.5, 1, 1)


def patience_of(function_seconds: int) -> Patience:
    """The most that fits into a function's time with room for an answer: a hung connection must not outlive it."""
    for patience in (PATIENT, BRISK):
        if patience.longest < function_seconds * 0.8:
            return patience
    return HASTY


def aws_client(
    service: str,
    patience: Patience = BRISK,
    *,
    endpoint: str | None = None,
    is_checked: bool = True,
    raises_unavailable: bool = True,
) -> Any:
    """`is_checked`: whether botocore looks at parameters; hot paths send requests we build ourselves."""
    retries: Any = {"mode": "standard", "total_max_attempts": patience.tries}
    config = Config(
        connect_timeout=patience.connect,
        read_timeout=patience.read,
        retries=retries,
        tcp_keepalive=True,
        account_id_endpoint_mode="disabled",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        parameter_validation=is_checked,
        user_agent="tollbooth",  # otherwise botocore composes a new one for every request, 0.1 ms each
    )
    client = boto3.client(service, config=config, endpoint_url=endpoint)  # type: ignore[call-overload]
    if raises_unavailable:
        role = ROLES.get(service, "A service behind this one")
        client.meta.events.register("after-call", partial(_raise_if_unavailable, role))
        client.meta.events.register("after-call-error", partial(_raise_if_unreachable, role))
    return client


def pauses(tries: int, first_seconds: float) -> Iterator[int]:
    """The numbers of so many tries; before each but the first a pause of random length, which may double each time."""
    for number in range(tries):
        if number:
            longest = min(LONGEST_PAUSE_SECONDS, first_seconds * 2 ** (number - 1))
            time.sleep(random.uniform(0, longest))  # noqa: S311 - no secret
        yield number


def busy(what: str) -> Unavailable:
    return Unavailable(f"{what} is too busy; try again.", retry_after_seconds=RETRY_AFTER_SECONDS)


def object_body(client: "S3Client", bucket: str, key: str) -> bytes:
    """A body comes behind its answer, where the client does not look any more; raises the client's NoSuchKey."""
    answer = client.get_object(Bucket=bucket, Key=key)
    try:
        return answer["Body"].read()
    except (BrokenConnection, HTTPClientError, IncompleteReadError) as error:
        raise away(ROLES["s3"]) from error


def away(role: str) -> Unavailable:
    return Unavailable(f"{role} does not answer; try again.", retry_after_seconds=RETRY_AFTER_SECONDS)


def _raise_if_unavailable(role: str, http_response: Any, parsed: Mapping[str, Any], **_: Any) -> None:
    code = parsed.get("Error", {}).get("Code")
    if http_response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or code in THROTTLED:
        raise busy(role)


def _raise_if_unreachable(role: str, exception: Exception, **_: Any) -> None:
    if isinstance(exception, BrokenConnection | HTTPClientError):
        raise away(role) from exception

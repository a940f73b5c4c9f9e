"""The one table from error to status, and the problem+json answer; small enough for the ingest path."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from functions.domain.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSupported,
    PreconditionFailed,
    RateLimited,
    TollboothError,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)

if TYPE_CHECKING:
    from functions.domain.rate_limit import Policy, Standing

STATUS: Mapping[type[TollboothError], HTTPStatus] = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    NotSupported: HTTPStatus.BAD_REQUEST,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
# Python 3.13 renamed it; what we answer does not depend on the Python that answers.
PHRASES = {HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Request Entity Too Large"}
# The Node SDK decodes an error only under exactly this type, without a charset.
CONTENT_TYPE = "application/problem+json"
MAX_FIELD_ERRORS = 100  # an answer stays readable however wrong the request was
HIDDEN = "Something went wrong on our side; name the request id when you report it."


def status_of(error: BaseException) -> HTTPStatus:
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def phrase_of(status: HTTPStatus) -> str:
    return PHRASES.get(status, status.phrase)


def problem(error: BaseException, request_id: str) -> dict[str, Any]:
    """An RFC 7807 body; an error outside the family shows nothing of itself."""
    status = status_of(error)
    shown = error if isinstance(error, TollboothError) and status != HTTPStatus.INTERNAL_SERVER_ERROR else None
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": phrase_of(status),
        "status": int(status),
        "detail": shown.detail if shown else HIDDEN,
        "instance": f"urn:request:{request_id}",
    }
    if shown and (listed := _validation_errors(shown)):
        body["extensions"] = {"validationErrors": listed}
    return body


def _validation_errors(error: TollboothError) -> list[dict[str, str]]:
    listed = [
        {"field": field.field, "code": field.code, "message": field.message}
        for field in error.fields[:MAX_FIELD_ERRORS]
    ]
    if not listed and error.code != type(error).code:
        # A refusal with a code of its own that concerns the whole request.
        listed = [{"field": "$", "code": error.code, "message": error.detail}]
    return listed


def headers(error: BaseException) -> dict[str, str]:
    """What goes with the answer beside its content type."""
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if not isinstance(error, Unavailable | RateLimited):
        return {}
    given = {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, RateLimited) and error.standing:
        given |= rate_headers([error.standing])
    return given


def rate_headers(standings: Sequence["Standing"]) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers has them since its version 08: two lists of structured fields.

    Of a policy that was charged twice the last standing counts.
    """
    if not standings:
        return {}
    standings = [*{each.policy.name: each for each in standings}.values()]
    return {
        "RateLimit-Policy": ", ".join(_policy(each.policy) for each in standings),
        "RateLimit": ", ".join(f'"{each.policy.name}";r={max(0, each.left)};t={each.seconds}' for each in standings),
    }


def _policy(policy: "Policy") -> str:
    unit = {"requests": "", "bytes": ';qu="content-bytes"'}.get(policy.unit, f';qu="{policy.unit}"')
    return f'"{policy.name}";q={policy.quota};w={policy.window_seconds}{unit}'


def answer(error: BaseException, request_id: str) -> dict[str, Any]:
    """A complete API Gateway answer, for a handler without a resolver."""
    return {
        "statusCode": int(status_of(error)),
        "headers": {"Content-Type": CONTENT_TYPE, **headers(error)},
        "body": json.dumps(problem(error, request_id), ensure_ascii=False),
    }


def request_id_of(event: Mapping[str, Any]) -> str:
    context = event.get("requestContext")
    found = context.get("requestId") if isinstance(context, Mapping) else None
    return found if isinstance(found, str) and found else "unknown"

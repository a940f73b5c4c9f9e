"""/api/v1/portal/tokens: make, list and invalidate what a customer's browser sees that customer's usage with."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from functions.application.access.create_portal_token import create_portal_token
from functions.application.access.invalidate_portal_tokens import invalidate_portal_tokens
from functions.application.subscriptions.find_customer import find_active_customer, find_customer
from functions.domain.access.portal_token import (
    DEFAULT_SECONDS,
    MAX_ALLOWED_METERS,
    MAX_SECONDS,
    Holder,
    PortalGrant,
    PortalToken,
)
from functions.domain.errors import InvalidInput
from functions.domain.metering.values.event import MAX_SUBJECT_BYTES
from functions.domain.wire import Key, Name, NotEmpty, WireModel
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.query_model import RouteQuery, whole
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import access, base, subscriptions
from functions.names import SCOPE_ADMIN

DEFAULT_LIMIT, MAX_LIMIT = 25, 100

routes = Routes()


def _is_a_subject(text: str) -> str:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_SUBJECT_BYTES:
        raise ValueError(f"has more than {MAX_SUBJECT_BYTES} bytes, which no subject has")
    return text


def _each_once(slugs: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return slugs and tuple(dict.fromkeys(slugs))


Subject = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SUBJECT_BYTES), AfterValidator(_is_a_subject)]
Slugs = Annotated[
    tuple[Key, ...], Field(min_length=1, max_length=MAX_ALLOWED_METERS), NotEmpty, AfterValidator(_each_once)
]
Seconds = Annotated[int, Field(strict=True, ge=1, le=MAX_SECONDS)]


class PortalTokenCreate(WireModel):
    """Either `subject` or `customerId`; every meter where `allowedMeterSlugs` names none; `expiresIn` in seconds."""

    subject: Subject | None = None
    customer_id: Name | None = None
    allowed_meter_slugs: Slugs | None = None
    expires_in: Seconds = DEFAULT_SECONDS


class PortalTokenInvalidation(WireModel):
    """One of them: the id of a token, or all tokens that were made for a subject or for a customer."""

    id: Name | None = None
    subject: Subject | None = None
    customer_id: Name | None = None


class PortalTokenQuery(RouteQuery):
    limit = whole("The most tokens of the answer.", DEFAULT_LIMIT, 1, MAX_LIMIT)


@routes.post("/api/v1/portal/tokens", "Create a portal token", scope=SCOPE_ADMIN, answers="PortalToken")
def create(request: Request, body: PortalTokenCreate) -> Answer:
    _require_one(body, ("subject", "customerId"))
    if body.customer_id is None:
        holder = Holder("subject", body.subject or "")
    else:
        customer = find_active_customer(request.tenant, body.customer_id, customers=subscriptions.customers())
        holder = Holder("customer", customer.record.id)
    made = create_portal_token(
        request.tenant,
        PortalGrant(holder, body.allowed_meter_slugs),
        body.expires_in,
        tokens=access.portal_tokens(),
        seal=access.portal_seal(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.ok(_shown(made.token, is_expired=False) | {"token": made.text})


@routes.get("/api/v1/portal/tokens", "List portal tokens", scope=SCOPE_ADMIN, answers="Each[PortalToken]")
def list_newest(request: Request[PortalTokenQuery]) -> Answer:
    """The newest first. `expired` is true of an invalidated one, too; an expired one is listed for 7 days."""
    now = base.clock().now()
    found = access.portal_tokens().newest(request.tenant, request.query.limit)
    return http.ok([_shown(each.token, each.is_invalidated or each.token.is_expired(now)) for each in found])


@routes.post("/api/v1/portal/tokens/invalidate", "Invalidate portal tokens", scope=SCOPE_ADMIN, status=204)
def invalidate(request: Request, body: PortalTokenInvalidation) -> Answer:
    """By `id`, or all that were made for a `subject` or for a customer (`customerId`). It takes up to 5 seconds."""
    _require_one(body, ("id", "subject", "customerId"))
    which: str | Holder = body.id or Holder("subject", body.subject or "")
    if body.customer_id is not None:
        customer = find_customer(request.tenant, body.customer_id, customers=subscriptions.customers())
        which = Holder("customer", customer.record.id)
    invalidate_portal_tokens(
        request.tenant, which, tokens=access.portal_tokens(), clock=base.clock(), new_id=base.new_ulid
    )
    return http.no_content()


def _require_one(body: WireModel, names: tuple[str, ...]) -> None:
    given = [name for name in names if body.model_dump(by_alias=True)[name] is not None]
    if len(given) != 1:
        said = f"it has {' and '.join(given)}" if given else "it has none of them"
        raise InvalidInput(f"Name exactly one of {', '.join(names)} in the body; {said}.", code="one_holder")


def _shown(token: PortalToken, is_expired: bool) -> dict[str, Any]:
    allowed = token.grant.allowed_meters
    return http.without_none(
        {
            "id": token.id,
            "subject": token.grant.subject,
            "customerId": token.grant.customer_id,
            "allowedMeterSlugs": None if allowed is None else list(allowed),
            "createdAt": token.created_at,
            "expiresAt": token.expires_at,
            "expired": is_expired,
        }
    )

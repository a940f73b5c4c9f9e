"""/api/v1/api-keys: create, list and revoke keys."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import Field

from functions.application.access.create_api_key import create_api_key
from functions.application.access.revoke_api_key import revoke_api_key
from functions.domain.access.api_key import SCOPES, ApiKey
from functions.domain.wire import Instant, Name, WireModel
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.edge.listing import Listed, by_cursor_or_number
from functions.handlers.wiring import access, base
from functions.names import SCOPE_ADMIN

router = Router()  # type: ignore[no-untyped-call]


class ApiKeyCreate(WireModel):
    name: Name
    scopes: Annotated[list[str], Field(min_length=1, max_length=len(SCOPES))]
    expires_at: Instant | None = None
    tenant: str | None = None


@router.post("/api/v1/api-keys")
def create() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    wish = request.body(ApiKeyCreate)
    made = create_api_key(
        request.caller,
        request.tenant if wish.tenant is None else request.caller.acting_for(wish.tenant),
        wish.name,
        wish.scopes,
        wish.expires_at,
        keys=access.api_keys(),
        clock=base.clock(),
        new_id=base.new_ulid,
        new_secret=access.new_secret,
    )
    return http.created({**_shown(made.key), "token": made.token})


@router.get("/api/v1/api-keys")
def list_all() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    return http.ok(by_cursor_or_number(request, Listed(access.api_keys().listing(request.tenant), _shown)))


@router.delete("/api/v1/api-keys/<key_id>")
def revoke(key_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    revoke_api_key(request.caller, request.tenant, http.path_value(key_id), keys=access.api_keys(), clock=base.clock())
    return http.no_content()


def _shown(key: ApiKey) -> dict[str, Any]:
    return http.without_none(
        {
            "id": key.id,
            "name": key.name,
            "scopes": list(key.scopes),
            "tenant": key.tenant,
            "createdAt": key.created_at,
            "expiresAt": key.expires_at,
        }
    )

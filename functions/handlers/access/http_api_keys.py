"""/api/v1/api-keys: create, list and revoke keys."""

from typing import Annotated, Any

from pydantic import Field

from functions.application.access.create_api_key import create_api_key
from functions.application.access.revoke_api_key import revoke_api_key
from functions.domain.access.api_key import SCOPES, ApiKey
from functions.domain.wire import Instant, Name, WireModel
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.listing import Listed, by_cursor_or_number
from functions.handlers.edge.query_model import Paged
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import access, base
from functions.names import SCOPE_ADMIN

routes = Routes()

KeyId = Annotated[str, "The id of an API key: what stands between `tb_` and the secret."]


class ApiKeyCreate(WireModel):
    name: Name
    scopes: Annotated[list[str], Field(min_length=1, max_length=len(SCOPES))]
    expires_at: Instant | None = None
    tenant: str | None = None


@routes.post("/api/v1/api-keys", "Create an API key", scope=SCOPE_ADMIN, answers="CreatedApiKey", status=201)
def create(request: Request, body: ApiKeyCreate) -> Answer:
    made = create_api_key(
        request.caller,
        request.tenant if body.tenant is None else request.caller.acting_for(body.tenant),
        body.name,
        body.scopes,
        body.expires_at,
        keys=access.api_keys(),
        clock=base.clock(),
        new_id=base.new_ulid,
        new_secret=access.new_secret,
    )
    return http.created({**_shown(made.key), "token": made.token})


@routes.get("/api/v1/api-keys", "List API keys", scope=SCOPE_ADMIN, answers="Paged[ApiKey]")
def list_all(request: Request[Paged]) -> Answer:
    return http.ok(by_cursor_or_number(request, Listed(access.api_keys().listing(request.tenant), _shown)))


@routes.delete("/api/v1/api-keys/<key_id>", "Revoke an API key", scope=SCOPE_ADMIN)
def revoke(request: Request, key_id: KeyId) -> Answer:
    revoke_api_key(request.caller, request.tenant, key_id, keys=access.api_keys(), clock=base.clock())
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

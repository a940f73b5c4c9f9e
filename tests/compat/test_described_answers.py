"""Real answers have the fields the OpenAPI document describes, and no other."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.compat.conftest import Compat
from tests.compat.test_models import ANSWERS, METER, created
from tests.handlers.conformity import differences
from tests.handlers.gateway import Client, Response

MORE: list[tuple[str, Callable[[Client], Response]]] = [
    ("meters", lambda api: api.get("/api/v1/meters")),
    ("features", lambda api: api.get("/api/v1/features")),
    ("deleted", lambda api: api.delete("/api/v1/meters/calls")),
    ("created key", lambda api: api.post("/api/v1/api-keys", {"name": "k", "scopes": ["read"]})),
    ("keys", lambda api: api.get("/api/v1/api-keys")),
    ("rejects", lambda api: api.get("/api/v1/rejects")),
    ("failures", lambda api: api.get("/api/v1/billing/failures")),
    ("csv", lambda api: api.get("/api/v1/meters/calls/query", headers={"accept": "text/csv"})),
    ("bad body", lambda api: api.post("/api/v1/meters", {"slug": 1})),
    ("bad parameter", lambda api: api.get("/api/v1/meters", "pagesize=1")),
    ("not found", lambda api: api.get("/api/v1/plans/nothing")),
    ("conflict", lambda api: api.post("/api/v1/meters", METER)),
    ("forbidden", lambda api: api.acting_as("ingest").get("/api/v1/meters")),
    ("document", lambda api: api.get("/api/v1/openapi.json")),
]
ASKED = [(name, ask) for name, _, ask in ANSWERS] + MORE


@pytest.mark.parametrize(("name", "ask"), ASKED, ids=[name for name, _ in ASKED])
def test_an_answer_has_the_fields_it_is_described_with_and_no_other(
    compat: Compat, name: str, ask: Callable[[Client], Response]
) -> None:
    asked: list[tuple[str, str, Response]] = []

    class Noting(Client):
        def call(self, method: str, path: str, body: Any = None, **more: Any) -> Response:
            answer = super().call(method, path, body, **more)
            asked.append((method, path, answer))
            return answer

        def acting_as(self, scopes: str, tenant: str = "default") -> Client:
            return Noting(self.handler, tenant, scopes)

    created(compat.api)
    ask(Noting(compat.api.handler))
    ((method, path, answer),) = asked
    assert differences(method, path, answer.status, answer.content_type, answer.text, strict=True) == []

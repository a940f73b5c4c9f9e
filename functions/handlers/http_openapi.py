"""GET /api/v1/openapi.json: the document as it was committed, for everybody; nothing is made when it is asked for."""

import hashlib
from functools import cache
from pathlib import Path

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.handlers import http
from functions.handlers.http import Answer

router = Router()  # type: ignore[no-untyped-call]

DOCUMENT = Path(__file__).with_name("openapi.json")
# It changes with a deployment, and then an hour is soon enough.
CACHE_CONTROL = "public, max-age=3600"


@router.get("/api/v1/openapi.json")
def get() -> Answer:
    text, tag = _document()
    headers = {"Cache-Control": CACHE_CONTROL, "ETag": tag}
    asked: dict[str, str] = router.current_event.raw_event.get("headers") or {}
    if tag in asked.get("if-none-match", ""):
        return Response(status_code=304, body="", headers=dict(headers))
    return http.text_answer(200, "application/json", text, headers)


@cache
def _document() -> tuple[str, str]:
    text = DOCUMENT.read_text()
    return text, f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'

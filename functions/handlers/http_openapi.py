"""GET /api/v1/openapi.json: the committed document without its indents, packed for a caller that takes gzip."""

import base64
import gzip
import hashlib
import re
from functools import cache
from pathlib import Path

import msgspec
from aws_lambda_powertools.event_handler import Response

from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.routes import Routes

routes = Routes()

DOCUMENT = Path(__file__).with_name("openapi.json")
# It changes with a deployment, and then an hour is soon enough.
CACHE_CONTROL = "public, max-age=3600"


@routes.get(
    "/api/v1/openapi.json",
    "Get this document",
    scope=None,
    answers="Document",
    also={304: "It is still what the `ETag` in `If-None-Match` stands for."},
)
def get(request: Request) -> Answer:
    is_packed, known = takes_gzip(request.header("accept-encoding")), request.header("if-none-match")
    tag = _tag(is_packed=is_packed)
    headers: dict[str, str | list[str]] = {"Cache-Control": CACHE_CONTROL, "ETag": tag, "Vary": "Accept-Encoding"}
    if known.strip() == "*" or tag in known:
        return Response(status_code=304, body="", headers=headers)
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    answer = Response(200, "application/json", _packed() if is_packed else _text(), headers)
    answer.base64_encoded = is_packed
    return answer


def takes_gzip(accepted: str) -> bool:
    """Of an Accept-Encoding: `gzip;q=0` refuses what `*` would take."""
    weights: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = not _NOTHING.fullmatch(weight.replace(" ", ""))
    return weights.get("gzip", weights.get("*", False))


_NOTHING = re.compile(r"q=0(\.0{0,3})?", re.ASCII)


@cache
def _text() -> str:
    """The indents are for people who look at its changes: more than a third of what a flood would be sent."""
    return msgspec.json.format(DOCUMENT.read_bytes(), indent=-1).decode()


@cache
def _packed() -> str:
    """In base64, as a function has to answer with bytes; the gateway undoes it."""
    return base64.b64encode(gzip.compress(_text().encode(), mtime=0)).decode()


@cache
def _tag(*, is_packed: bool) -> str:
    """Another one for the packed form: a strong tag says that every byte is the same."""
    digest = hashlib.sha256(_text().encode()).hexdigest()[:32]
    return f'"{digest}-gzip"' if is_packed else f'"{digest}"'

"""The document as it is committed: one line a field, so that a change of the API is read in a diff."""

import json

from functions.handlers import http_api
from functions.handlers.openapi.document import document


def rendered() -> str:
    return json.dumps(document(http_api.routes()), indent=1, ensure_ascii=False, default=str) + "\n"

"""The document as it is committed: one line a field, so that a change of the API is read in a diff."""

import json

from functions.handlers import http_api
from functions.handlers.edge import http
from functions.handlers.openapi.document import document


def rendered() -> str:
    routes = {key: function for router in http_api.ROUTERS for key, function in http.routes_of(router).items()}
    return json.dumps(document(routes), indent=1, ensure_ascii=False, default=str) + "\n"

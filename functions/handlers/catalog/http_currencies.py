"""GET /api/v1/info/currencies: in which currencies something can be sold."""

from typing import Any

from functions.domain.currencies import KnownCurrency, known_currencies
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.routes import Routes
from functions.names import SCOPE_READ

routes = Routes()


@routes.get("/api/v1/info/currencies", "List currencies", scope=SCOPE_READ, answers="Each[Currency]")
def list_all(_request: Request) -> Answer:
    return http.ok([_shown(each) for each in known_currencies()])


def _shown(currency: KnownCurrency) -> dict[str, Any]:
    return {
        "code": currency.code,
        "name": currency.name,
        "symbol": currency.symbol,
        "subunits": currency.subunits,
        "collectable": currency.is_collectable,
    }

"""What gateways ask: may these customers use these features, as the third version of OpenMeter's API has it."""

from functions.application.entitlements.list_access import list_access
from functions.application.entitlements.query_access import AccessQuestion, query_access
from functions.domain.entitlements.access_question import MAX_ASKED, EntitlementAccessQueryRequest
from functions.handlers.edge import http
from functions.handlers.edge.cursor_meta import cursor_meta, cursor_page
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import CustomerKey
from functions.handlers.edge.query_model import RouteQuery
from functions.handlers.edge.routes import Routes
from functions.handlers.entitlements.access_json import access_shown, customer_access_shown, unanswered_shown
from functions.handlers.wiring import entitlements
from functions.names import SCOPE_READ

routes = Routes()


class AccessQuery(RouteQuery):
    page = cursor_page(MAX_ASKED)


@routes.get(
    "/api/v3/openmeter/customers/<customer>/entitlement-access",
    "List customer entitlement access",
    scope=SCOPE_READ,
    answers="ListCustomerEntitlementAccessResponseData",
)
def list_of_customer(request: Request, customer: CustomerKey) -> Answer:
    """The features that there is an active entitlement to. The same is answered without `/api` in front."""
    found = list_access(request.tenant, customer, ports=entitlements.access_ports())
    return http.ok({"data": [access_shown(key, each) for key, each in found.items()]})


@routes.post(
    "/api/v3/openmeter/entitlement-access/query",
    "Query entitlement access",
    scope=SCOPE_READ,
    costs="question",
    answers="EntitlementAccessQueryResponse",
)
def query(request: Request[AccessQuery], body: EntitlementAccessQueryRequest) -> Answer:
    """Ask this again and again, and keep the answers meanwhile. Send the same body with each link of `meta.page`: an
    answer holds as many customers as it may read balances of, and goes on behind them. Without `feature`, a tenant has
    at most 1,000 features. `include_credits` changes nothing yet, because there are no credits: no reason is
    `no_credit_available`. The same is answered without `/api` in front."""
    page = request.query.page
    asked = AccessQuestion(body.customer.keys, body.feature_keys, page.size, page.after, page.before)
    found = query_access(request.tenant, asked, ports=entitlements.access_ports())
    shown = {
        "data": list(map(customer_access_shown, found.found)),
        "errors": list(map(unanswered_shown, found.unanswered)),
        "meta": cursor_meta(request, page, first=found.first, last=found.last),
    }
    return http.ok(shown)

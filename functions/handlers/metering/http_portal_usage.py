"""/api/v1/portal/meters/{meterSlug}/query: what a meter measured of whoever a portal token is made for."""

from typing import Annotated

from functions.application.subscriptions.find_customer import find_active_customer
from functions.domain.metering.meters.meter_record import CUSTOMER_ID
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.query_model import NotTaken, texts
from functions.handlers.edge.query_string import refused
from functions.handlers.edge.routes import Routes
from functions.handlers.metering.http_usage import answer_usage
from functions.handlers.metering.usage_request import MAX_VALUES, WindowedQuery
from functions.handlers.wiring import subscriptions
from functions.names import SCOPE_PORTAL

routes = Routes()

ShownSlug = Annotated[str, "The slug of a meter that the token shows."]


class PortalUsageQuery(WindowedQuery):
    filter_customer_id = NotTaken("is not taken: the token says whose usage it is; leave it out.")
    group_by = texts(
        "Rows for each value of this: a dimension of the meter, `subject` or, with a token of a customer, "
        f"`customer_id`; repeat it for up to {MAX_VALUES}."
    )


@routes.get(
    "/api/v1/portal/meters/<meter_slug>/query",
    "Query a meter in the portal",
    scope=SCOPE_PORTAL,
    answers="MeterQueryResult",
    is_csv_too=True,
)
def query(request: Request[PortalUsageQuery], meter_slug: ShownSlug) -> Answer:
    """Takes a portal token in place of an API key, and shows usage of its subject or its customer alone."""
    holder, asked = request.portal, request.query
    holder.require_meter(meter_slug)
    whose = {"subject": [holder.subject]}
    if holder.customer_id is not None:
        find_active_customer(request.tenant, holder.customer_id, customers=subscriptions.customers())
        whose = {"filterCustomerId": [holder.customer_id]}
    elif CUSTOMER_ID in asked.group_by:
        raise refused("groupBy", "is customer_id, which is for tokens of a customer.")
    return answer_usage(request, meter_slug, asked.request(groupBy=asked.group_by, **whose))

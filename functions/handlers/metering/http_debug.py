"""GET /api/v1/debug/metrics: how many events came in today, for whoever scrapes it."""

from functions.application.metering.usage.count_todays_events import count_todays_events
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.routes import Routes
from functions.handlers.metering.open_metrics import events_text
from functions.handlers.wiring import base, metering
from functions.names import SCOPE_READ

routes = Routes()


@routes.get(
    "/api/v1/debug/metrics",
    "Get debug metrics",
    scope=SCOPE_READ,
    answers="str",
    is_text=True,
    costs="question",
)
def get(request: Request) -> Answer:
    """The counter `openmeter_events_total` in OpenMetrics, with a series for each type of events that has a COUNT meter
    without a filter: its events of today in UTC, each once, without voided ones. Other types are not in it.
    `openmeter_events_created` is midnight, or when the meter began if that is later.
    """
    counted = count_todays_events(
        request.tenant, meters=metering.meters(), reader=metering.usage_reader(), clock=base.clock()
    )
    return http.text_answer(200, "text/plain; charset=utf-8", events_text(counted))

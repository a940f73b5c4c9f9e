"""The route that rates a plan for past usage."""

from typing import Annotated

from pydantic import Field, StringConstraints

from functions.application.billing.backtest_plan import MAX_CUSTOMERS, MAX_PERIODS, BacktestScope, backtest_plan
from functions.domain.billing.simulation import LinePeriod
from functions.domain.wire import WireModel
from functions.handlers.billing.backtest_json import backtest_shown
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import PlanKey
from functions.handlers.edge.routes import Routes
from functions.handlers.subscriptions.subscription_body import PhaseKey
from functions.handlers.wiring import billing
from functions.names import SCOPE_READ

routes = Routes()


IdOrKey = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class BacktestCreate(WireModel):
    """Customers by id or key, each with the periods that are rated."""

    customers: Annotated[tuple[IdOrKey, ...], Field(min_length=1, max_length=MAX_CUSTOMERS)]
    periods: Annotated[tuple[LinePeriod, ...], Field(min_length=1, max_length=MAX_PERIODS)]
    starting_phase: PhaseKey | None = None

    @property
    def scope(self) -> BacktestScope:
        return BacktestScope(self.customers, tuple(each.period for each in self.periods), self.starting_phase)


@routes.post(
    "/api/v1/plans/<plan_id>/backtest",
    "Rate past usage by a plan",
    scope=SCOPE_READ,
    answers="Backtest",
    costs="question",
)
def backtest(request: Request, plan_id: PlanKey, body: BacktestCreate) -> Answer:
    scope = body.scope
    return http.ok(backtest_shown(backtest_plan(request.tenant, plan_id, scope, ports=billing.backtest_ports())))

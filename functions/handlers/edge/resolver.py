"""The Lambda handler over declared routes: who may ask, what it costs, which parameters there are."""

import re
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from functions.domain.errors import InvalidInput, NotFound
from functions.handlers import log
from functions.handlers.edge import json_body, problem
from functions.handlers.edge.caller import caller_of, has_caller
from functions.handlers.edge.http import Answer, sent_path
from functions.handlers.edge.problem_v3 import invalid_parameters
from functions.handlers.edge.query_model import check_parameters
from functions.handlers.edge.routes import Route, Routes
from functions.handlers.wiring import access

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class _Router(APIGatewayHttpResolver):
    """A parameter of a path is all of a segment: of what is no letter the library itself takes only some."""

    @staticmethod
    def _compile_regex(rule: str, _base_regex: str = "") -> re.Pattern[str]:
        return re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", re.escape(rule)) + r"\Z")


def resolver(modules: Iterable[Routes]) -> Handler:
    """The handler answers every request, also after any error."""
    app = _Router(serializer=json_body.encode)
    routes = {route.key: route for module in modules for route in module.declared}

    def route_of(app: APIGatewayHttpResolver) -> Route | None:
        """None where there is no such route."""
        found = app.context["_route"]
        return routes.get(f"{found.method} {found.path}")

    def require_caller(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Answer:
        """Who has no key learns nothing, not even which paths there are."""
        route = route_of(app)
        if route is None or route.scope is not None:
            caller_of(app.current_event.raw_event)
        return next_middleware(app)

    def refuse_what_is_not_read(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Answer:
        route, event = route_of(app), app.current_event
        if route is not None:
            check_parameters(str(event.raw_event.get("rawQueryString") or ""), route.parameters)
            if event.http_method == "GET" and str(event.raw_event.get("body") or "").strip():
                raise InvalidInput("A GET has no body: what it says would be ignored. Ask in the query string.")
            if route.body_model is None:
                json_body.refuse_unread(event.raw_event)
        return next_middleware(app)

    def limit_rate(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Answer:
        event, route = app.current_event.raw_event, route_of(app)
        if not has_caller(event):  # one of the open routes, which the gateway throttles
            return next_middleware(app)
        caller, began = caller_of(event), time.perf_counter()
        standings = access.charges().call(caller, is_question=route is not None and route.costs == "question")
        try:
            answer = next_middleware(app)
        finally:
            access.charges().time(caller, time.perf_counter() - began)
        answer.headers.update(problem.rate_headers(standings))
        return answer

    def answer(error: BaseException) -> Answer:
        event = app.current_event.raw_event
        request_id = problem.request_id_of(event)
        shown = problem.problem(error, request_id) | invalid_parameters(error, str(event.get("rawPath") or ""))
        if problem.status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.unexpected(error, request_id=request_id)
        return Response(
            status_code=int(problem.status_of(error)),
            content_type=problem.CONTENT_TYPE,
            body=json_body.encode(shown),
            headers=problem.headers(error),
        )

    def answered(route: Route) -> Callable[..., Answer]:
        return lambda **path: route.answer(app.current_event.raw_event, path)

    app.use([require_caller, limit_rate, refuse_what_is_not_read])
    for route in routes.values():
        app.route(route.path, method=route.method)(answered(route))

    @app.not_found
    def unknown_route(_error: NotFoundError) -> Answer:
        from functions.handlers.edge.not_served import refusal

        event = app.current_event
        known = refusal(event.http_method, event.path)
        return answer(known or NotFound(f"There is no {event.http_method} {sent_path(event.raw_event)[:200]}."))

    app.exception_handler(Exception)(answer)

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        try:
            return app.resolve(event, context)
        except Exception as error:
            # Before a route was found, for example by a payload that is not from API Gateway.
            request_id = problem.request_id_of(event)
            log.unexpected(error, request_id=request_id)
            return problem.answer(error, request_id)

    return handler

"""What every HTTP router shares: the resolver, the request as routes see it, and answers in the API's own form.

A route reads its request, calls one verb and answers:

    @router.post("/api/v1/things")
    def create() -> Answer:
        request = http.Request(router.current_event, SCOPE_ADMIN)
        thing = create_thing(request.tenant, request.body(ThingCreate), catalog.things(), base.clock())
        return http.created(present(thing))
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlencode

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from pydantic import BaseModel, ValidationError

from functions.domain.access.api_key import Caller
from functions.domain.errors import FieldError, InvalidInput, NotFound, TooLarge
from functions.handlers import log
from functions.handlers.edge import json_body, problem, rate_limits
from functions.handlers.edge.caller import caller_of, has_caller
from functions.handlers.edge.field_errors import WHOLE, field_errors
from functions.handlers.edge.parameters import EVERYWHERE, PARAMETERS, check_parameters, taken_by
from functions.handlers.edge.query_string import Query
from functions.handlers.edge.read_only import Shown, without_read_only
from functions.handlers.wiring import access
from functions.names import HEALTH_PATH

Answer = Response[str]
Model = TypeVar("Model", bound=BaseModel)

# What the gateway lets in without a key; every other route answers 401 to who has none.
OPEN = ("GET /api/v1/openapi.json", f"GET {HEALTH_PATH}")

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}", re.ASCII)
MAX_ANSWER_BYTES = 4_000_000  # Lambda ends at 6 MB, and every quote in the text is escaped once more
MAX_NAMED_FIELDS = 5  # in the sentence; the list has all


class Request:
    """One request of a caller who has the scope; raises Forbidden otherwise."""

    def __init__(self, event: Any, scope: str) -> None:
        self._event: Mapping[str, Any] = event.raw_event
        self.caller: Caller = caller_of(self._event)
        self.caller.require(scope)
        self.tenant: str = self.caller.acting_for(self.query.text("tenant"))

    def charge_correction(self) -> None:
        """Raises RateLimited."""
        access.charges().correction(self.caller)

    def charge_question(self) -> None:
        """For what makes a cheap route expensive; raises RateLimited."""
        access.charges().question(self.caller)

    @cached_property
    def query(self) -> Query:
        return Query(str(self._event.get("rawQueryString") or ""))

    def header(self, name: str) -> str:
        return str((self._event.get("headers") or {}).get(name) or "")

    @property
    def path(self) -> str:
        return str(self._event.get("rawPath") or "")

    @property
    def wants_csv(self) -> bool:
        return "text/csv" in self.header("accept").lower()

    @property
    def has_body(self) -> bool:
        return bool(json_body.body_bytes(self._event).strip())

    def body(self, model: type[Model]) -> Model:
        """The JSON body as the model; raises InvalidInput naming each field that is wrong."""
        return validated(model, self._json(model))

    def replacement(self, model: type[Model], record: type[BaseModel], shown: Shown) -> Model:
        """Of a PUT, which also takes what `record` and its answer show; raises InvalidInput where that differs."""
        return validated(model, without_read_only(self._json(model), model, record, shown))

    def _json(self, model: type[Model]) -> Any:
        json_body.check_media_type(self._event)
        raw = json_body.body_bytes(self._event)
        if not raw.strip():
            raise InvalidInput(f"The body is empty; send a JSON object{_with_required(model)}.")
        return json_body.parse(raw)


def validated(model: type[Model], value: Any, what: str = "body") -> Model:
    try:
        # A field has one name on the wire: of two, one would be ignored.
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        fields = field_errors(error.errors(include_url=False, include_input=False), value)
        named = "; ".join(_sentence(field) for field in fields[:MAX_NAMED_FIELDS])
        more = f"; and {len(fields) - MAX_NAMED_FIELDS} more" if len(fields) > MAX_NAMED_FIELDS else ""
        raise InvalidInput(f"The {what} is not valid: {named}{more}.", fields=fields) from error


def _with_required(model: type[BaseModel]) -> str:
    needed = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    return f" with at least {', '.join(needed)}" if needed else ""


def _sentence(field: FieldError) -> str:
    return field.message if field.field == WHOLE else f"{field.field} {field.message}"


def path_value(text: str) -> str:
    """A path parameter as the client meant it: an emulator or proxy may hand it on still percent-encoded."""
    return unquote(text)


def is_ulid(text: str) -> bool:
    return bool(ULID.fullmatch(text))


def ok(body: Any) -> Answer:
    return _json(200, body)


def created(body: Any) -> Answer:
    return _json(201, body)


def accepted(body: Any, location: str | None = None) -> Answer:
    """`location` is the path that says how far it is."""
    return _json(202, body, {"Location": location} if location else {})


def no_content() -> Answer:
    # An empty text, not nothing: gateways differ in what they make of a missing body.
    return Response(status_code=204, body="")


def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return text_answer(status, "application/json", json_body.encode(body), headers)


def text_answer(status: int, content_type: str, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Raises TooLarge beyond what a function may answer, naming the remedy instead of failing at the gateway."""
    if len(text.encode()) > MAX_ANSWER_BYTES:
        remedy = "choose a shorter range, fewer groups or a smaller page"
        raise TooLarge(f"The answer has more than {MAX_ANSWER_BYTES} bytes; {remedy}.")
    return Response(status_code=status, content_type=content_type, body=text, headers=dict(headers or {}))


def next_link(path: str, query: Query, **where: str) -> dict[str, str]:
    """The header that leads to the next page: the same question, from there on."""
    parameters = [(name, value) for name, value in query.pairs if name not in where]
    following = urlencode([*parameters, *where.items()], quote_via=quote)
    return {"Link": f'<{path}?{following}>; rel="next"'}


def without_none(body: Mapping[str, Any]) -> dict[str, Any]:
    """Optional fields of the API are absent rather than null."""
    return {name: value for name, value in body.items() if value is not None}


def routes_of(router: Router) -> dict[str, Callable[..., Answer]]:
    """What a router answers, such as `GET /api/v1/meters/<id_or_slug>`, and the function that does."""
    return {
        f"{method} {rule}": function
        for (rule, methods, *_), function in router._routes.items()
        for method in ((methods,) if isinstance(methods, str) else methods)
    }


def _route_of(app: APIGatewayHttpResolver) -> str:
    route = app.context["_route"]
    return f"{route.method} {route.path}"


def resolver(
    routers: Sequence[Router], parameters: Mapping[str, Sequence[str]] = PARAMETERS
) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """The Lambda handler over these routers; whatever happens, it answers."""
    routes = [route for router in routers for route in routes_of(router)]
    known = {route: taken_by((*parameters.get(route, ()), *(() if route in OPEN else EVERYWHERE))) for route in routes}

    def require_caller(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Answer:
        """Who has no key learns nothing, not even which paths there are."""
        if _route_of(app) not in OPEN:
            caller_of(app.current_event.raw_event)
        return next_middleware(app)

    def refuse_what_is_not_read(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Answer:
        taken = known.get(_route_of(app))
        if taken is not None:  # otherwise there is no such route
            check_parameters(str(app.current_event.raw_event.get("rawQueryString") or ""), taken)
            if app.current_event.http_method == "GET" and str(app.current_event.raw_event.get("body") or "").strip():
                raise InvalidInput("A GET has no body: what it says would be ignored. Ask in the query string.")
        return next_middleware(app)

    def limit_rate(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Answer:
        event = app.current_event.raw_event
        if not has_caller(event):  # one of the open routes, which the gateway throttles
            return next_middleware(app)
        caller, began = caller_of(event), time.perf_counter()
        standings = rate_limits.charge_call(caller, _route_of(app))
        try:
            answer = next_middleware(app)
        finally:
            access.charges().time(caller, time.perf_counter() - began)
        answer.headers.update(problem.rate_headers(standings))
        return answer

    app = APIGatewayHttpResolver(serializer=json_body.encode)
    app.use([require_caller, limit_rate, refuse_what_is_not_read])
    for router in routers:
        app.include_router(router)

    def answer(error: BaseException) -> Answer:
        request_id = problem.request_id_of(app.current_event.raw_event)
        if problem.status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.unexpected(error, request_id=request_id)
        return Response(
            status_code=int(problem.status_of(error)),
            content_type=problem.CONTENT_TYPE,
            body=json_body.encode(problem.problem(error, request_id)),
            headers=problem.headers(error),
        )

    @app.not_found
    def unknown_route(_error: NotFoundError) -> Answer:
        event = app.current_event
        return answer(NotFound(f"There is no {event.http_method} {event.path[:200]}."))

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

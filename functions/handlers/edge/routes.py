"""Declares a route once; the router, the checks of scope and parameters, and the OpenAPI document read it here.

    routes = Routes()

    @routes.get("/api/v1/features/<id_or_key>", "Get a feature", scope=SCOPE_READ, answers="Feature")
    def get_feature(request: Request, id_or_key: FeatureKey) -> Answer:
        return http.ok(find_feature(request.tenant, id_or_key, features=catalog.features()))

What the function takes says the rest. `Request[FeatureQuery]` names its query parameters; a parameter that is not in
the path is the body: `body: FeatureCreate`, `FeatureCreate | None` where it may be left out, `Replacement[PlanUpdate]`
for a PUT. The sentence about a path parameter is an annotation: `FeatureKey = Annotated[str, "The id of a feature."]`.
`answers` is text, so that no function imports a model that only the document needs: see `openapi.answers`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import UnionType
from typing import Any, Required, TypedDict, TypeVar, Unpack, get_args, get_origin
from urllib.parse import unquote

from functions.handlers.edge.http import Answer, Replacement, Request
from functions.handlers.edge.query_model import Parameter, RouteQuery

Function = TypeVar("Function", bound=Callable[..., Answer])
_IN_PATH = re.compile(r"<(\w+)>")


class Declared(TypedDict, total=False):
    """As the fields of Route."""

    scope: Required[str | None]
    answers: str
    status: int
    fails: Sequence[int]
    is_question: bool
    is_csv_too: bool


@dataclass(frozen=True)
class Route:
    """`status` is that of success, `fails` has statuses beyond those that every route may answer.

    Without a `scope` it answers whoever asks. `is_question` charges its caller for an expensive question.
    """

    method: str
    path: str
    summary: str
    function: Callable[..., Answer]
    scope: str | None
    answers: str = ""
    status: int = 200
    fails: Sequence[int] = ()
    is_question: bool = False
    is_csv_too: bool = False

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"

    @cached_property
    def in_path(self) -> Mapping[str, str]:
        """What each parameter of the path is."""
        annotations = self.function.__annotations__
        return {name: " ".join(get_args(annotations[name])[1:]) for name in _IN_PATH.findall(self.path)}

    @cached_property
    def query(self) -> type[RouteQuery]:
        asked = self.function.__annotations__.get("request")
        return next(iter(get_args(asked)), RouteQuery)

    @property
    def parameters(self) -> Mapping[str, Parameter[Any]]:
        return {} if self.scope is None else self.query.DECLARED

    @cached_property
    def body(self) -> tuple[str, Any] | None:
        """Its name in the function, and its annotation."""
        others = {"request", "return", *self.in_path}
        return next((each for each in self.function.__annotations__.items() if each[0] not in others), None)

    def answer(self, event: Mapping[str, Any], path: Mapping[str, str]) -> Answer:
        """Raises whatever the request is refused with."""
        request = Request(event, self.scope, self.query)
        # A gateway may hand a path parameter on still percent-encoded.
        return self.function(request, **self._body(request), **{name: unquote(text) for name, text in path.items()})

    def _body(self, request: Request[Any]) -> dict[str, Any]:
        if self.body is None:
            return {}
        name, model = self.body
        if get_origin(model) is Replacement:
            return {name: Replacement(request, get_args(model)[0])}
        if isinstance(model, UnionType):
            return {name: request.body(get_args(model)[0]) if request.has_body else None}
        return {name: request.body(model)}


class Routes:
    """The routes of one module, in the order in which they are tried."""

    def __init__(self) -> None:
        self.declared: list[Route] = []

    def get(self, path: str, summary: str, **more: Unpack[Declared]) -> Callable[[Function], Function]:
        return self._declare("GET", path, summary, more)

    def post(self, path: str, summary: str, **more: Unpack[Declared]) -> Callable[[Function], Function]:
        return self._declare("POST", path, summary, more)

    def put(self, path: str, summary: str, **more: Unpack[Declared]) -> Callable[[Function], Function]:
        return self._declare("PUT", path, summary, more)

    def patch(self, path: str, summary: str, **more: Unpack[Declared]) -> Callable[[Function], Function]:
        return self._declare("PATCH", path, summary, more)

    def delete(self, path: str, summary: str, **more: Unpack[Declared]) -> Callable[[Function], Function]:
        return self._declare("DELETE", path, summary, Declared(**{"status": 204, **more}))

    def _declare(self, method: str, path: str, summary: str, more: Declared) -> Callable[[Function], Function]:
        def declare(function: Function) -> Function:
            self.declared.append(Route(method, path, summary, function, **more))
            return function

        return declare

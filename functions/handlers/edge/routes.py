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
from dataclasses import dataclass, field
from functools import cached_property
from types import UnionType
from typing import Any, Literal, Required, TypedDict, TypeVar, Unpack, get_args, get_origin
from urllib.parse import unquote

from pydantic import BaseModel

from functions.handlers.edge.http import Answer, Replacement, Request
from functions.handlers.edge.query_model import Parameter, RouteQuery

Function = TypeVar("Function", bound=Callable[..., Answer])
Costs = Literal["call", "question", "correction"]
_IN_PATH = re.compile(r"<(\w+)>")


class Declared(TypedDict, total=False):
    """As the fields of Route."""

    scope: Required[str | None]
    answers: str
    status: int
    fails: Sequence[int]
    also: Mapping[int, str]
    costs: Costs
    is_csv_too: bool
    is_text: bool


@dataclass(frozen=True)
class Route:
    """`status` is that of success, `fails` has statuses beyond those that every route may answer.

    `also` has the statuses of answers without content, and what each means.
    Without a `scope` it answers every caller. What it `costs` beyond a call is charged before its body is looked at.
    `is_text` says that it answers with a text that is no JSON.
    """

    method: str
    path: str
    summary: str
    function: Callable[..., Answer]
    scope: str | None
    answers: str = ""
    status: int = 200
    fails: Sequence[int] = ()
    also: Mapping[int, str] = field(default_factory=dict)
    costs: Costs = "call"
    is_csv_too: bool = False
    is_text: bool = False

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
    def _body(self) -> tuple[str, Any]:
        """Its name in the function, and its annotation; an empty name where there is none."""
        others = {"request", "_request", "return", *self.in_path}
        return next((each for each in self.function.__annotations__.items() if each[0] not in others), ("", None))

    @property
    def body_model(self) -> type[BaseModel] | None:
        annotation = self._body[1]
        found: type[BaseModel] | None = next(iter(get_args(annotation)), annotation)
        return found

    @property
    def is_replacement(self) -> bool:
        return get_origin(self._body[1]) is Replacement

    @property
    def may_lack_body(self) -> bool:
        return isinstance(self._body[1], UnionType)

    def answer(self, event: Mapping[str, Any], path: Mapping[str, str]) -> Answer:
        """Raises the error that the request is refused with."""
        request = Request(event, self.scope, self.query)
        if self.costs == "correction":
            request.charge_correction()
        # A gateway may hand a path parameter on still percent-encoded.
        return self.function(request, **self._given(request), **{name: unquote(text) for name, text in path.items()})

    def _given(self, request: Request[Any]) -> dict[str, Any]:
        name, model = self._body[0], self.body_model
        if model is None:
            return {}
        if self.is_replacement:
            return {name: Replacement(request, model)}
        if self.may_lack_body and not request.has_body:
            return {name: None}
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

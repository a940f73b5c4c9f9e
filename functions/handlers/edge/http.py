"""The request as routes see it, and answers in the API's own form.

A route reads its request, calls one verb and answers; how it is declared is in `routes`.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic
from urllib.parse import quote, urlencode

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, RootModel, ValidationError
from typing_extensions import TypeVar

from functions.domain.access.api_key import Caller
from functions.domain.errors import FieldError, InvalidInput, TooLarge
from functions.handlers.edge import answer_size, json_body
from functions.handlers.edge.answer_size import carried_bytes
from functions.handlers.edge.caller import caller_of
from functions.handlers.edge.field_errors import WHOLE, field_errors
from functions.handlers.edge.query_model import RouteQuery
from functions.handlers.edge.query_string import Query
from functions.handlers.edge.read_only import Shown, without_read_only
from functions.handlers.wiring import access

if TYPE_CHECKING:
    from functions.domain.access.portal_token import PortalGrant

Answer = Response[str]
Model = TypeVar("Model", bound=BaseModel)
Asked = TypeVar("Asked", bound=RouteQuery, default=RouteQuery, covariant=True)

MAX_NAMED_FIELDS = 5  # in the sentence; the list has all


class Request(Generic[Asked]):
    """One request of a caller who has the scope; raises Forbidden otherwise. Without a scope it is anybody's.

    `query` are the parameters that the route declares.
    """

    def __init__(self, event: Mapping[str, Any], scope: str | None, query: type[Asked]) -> None:
        self._event = event
        self._query = query
        if scope is not None:
            self.caller: Caller = caller_of(event)
            self.caller.require(scope)
            self.tenant: str = self.caller.acting_for(self.query.tenant)

    @property
    def portal(self) -> "PortalGrant":
        """Whose usage a route of the portal shows."""
        assert self.caller.portal is not None
        return self.caller.portal

    def charge_correction(self) -> None:
        """Raises RateLimited."""
        access.charges().correction(self.caller)

    def charge_question(self) -> None:
        """For what makes a cheap route expensive; raises RateLimited."""
        access.charges().question(self.caller)

    @cached_property
    def query(self) -> Asked:
        return self._query(str(self._event.get("rawQueryString") or ""))

    def header(self, name: str) -> str:
        return str((self._event.get("headers") or {}).get(name) or "")

    @property
    def path(self) -> str:
        return str(self._event.get("rawPath") or "")

    @property
    def sent_path(self) -> str:
        return sent_path(self._event)

    @property
    def wants_csv(self) -> bool:
        return "text/csv" in self.header("accept").lower()

    @property
    def has_body(self) -> bool:
        return bool(json_body.body_bytes(self._event).strip())

    def body(self, model: type[Model]) -> Model:
        """The JSON body as the model; raises InvalidInput naming each field that is wrong."""
        return validated(model, self.json(model))

    def json(self, model: type[Model]) -> Any:
        json_body.check_media_type(self._event)
        raw = json_body.body_bytes(self._event)
        if not raw.strip():
            raise InvalidInput(f"The body is empty; send a JSON {_what_is_asked(model)}.")
        json_body.check_encoding(self._event, raw)
        return json_body.parse(raw)


class Replacement(Generic[Model]):
    """The body of a PUT, which may also be the whole answer of the GET with changes in it."""

    def __init__(self, request: Request[Any], model: type[Model]) -> None:
        self._request, self._model = request, model

    def over(self, record: type[BaseModel], shown: Shown) -> Model:
        """Takes what `record` and its answer show, too; raises InvalidInput where that differs from what is stored."""
        value = without_read_only(self._request.json(self._model), self._model, record, shown)
        return validated(self._model, value)


def validated(model: type[Model], value: Any, what: str = "body") -> Model:
    try:
        # A field has one name on the wire: of two, one would be ignored.
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        fields = field_errors(error.errors(include_url=False, include_input=False), value)
        named = "; ".join(_sentence(field) for field in fields[:MAX_NAMED_FIELDS])
        more = f"; and {len(fields) - MAX_NAMED_FIELDS} more" if len(fields) > MAX_NAMED_FIELDS else ""
        raise InvalidInput(f"The {what} is not valid: {named}{more}.", fields=fields) from error


def _what_is_asked(model: type[BaseModel]) -> str:
    if issubclass(model, RootModel):
        return "array"
    needed = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    return f"object with at least {', '.join(needed)}" if needed else "object"


def _sentence(field: FieldError) -> str:
    return field.message if field.field == WHOLE else f"{field.field} {field.message}"


def sent_path(event: Mapping[str, Any]) -> str:
    """As the caller wrote it, where `http_api` takes it for another one."""
    context = event.get("requestContext") or {}
    return str((context.get("http") or {}).get("path") or event.get("rawPath") or "")


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
    if carried_bytes(text) > answer_size.MAX_ANSWER_BYTES:
        remedy = "choose a shorter range, fewer groups or a smaller page"
        raise TooLarge(f"The answer has more than {answer_size.MAX_ANSWER_BYTES} bytes as it is carried; {remedy}.")
    return Response(status_code=status, content_type=content_type, body=text, headers=dict(headers or {}))


def next_link(path: str, query: Query, **where: str) -> dict[str, str]:
    """The header that leads to the next page: the same question, from there on."""
    parameters = [(name, value) for name, value in query.pairs if name not in where]
    following = urlencode([*parameters, *where.items()], quote_via=quote)
    return {"Link": f'<{path}?{following}>; rel="next"'}


def without_none(body: Mapping[str, Any]) -> dict[str, Any]:
    """Optional fields of the API are absent rather than null."""
    return {name: value for name, value in body.items() if value is not None}

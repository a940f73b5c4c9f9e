"""The query parameters of a route, declared once: how each is sent, read and described.

    class FeatureQuery(Sorted, Paged):
        meter_slug = texts("Only features of the meter with this slug.")
        include_archived = flag("List archived ones too.")

A route whose request is a `Request[FeatureQuery]` takes these parameters and no others, and reads
`request.query.meter_slug`. A parameter that OpenMeter documents and that changes nothing here is taken all the same
(`unused`). What narrows a question is never ignored: a misspelt parameter, one given twice, an empty one or one with
brackets it does not have is refused.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar, overload

from pydantic import BaseModel

from functions.domain.errors import FieldError, InvalidInput
from functions.handlers.edge.query_string import (
    DEFAULT_PAGE_SIZE,
    MAX_PAGE,
    MAX_PAGE_SIZE,
    Given,
    Page,
    Query,
    is_index,
    refused,
)

Value = TypeVar("Value")
Schema = Mapping[str, Any]

UNKNOWN, INVALID = "unknown_parameter", "invalid_parameter"
SEPARATED = "is to be separated by &"
MAX_NAMED = 3  # in the sentence; the list has all
MAX_SHOWN = 80

ANY = "several values mean any of them, none means all"
NEXT = "`nextCursor` of the answer before, to the same question; empty or none for the first page."
WITHOUT_EFFECT = "Accepted because OpenMeter documents it; it has no effect here."
TEXT: Schema = {"type": "string"}
INSTANT: Schema = {"type": "string", "format": "date-time"}


class Kind(Enum):
    ONE = "name=value, once"
    LIST = "name=a&name=b"
    COMMAS = "name=a&name=b or name=a,b"
    MAPPING = "name[key]=value"

    def spelled(self, name: str) -> str:
        return self.value.replace("name", name)


class Parameter(Generic[Value]):
    """Its name on the wire is that of the attribute in camel case, a trailing underscore aside.

    `says` is what it means, in a sentence; `schema` its JSON Schema; `read` takes it out of a query, and raises
    InvalidInput for a value it does not take. `is_json` says that its text is JSON, `model` of which model.
    """

    def __init__(
        self,
        says: str,
        read: Callable[[Query, str], Value],
        schema: Schema = TEXT,
        kind: Kind = Kind.ONE,
        *,
        may_be_empty: bool = False,
        is_json: bool = False,
        model: type[BaseModel] | None = None,
    ) -> None:
        self.name, self.says, self.schema, self.kind = "", says, schema, kind
        self.may_be_empty, self.is_json, self.model, self._read = may_be_empty, is_json, model, read

    def __set_name__(self, owner: type, attribute: str) -> None:
        first, *others = attribute.rstrip("_").split("_")
        self.name = first + "".join(word.title() for word in others)

    @overload
    def __get__(self, instance: None, owner: type) -> "Parameter[Value]": ...

    @overload
    def __get__(self, instance: Query, owner: type) -> Value: ...

    def __get__(self, instance: Query | None, owner: type) -> "Parameter[Value] | Value":
        return self if instance is None else self._read(instance, self.name)

    def problem(self, sent: Sequence[Given]) -> str | None:
        """What is wrong with how it was sent, continuing its name; a part that would be ignored is wrong."""
        if not all(self._is_spelled(each) for each in sent):
            return f"is written {self.kind.spelled(self.name)}."
        if len([each for each in sent if not each.keys]) > 1 and self.kind in (Kind.ONE, Kind.MAPPING):
            return "is given more than once and takes one value."
        if not self.may_be_empty and any(self._is_empty(each) for each in sent):
            return "is empty; give it a value or leave it out."
        return None

    def _is_spelled(self, each: Given) -> bool:
        match self.kind:
            case Kind.ONE:
                return not each.keys
            case Kind.MAPPING:
                is_list = len(each.keys) == 2 and is_index(each.keys[1])
                return not each.keys or (bool(each.keys[0]) and (len(each.keys) == 1 or is_list))
        return each.is_of_list

    def _is_empty(self, each: Given) -> bool:
        """The empty text is a value of a dimension like any other."""
        if self.kind is Kind.COMMAS:
            return "" in each.value.split(",")
        return not each.value and not (self.kind is Kind.MAPPING and each.keys)


class NotTaken(Parameter[None]):
    """One that OpenMeter documents and that would have to be ignored here; `why` continues its name."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Refused, although OpenMeter documents it: it {why}", lambda _query, _name: None)
        self._why = why

    def problem(self, _sent: Sequence[Given]) -> str:
        return self._why


def named(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def text(says: str) -> Parameter[str | None]:
    return Parameter(says, Query.text)


def text_or_empty(says: str) -> Parameter[str | None]:
    """None only where it was not sent."""
    return Parameter(says, Query.text_or_empty, may_be_empty=True)


def place(
    says: str = "`nextCursor` of the answer before, to the same question; empty or none for the first page.",
) -> Parameter[str | None]:
    """Where a list goes on; an empty one is as none."""
    return Parameter(says, Query.text, may_be_empty=True)


def texts(says: str, most: int | None = None, among: Iterable[str] | None = None) -> Parameter[tuple[str, ...]]:
    """Every value of `name=a&name=b`, each once."""
    allowed = None if among is None else tuple(among)

    def read(query: Query, name: str) -> tuple[str, ...]:
        found = query.texts(name, most)
        if allowed is not None and set(found) - set(allowed):
            raise refused(name, f"is one of {', '.join(allowed)}.")
        return found

    items = TEXT if allowed is None else {**TEXT, "enum": list(allowed)}
    return Parameter(says, read, {"type": "array", "items": items}, Kind.LIST)


def comma_texts(says: str, most: int | None = None) -> Parameter[tuple[str, ...]]:
    """As `texts`, and several may be in one text, separated by commas: SDKs differ."""
    schema = {"type": "array", "items": TEXT}
    return Parameter(says, lambda query, name: query.texts(name, most, commas=True), schema, Kind.COMMAS)


def flag(says: str) -> Parameter[bool]:
    return Parameter(says, Query.flag, {"type": "boolean", "default": False})


def instant(says: str) -> Parameter[datetime | None]:
    return Parameter(says, Query.instant, INSTANT)


def whole(says: str, default: int, least: int, most: int) -> Parameter[int]:
    schema = {"type": "integer", "default": default, "minimum": least, "maximum": most}
    bounds = f"{least} to {most}; {default} unless given."
    return Parameter(f"{says} {bounds}", lambda query, name: query.whole(name, default, least, most), schema)


def choice(says: str, allowed: Iterable[str], default: str) -> Parameter[str]:
    among = tuple(allowed)
    schema = {"type": "string", "enum": list(among), "default": default}
    told = f"{says} `{default}` unless given."
    return Parameter(told, lambda query, name: query.choice(name, among, default), schema)


def sorted_by(names: Iterable[str], default: str, says: str = "What the list is sorted by.") -> Parameter[str]:
    return choice(says, names, default)


def mapping(says: str) -> Parameter[dict[str, tuple[str, ...]]]:
    schema = {"type": "object", "additionalProperties": TEXT}
    return Parameter(says, Query.mapping, schema, Kind.MAPPING)


def json_value(says: str) -> Parameter[Any]:
    """The value of a text that is JSON."""
    return Parameter(says, Query.json, {"type": "object"}, is_json=True)


def json_text(says: str, model: type[BaseModel]) -> Parameter[str | None]:
    """A text that is the JSON of this model; the route parses it."""
    return Parameter(says, Query.text, {"type": "object"}, is_json=True, model=model)


def unused(kind: Kind = Kind.ONE) -> Parameter[None]:
    return Parameter(WITHOUT_EFFECT, lambda _query, _name: None, TEXT, kind)


class RouteQuery(Query):
    """Of a route that asks for a key; routes with parameters of their own declare them in a subclass."""

    DECLARED: ClassVar[Mapping[str, Parameter[Any]]]

    def __init_subclass__(cls) -> None:
        attributes = {name: found for base in reversed(cls.__mro__) for name, found in vars(base).items()}
        found = [each for each in attributes.values() if isinstance(each, Parameter)]
        cls.DECLARED = {each.name: each for each in (*(each for each in found if each.name != "tenant"), *found)}

    tenant = text("Act for this tenant; the key's own unless given. Another one only with the scope `operator`.")


RouteQuery.DECLARED = {"tenant": RouteQuery.tenant}


class Numbered(RouteQuery):
    """A list page by page, by number."""

    page = whole("Which page, counted from 1.", 1, 1, MAX_PAGE)
    page_size = whole("Items on a page.", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE)

    @property
    def numbered(self) -> Page:
        return Page(self.page, self.page_size, self.text("page") is not None)


class ByCursor(RouteQuery):
    """A list page by page, by cursor."""

    cursor = place()
    limit = whole(
        "The most items of one answer; `nextCursor` leads to the next ones.", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE
    )


class Paged(ByCursor, Numbered):
    """A list page by page: by number, or by cursor where `cursor` or `limit` is sent."""


class Sorted(RouteQuery):
    """A list with an order; what it can be sorted by is each list's own `order_by`."""

    order = choice("`ASC` is ascending, `DESC` descending.", ("ASC", "DESC"), "ASC")
    order_by = sorted_by(("id",), "id")

    @property
    def is_descending(self) -> bool:
        return self.order == "DESC"


def page_number(without: str) -> Parameter[int]:
    """Of a list that is whole, or cut in another way, where no page is asked for."""
    says = f"Asks for one page and says which, counted from 1, at most {MAX_PAGE}; without it {without}"
    schema = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}
    return Parameter(says, lambda query, name: query.whole(name, 1, 1, MAX_PAGE), schema)


def page_size_of_page() -> Parameter[int]:
    return whole("Items on a page, where `page` asks for one.", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE)


def check_parameters(raw_query: str, known: Mapping[str, Parameter[Any]]) -> None:
    """Raises InvalidInput naming each parameter that is not known, or that is sent so that it would not be read."""
    if not raw_query:
        return
    sent: dict[str, list[Given]] = {}
    for each in Query(raw_query).given:
        sent.setdefault(each.name, []).append(each)
    if unknown := [name for name in sent if name not in known]:
        fields = [FieldError(name[:MAX_SHOWN], UNKNOWN, _message(name, known)) for name in unknown]
        raise InvalidInput(f"{_detail(fields)} It takes {', '.join(known)}.", fields=fields)
    problems = {name: problem for name, each in sent.items() if (problem := known[name].problem(each))}
    problems |= {name: f"{SEPARATED}, not by a semicolon." for name in _behind_semicolons(raw_query) if name in known}
    if problems:
        fields = [FieldError(name, INVALID, f"{name} {problem}") for name, problem in problems.items()]
        raise InvalidInput(_detail(fields), fields=fields)


def _detail(fields: Sequence[FieldError]) -> str:
    return " ".join(field.message for field in fields[:MAX_NAMED])


def _behind_semicolons(raw_query: str) -> list[str]:
    """Names that an older convention would have read; a value that has a semicolon is sent with %3B."""
    return [part.partition("=")[0].partition("[")[0] for part in raw_query.split(";")[1:] if "=" in part]


def _message(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name[:MAX_SHOWN], known, 1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name[:MAX_SHOWN]!r} is not a query parameter of this route.{meant}"

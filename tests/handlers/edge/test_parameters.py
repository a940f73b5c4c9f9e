"""What narrows a question is never ignored: however a client writes a parameter, it is read or refused by its name."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, get_args
from urllib.parse import quote

import pytest
from openmeter._generated.operations import _operations
from pydantic import BaseModel, TypeAdapter, ValidationError

from functions.domain.errors import InvalidInput
from functions.handlers import http_api
from functions.handlers.analytics.http_archive import ArchiveQueryCreate
from functions.handlers.edge import json_body
from functions.handlers.edge.query_model import WITHOUT_EFFECT, Kind, check_parameters
from functions.handlers.edge.query_string import Query
from functions.handlers.metering.events_request import EventsFilter
from functions.handlers.metering.http_rejects import ReplayCreate
from functions.handlers.metering.usage_request import MeterUsageQuery, from_query

ROUTES = {route.key: route for route in http_api.routes()}
EVERY = [(key, each) for key, route in ROUTES.items() for each in route.parameters.values()]
QUERY = MeterUsageQuery.DECLARED


def refused(route: str, raw: str) -> list[str]:
    """The names of what is refused; none when it is taken."""
    try:
        check_parameters(raw, ROUTES[route].parameters)
    except InvalidInput as error:
        return [field.field for field in error.fields if field.field in error.detail]
    return []


def test_a_parameter_is_sent_as_its_schema_says() -> None:
    """A list by repeating it, an object by its keys unless it is JSON in one text, anything else once."""
    types = {"array": {Kind.LIST, Kind.COMMAS}, "object": {Kind.MAPPING}}
    for route, each in EVERY:
        asked = {Kind.ONE} if each.is_json else types.get(each.schema["type"], {Kind.ONE})
        is_unused = each.says == WITHOUT_EFFECT
        assert each.kind in asked or is_unused, (route, each.name)


def test_no_parameter_of_any_route_can_be_sent_so_that_it_is_ignored() -> None:
    assert len(EVERY) > 150
    for route, each in EVERY:
        name = each.name
        wrong = [f"{name}[gte]=1", f"{name}[a][b]=1", f"{name}[=1", f"{name}]=1", f"{name}[a]b=1", f"{name.upper()}=1"]
        wrong += [f"[{name}]=1", f"{name}.a=1", f"{name}%20=1", f"x=1;{name}=1"]
        if each.kind is Kind.MAPPING:
            wrong = [f"{name}[]=1", f"{name}[a][b]=1", f"{name}[a][0][0]=1", *wrong[2:]]
        if not each.may_be_empty:
            wrong += [f"{name}=", name]
        if each.kind is Kind.ONE:
            wrong += [f"{name}=1&{name}=2", f"{name}=1&{name}=1", f"{name}=&{name}=1", f"{name}=1&{name}="]
            wrong += [f"{name}[]=1", f"{name}[0]=1", f"{name}=1&{name}[]=2"]
        if each.kind in (Kind.LIST, Kind.COMMAS):
            wrong += [f"{name}[]=", f"{name}=1&{name}=", f"{name}[0]=1&{name}[1]="]
        if each.kind is Kind.COMMAS:
            wrong += [f"{name}=,", f"{name}=a,,b", f"{name}=a,"]
        for raw in wrong:
            assert refused(route, raw), (route, raw)


def test_every_way_to_write_a_list_is_the_same_list() -> None:
    written = [
        "subject=a&subject=b",
        "subject[]=a&subject[]=b",
        "subject[0]=a&subject[1]=b",
        "subject%5B%5D=a&subject%5B%5D=b",
        "subject%5b0%5d=a&subject%5b1%5d=b",
        "subject=a&subject[]=b",
    ]
    for raw in written:
        check_parameters(raw, QUERY)
        assert Query(raw).texts("subject") == ("a", "b"), raw


def test_every_way_to_write_a_mapping_is_the_same_mapping() -> None:
    written = [
        "filterGroupBy[model]=a&filterGroupBy[model]=b",
        "filterGroupBy[model][]=a&filterGroupBy[model][]=b",
        "filterGroupBy[model][0]=a&filterGroupBy[model][1]=b",
        "filterGroupBy%5Bmodel%5D%5B0%5D=a&filterGroupBy%5Bmodel%5D%5B1%5D=b",
        "filterGroupBy=" + quote("{'model': ['a', 'b']}"),
        "filterGroupBy=" + quote('{"model": ["a", "b"]}'),
    ]
    for raw in written:
        check_parameters(raw, QUERY)
        assert Query(raw).mapping("filterGroupBy") == {"model": ("a", "b")}, raw
    assert Query("filterGroupBy[model]=").mapping("filterGroupBy") == {"model": ("",)}, "an event without the property"


@pytest.mark.parametrize("written", [["a", "b"], ("a", "b"), ["it's"], ['"', "'"], ["[x]"], ["one"], ["a, b"]])
def test_a_list_that_the_python_sdk_puts_into_one_text_is_several_values(written: Any) -> None:
    asked = _operations.build_meters_query_json_request("tokens", filter_group_by={"model": written, "team": "x"})
    raw = asked.url.partition("?")[2]
    check_parameters(raw, QUERY)
    assert Query(raw).mapping("filterGroupBy") == {"model": tuple(written), "team": ("x",)}


@pytest.mark.parametrize("value", ['["small"]', "['a', 'b']", "[]", "[1, 2]", "('a', 'b')", "{'$in': ['a']}", "[true]"])
def test_a_list_in_one_text_is_no_value_but_refused_with_what_would_be_right(value: str) -> None:
    for raw in ("filterGroupBy[model]=" + quote(value), "filterGroupBy[model][0]=" + quote(value)):
        with pytest.raises(InvalidInput, match=r"filterGroupBy\[model\]=a&filterGroupBy\[model\]=b") as error:
            Query(raw).mapping("filterGroupBy")
        assert [field.field for field in error.value.fields] == ["filterGroupBy[model]"]
    with pytest.raises(InvalidInput, match="subject=a&subject=b"):
        from_query(MeterUsageQuery("subject=" + quote(value)))


@pytest.mark.parametrize("written", [[], [1, 2], [None], {"$in": ["a"]}])
def test_a_list_that_holds_no_texts_is_refused_from_the_python_sdk_too(written: Any) -> None:
    asked = _operations.build_meters_query_json_request("tokens", filter_group_by={"model": written})
    with pytest.raises(InvalidInput, match="filterGroupBy"):
        Query(asked.url.partition("?")[2]).mapping("filterGroupBy")


@pytest.mark.parametrize("value", ["[draft] one", "(none)", "{id}", "[", "(1)", "['a'", "[gpt-4]", "1", "'a'"])
def test_a_value_that_only_begins_like_a_list_is_a_value(value: str) -> None:
    assert Query("filterGroupBy[model]=" + quote(value)).mapping("filterGroupBy") == {"model": (value,)}
    written = quote(repr({"model": value}))
    assert Query("filterGroupBy=" + written).mapping("filterGroupBy") == {"model": (value,)}


@pytest.mark.parametrize("text", ["{'model': 'a', 'model': 'b'}", "{}{}", "[]", "{**{}}"])
def test_a_mapping_in_python_that_says_a_key_twice_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Query("filterGroupBy=" + quote(text)).mapping("filterGroupBy")


def test_a_refusal_says_how_it_is_written() -> None:
    sent = {
        "from[gte]=1": "from is written from=value, once.",
        "subject[a]=1": "subject is written subject=a&subject=b.",
        "filterGroupBy[]=1": "filterGroupBy is written filterGroupBy[key]=value.",
        "from=1&from=2": "from is given more than once and takes one value.",
        "subject=": "subject is empty; give it a value or leave it out.",
        "clientId=me;subject=a": "subject is to be separated by &, not by a semicolon.",
        "Subject=a": "'Subject' is not a query parameter of this route. Did you mean 'subject'?",
    }
    for raw, message in sent.items():
        with pytest.raises(InvalidInput) as error:
            check_parameters(raw, QUERY)
        assert error.value.detail.startswith(message), raw
        assert len(error.value.fields) == 1


@pytest.mark.parametrize("raw", ["", "&&", "subject=a;b", "subject=a%3Bsubject=b", "subject=a+b", "from=1&to=2"])
def test_what_is_usual_is_taken(raw: str) -> None:
    check_parameters(raw, QUERY)


def test_a_space_is_a_plus_or_percent_20() -> None:
    assert Query("subject=a+b&subject=c%20d&subject=e%2Bf").texts("subject") == ("a b", "c d", "e+f")


def _instants(model: type[BaseModel], seen: set[Any]) -> Iterator[tuple[str, Any]]:
    """The fields of a model and of those inside it that take an instant."""
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        if "datetime" in repr(field.annotation):
            metadata = (*field.metadata, "of its field")
            yield f"{model.__name__}.{name}", Annotated[(field.annotation, *metadata)]
        for inner in _models_in(field.annotation):
            yield from _instants(inner, seen)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models_in(each)


def test_an_instant_in_a_body_is_rfc_3339_and_nothing_else() -> None:
    bodies: set[type[BaseModel]] = {EventsFilter}
    bodies |= {route.body_model for route in ROUTES.values() if route.body_model is not None}
    found = dict(each for body in bodies for each in _instants(body, set()))
    assert len(found) > 15, sorted(found)
    wrong = [0, 1_700_000_000, 1e9, Decimal("1e9"), True, "1700000000", "1e9", "20260101", "20260101T000000Z"]
    wrong += ["2026-01-01", "2026-W01", "2026-001", "2026-01-01T00:00Z", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"]
    for name, annotation in found.items():
        adapter = TypeAdapter(annotation)
        for value in wrong:
            with pytest.raises(ValidationError):
                print(name, value, adapter.validate_python(value))
        assert adapter.validate_python("2026-01-01T00:00:00+01:00") == datetime(2025, 12, 31, 23, tzinfo=UTC)


def test_a_list_that_narrows_may_be_left_out_but_not_be_empty() -> None:
    for model, field in ((ArchiveQueryCreate, "subjects"), (ReplayCreate, "code")):
        with pytest.raises(ValidationError, match="leave it out to ask for all"):
            model.model_validate({field: []})


def test_a_json_object_names_a_thing_once() -> None:
    for text in ('{"a":1,"a":1}', '[{"a":{"b":1,"b":2}}]', '{"a":1,"\\u0061":2}'):
        with pytest.raises(InvalidInput, match="more than once"):
            json_body.parse(text.encode())
    many = "{" + ",".join(f'"k{n}":1' for n in range(50_000)) + ',"k49999":1}'
    with pytest.raises(InvalidInput, match="'k49999' comes more than once"):
        json_body.parse(many.encode())
    assert json_body.parse(b'{"a":{"a":1},"b":[{"a":1},{"a":2}]}') == {"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}

"""Lists of any length over HTTP: by cursor, by number with a count, and what a page costs."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from functions.application import list_records
from functions.handlers import http_api
from functions.handlers.edge.query_model import Numbered
from functions.handlers.wiring import base
from tests.conftest import DynamoDb
from tests.domain.builders import draft, flat, phase
from tests.handlers.gateway import Client
from tests.writing_customers import customer, write_customers

CUSTOMERS = "/api/v1/customers"
SOME = 60
MOST = 50  # of what is counted, filtered and sorted, so that sixty customers are too many

QUERIES = {route.path: route.query for route in http_api.routes() if route.method == "GET"}
# The lists of a tenant; those of one customer, subscription or plan are short by their nature.
LISTS = sorted(
    path
    for path, query in QUERIES.items()
    if {"cursor", "limit"} <= query.DECLARED.keys()
    and "<" not in path
    and not {"clientId", "code"} & query.DECLARED.keys()
)


@pytest.fixture
def many(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Client:
    """More customers than are counted, filtered or sorted for one page."""
    monkeypatch.setattr(list_records, "MAX_COUNTED", MOST)
    monkeypatch.setattr(list_records, "MAX_LOOKED_AT", 20)
    monkeypatch.setattr(list_records, "MAX_SEARCHED", 20)
    monkeypatch.setattr(list_records, "STRIDE", 10)
    write_customers(
        dynamodb.client, dynamodb.billing_table, [customer(number) for number in range(SOME)], with_names=True
    )
    return api


def pages(client: Client, query: str) -> Iterator[list[str]]:
    """The keys of each page by cursor, until the last."""
    cursor = ""
    for _ in range(200):
        answer = client.get(CUSTOMERS, f"{query}&cursor={cursor}").json
        yield [each["key"] for each in answer["items"]]
        cursor = answer.get("nextCursor")
        if cursor is None:
            return
    pytest.fail("The cursor never ends.")


def keys(*numbers: int) -> list[str]:
    return [f"customer-{number}" for number in numbers]


@pytest.mark.parametrize(("query", "expected"), [("", range(SOME)), ("&order=DESC", reversed(range(SOME)))])
@pytest.mark.parametrize("limit", [1, 7, 60, 61, 1_000])
def test_every_record_comes_once_by_cursor(many: Client, query: str, expected: Any, limit: int) -> None:
    found = list(pages(many, f"limit={limit}{query}"))
    assert [each for page in found for each in page] == keys(*range(SOME))[:: -1 if query else 1]
    assert all(len(page) == limit for page in found[:-1])
    assert len(found) == -(-SOME // limit), "no empty page at the end"


def test_by_cursor_what_changes_meanwhile_moves_nothing_else(many: Client) -> None:
    first = many.get(CUSTOMERS, "limit=10").json
    assert many.delete(f"{CUSTOMERS}/{customer(9).id}").status == 204  # the very place of the cursor
    many.post(CUSTOMERS, {"name": "New", "key": "new"})
    following = many.get(CUSTOMERS, f"limit=10&cursor={first['nextCursor']}").json
    assert [each["key"] for each in following["items"]] == keys(*range(10, 20))


def test_a_filter_by_cursor_looks_at_a_bounded_number_of_records_and_goes_on(many: Client) -> None:
    found = list(pages(many, "limit=5&name=of%2059"))
    assert found[:3] == [[], [], keys(59)]
    assert sum(map(len, found)) == 1


def test_a_list_beyond_the_bound_has_every_page_and_says_that_its_count_is_the_least(many: Client) -> None:
    first = many.get(CUSTOMERS, "pageSize=7").json
    assert [each["key"] for each in first["items"]] == keys(*range(7))
    assert (first["totalCount"], first["totalCountIsLowerBound"]) == (MOST + 1, True)
    last = many.get(CUSTOMERS, "page=9&pageSize=7").json
    assert [each["key"] for each in last["items"]] == keys(*range(56, 60))
    assert (last["totalCount"], "totalCountIsLowerBound" in last) == (SOME, False)
    behind = many.get(CUSTOMERS, "page=10&pageSize=7").json
    assert (behind["items"], behind["totalCount"]) == ([], SOME)
    backwards = many.get(CUSTOMERS, "page=2&pageSize=7&order=DESC").json
    assert [each["key"] for each in backwards["items"]] == keys(*reversed(range(46, 53)))


def test_a_list_of_the_usual_size_says_exactly_how_long_it_is(many: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_records, "MAX_COUNTED", SOME)
    monkeypatch.setattr(list_records, "MAX_LOOKED_AT", SOME)
    monkeypatch.setattr(list_records, "MAX_SEARCHED", SOME)
    many.delete(f"{CUSTOMERS}/{customer(3).id}")
    for query in ("", "page=2&pageSize=50", "name=customer", "orderBy=name"):
        answer = many.get(CUSTOMERS, query).json
        assert (answer["totalCount"], "totalCountIsLowerBound" in answer) == (SOME - 1, False), query


def test_a_page_behind_all_that_is_passed_over_is_refused_by_name(
    many: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_records, "MAX_PASSED", 30)
    answer = many.get(CUSTOMERS, "page=6&pageSize=10")
    assert (answer.status, answer.fields) == (400, ["page"])
    assert "cursor" in answer.json["detail"]
    assert many.get(CUSTOMERS, "page=3&pageSize=10").status == 200


def test_a_filter_beyond_the_bound_is_refused_where_the_page_would_be_short(many: Client) -> None:
    refused = many.get(CUSTOMERS, "name=of%205")
    assert (refused.status, refused.fields) == (400, ["page"])
    assert refused.json["extensions"]["validationErrors"][0]["code"] == "too_many_to_filter"
    assert "cursor" in refused.json["detail"]
    by_cursor = [key for page in pages(many, "name=of%205") for key in page]
    assert by_cursor == keys(5, *range(50, 60))
    full = many.get(CUSTOMERS, "name=customer&pageSize=5").json
    assert (len(full["items"]), full["totalCount"], full["totalCountIsLowerBound"]) == (5, 21, True)


@pytest.fixture
def named(many: Client, dynamodb: DynamoDb) -> Client:
    """One with texts that JSON escapes, and one whose name changes its length in lower case."""
    odd = [customer(100, name='A "quoted" \\ name\n'), customer(101, name="\u0130stanbul \u039f\u0394\u039f\u03a3")]
    write_customers(dynamodb.client, dynamodb.billing_table, odd)
    return many


@pytest.mark.parametrize(
    ("part", "number"),
    [('"QUOTED"', 100), ("\\ NAME\n", 100), ("quoted", 100), ("\u0130STANBUL", 101), ("\u03bf\u03b4\u03bf\u03c2", 101)],
)
def test_a_part_of_a_name_is_found_however_it_is_stored(named: Client, part: str, number: int) -> None:
    found = [key for page in pages(named, urlencode({"name": part})) for key in page]
    assert found == keys(number)


def test_customers_named_in_whole_are_looked_up(many: Client) -> None:
    made = many.post(CUSTOMERS, {"name": "Two", "usageAttribution": {"subjectKeys": ["one", "Two"]}}).json
    gone = many.post(CUSTOMERS, {"name": "Gone", "key": "gone"}).json
    many.delete(f"{CUSTOMERS}/{gone['id']}")
    reads = Reads()
    for query, expected in (
        ("keys=customer-5", [customer(5).id]),
        ("keys=customer-59&keys=customer-5&keys=nobody", [customer(5).id, customer(59).id]),
        ("keys=CUSTOMER-5", []),
        ("keys=gone", []),
        ("subjects=one&subjects=Two", [made["id"]]),
        ("subjects=two", []),
        ("subjects=customer-7&keys=customer-7&keys=customer-8", [customer(7).id]),
        ("keys=customer-7&keys=customer-8&name=of%208", [customer(8).id]),
        ("keys=customer-7&keys=customer-8&orderBy=name&order=DESC", [customer(8).id, customer(7).id]),
    ):
        reads.names.clear()
        answer = many.get(CUSTOMERS, query).json
        assert [each["id"] for each in answer["items"]] == expected, query
        assert answer["totalCount"] == len(expected)
        assert set(reads.names) <= {"BatchGetItem"}, query
        assert len(reads.names) <= 3, query
    first = many.get(CUSTOMERS, "keys=customer-7&keys=customer-8&limit=1").json
    assert many.get(CUSTOMERS, f"keys=customer-7&keys=customer-8&cursor={first['nextCursor']}").json["items"]
    assert many.get(CUSTOMERS, "keys=customer-7&includeDeleted=true").fields == ["includeDeleted"]
    assert many.get(CUSTOMERS, "&".join(f"keys={n}" for n in range(101))).fields == ["keys"]


def test_an_order_that_would_need_all_records_is_refused_beyond_the_bound(many: Client) -> None:
    answer = many.get(CUSTOMERS, "orderBy=name")
    assert (answer.status, answer.fields) == (400, ["orderBy"])
    assert "by cursor" in answer.json["detail"]


def test_an_order_is_kept_when_more_are_sorted_than_are_held(many: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_records, "MAX_LOOKED_AT", SOME)
    monkeypatch.setattr(list_records, "MAX_SEARCHED", SOME)
    monkeypatch.setattr(list_records, "MAX_HELD", 10)
    names = [customer(number).name for number in range(SOME)]
    for order, expected in (("ASC", sorted(names)), ("DESC", sorted(names, reverse=True))):
        answer = many.get(CUSTOMERS, f"orderBy=name&order={order}&page=2&pageSize=25").json
        assert [each["name"] for each in answer["items"]] == expected[25:50]


@pytest.mark.parametrize("path", LISTS)
def test_every_list_goes_by_cursor_and_says_what_does_not_go_with_it(api: Client, path: str) -> None:
    for query in ("cursor=", "cursor=&limit=1"):
        answer = api.get(path, query).json
        assert (answer["items"], "nextCursor" in answer) == ([], False), query
    for query, field in (("cursor=nonsense", "cursor"), ("cursor=&limit=0", "limit"), ("cursor=&limit=1001", "limit")):
        answer = api.get(path, query)
        assert (answer.status, answer.fields) == (400, [field]), query
    if issubclass(QUERIES[path], Numbered):
        assert api.get(path, "cursor=&page=1").fields == ["page"]
        assert api.get(path, "cursor=&pageSize=5").fields == ["pageSize"]


def test_the_lists_are_these() -> None:
    assert LISTS == [
        "/api/v1/addons",
        "/api/v1/api-keys",
        "/api/v1/billing/failures",
        "/api/v1/billing/invoices",
        "/api/v1/billing/reconciliation",
        "/api/v1/coupons",
        "/api/v1/customers",
        "/api/v1/entitlements",
        "/api/v1/entitlements/backfill",
        "/api/v1/events/corrections",
        "/api/v1/features",
        "/api/v1/grants",
        "/api/v1/meters",
        "/api/v1/plans",
        "/api/v1/subjects",
        "/api/v1/subscriptions",
        "/api/v2/entitlements",
        "/api/v2/grants",
    ]


@pytest.mark.parametrize("order", ["name", "id", "createdAt"])
def test_only_the_order_of_the_store_goes_by_cursor(many: Client, order: str) -> None:
    answer = many.get(CUSTOMERS, f"limit=5&orderBy={order}")
    assert answer.status == (400 if order == "name" else 200)
    assert order != "name" or answer.fields == ["orderBy"]


def test_a_cursor_is_of_one_tenant_and_one_question(many: Client) -> None:
    cursor = many.get(CUSTOMERS, "limit=5&name=c").json["nextCursor"]
    own = many.get(CUSTOMERS, f"limit=6&name=c&cursor={cursor}")
    assert [each["key"] for each in own.json["items"]] == keys(*range(5, 11))
    others = [
        many.get(CUSTOMERS, f"cursor={cursor}"),
        many.get(CUSTOMERS, f"name=d&cursor={cursor}"),
        many.get(CUSTOMERS, f"name=c&order=DESC&cursor={cursor}"),
        many.acting_as("admin operator").get(CUSTOMERS, f"name=c&tenant=other&cursor={cursor}"),
        many.get("/api/v1/api-keys", f"cursor={cursor}"),
        many.acting_as("admin", "other").get(CUSTOMERS, f"name=c&cursor={cursor}"),
        many.get(CUSTOMERS, f"name=c&cursor={cursor[:-2]}"),
        many.get(CUSTOMERS, f"name=c&cursor=%C3%BC{cursor}"),
        many.get(CUSTOMERS, f"name=c&cursor={'A' * 3_000}"),
        many.get(CUSTOMERS, f"name=c&cursor={urlsafe_b64encode(bytes([1] * 9) + bytes([255])).decode()}"),
    ]
    refused = [(answer.status, answer.fields) for answer in others]
    assert refused[:6] == [(400, ["cursor"])] * 6
    # A shorter place is a place as well: of this tenant's own list, so it tells nobody anything.
    assert refused[6] in [(400, ["cursor"]), (200, [])]
    assert refused[7:] == [(400, ["cursor"])] * 3


class Reads:
    """The requests of the billing table's client from now on."""

    def __init__(self) -> None:
        self.names: list[str] = []
        base.billing_table().client.meta.events.register("before-call.dynamodb.*", self._note)

    def _note(self, model: Any, **_: Any) -> None:
        self.names.append(model.name)


def test_a_page_by_cursor_is_one_read_however_long_the_list_is(many: Client) -> None:
    reads = Reads()
    many.get(CUSTOMERS, "limit=5&order=DESC")
    assert reads.names == ["Query"]


def test_plans_asked_for_by_id_or_key_are_looked_up(api: Client) -> None:
    made = [api.post("/api/v1/plans", draft(phase(flat()), key=key)).json for key in ("one", "two", "three")]
    api.delete(f"/api/v1/plans/{made[1]['id']}")
    reads = Reads()
    for query, expected in (
        ("key=one", ["one"]),
        ("key=one&key=three&key=nobody", ["one", "three"]),
        ("key=two", []),
        ("key=two&includeDeleted=true", ["two"]),
        (f"id={made[2]['id']}&id=01ARZ3NDEKTSV4RRFFQ69G5FAV", ["three"]),
        (f"id={made[2]['id']}&key=one", []),
        ("keyVersion[one]=1&keyVersion[three]=2", ["one"]),
        ("key=one&cursor=", ["one"]),
    ):
        answer = api.get("/api/v1/plans", query).json
        assert sorted(each["key"] for each in answer["items"]) == sorted(expected), query
    assert set(reads.names) <= {"GetItem", "BatchGetItem"}
    assert api.get("/api/v1/plans", "status=draft").json["totalCount"] == 2


@pytest.fixture
def three_meters(api: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    for slug in ("b", "c", "a"):
        assert api.post("/api/v1/meters", {"slug": slug, "eventType": "e", "aggregation": "COUNT"}).status == 201
    monkeypatch.setattr(list_records, "MAX_LOOKED_AT", 2)
    monkeypatch.setattr(list_records, "MAX_SEARCHED", 2)
    monkeypatch.setattr(list_records, "STRIDE", 2)
    return api


def test_an_order_nobody_asked_for_gives_way_to_that_of_the_store_beyond_the_bound(three_meters: Client) -> None:
    listed = three_meters.get("/api/v1/meters").json
    assert [each["slug"] for each in listed] == ["b", "c", "a"]
    assert three_meters.get("/api/v1/meters", "orderBy=key").fields == ["orderBy"]
    by_cursor = three_meters.get("/api/v1/meters", "limit=2").json
    assert [each["slug"] for each in by_cursor["items"]] == ["b", "c"]
    assert three_meters.get("/api/v1/meters", f"cursor={by_cursor['nextCursor']}").json["items"][0]["slug"] == "a"


def test_features_keep_their_bare_array_with_a_limit_and_go_by_cursor_when_one_is_sent(api: Client) -> None:
    for key in ("b", "c", "a"):
        assert api.post("/api/v1/features", {"key": key, "name": key}).status == 201
    assert [each["key"] for each in api.get("/api/v1/features", "limit=2&offset=1").json] == ["c", "a"]
    first = api.get("/api/v1/features", "limit=2&cursor=").json
    assert [each["key"] for each in first["items"]] == ["b", "c"]
    following = api.get("/api/v1/features", f"limit=2&cursor={first['nextCursor']}").json
    assert [[each["key"] for each in following["items"]], "nextCursor" in following] == [["a"], False]
    assert api.get("/api/v1/features", "cursor=&offset=1").fields == ["offset"]

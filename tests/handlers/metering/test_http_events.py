"""Accepted events over HTTP: they come back as they were sent, newest first, with what is wrong with them today."""

import base64
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from functions.application.metering.events import list_events
from functions.domain.metering.usage.event_filter import Position
from functions.domain.metering.values.event import Event, Pack
from functions.handlers.metering import http_ingest, ingest_body
from functions.handlers.wiring import base
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client, Params, Response, timeless
from tests.handlers.metering.world import LANES, Metering

V1, V2 = "/api/v1/events", "/api/v2/events"
START = (datetime.now(UTC) - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
METER = {"slug": "tokens", "eventType": "prompt", "aggregation": "SUM", "valueProperty": "$.tokens"}


def at(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def event(number: int, subject: str = "ada", data: Any = None, **more: Any) -> dict[str, Any]:
    data = {"tokens": number} if data is None else data
    found = {"id": f"id-{number}", "source": "test", "type": "prompt", "subject": subject, "time": at(number)}
    return {"specversion": "1.0", **found, "data": data, **more}


EVENTS = [event(1), event(2, "bob"), event(3, "ada", {"tokens": "many"}), event(4, "eve", type="other"), event(5)]


@pytest.fixture(autouse=True)
def metering(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Metering:
    metering = Metering(dynamodb, monkeypatch)
    assert api.post("/api/v1/meters", METER).status == 201
    metering.count(EVENTS)
    return metering


def listed(api: Client, params: Params = "", path: str = V1) -> list[str]:
    response = api.get(path, params)
    assert response.status == 200, response.text
    items = response.json if path == V1 else response.json["items"]
    return [item["event"]["id"] for item in items]


def filtered(api: Client, **asked: Any) -> list[str]:
    return listed(api, {"filter": json.dumps(asked)}, V2)


def customer(api: Client, key: str, *subjects: str) -> str:
    body = {"name": key, "key": key, "usageAttribution": {"subjectKeys": list(subjects)}}
    created = api.post("/api/v1/customers", body)
    assert created.status == 201, created.text
    return str(created.json["id"])


def test_the_newest_comes_first_with_all_it_had(api: Client) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    answer = api.get(V1).json
    assert [item["event"]["id"] for item in answer] == ["id-5", "id-4", "id-3", "id-2", "id-1"]
    newest = answer[0]
    assert newest["event"] == event(5)
    assert datetime.fromisoformat(newest["ingestedAt"]) > before
    assert datetime.fromisoformat(newest["storedAt"]) >= datetime.fromisoformat(newest["ingestedAt"])
    assert set(newest) == {"event", "ingestedAt", "storedAt", "validationError"}


def test_a_time_is_shown_with_its_fraction(api: Client, metering: Metering) -> None:
    second, fingerprint = int(START.timestamp()) + 400, LANES.fingerprint("default", "ada", "s", "late")
    late = Event(fingerprint, second, "late", "s", "prompt", "ada", b'{"tokens":1}', micros=250_000)
    metering.stream.put([Pack("default", LANES.lane_of("default", "ada"), "p", second, [late])])
    metering.deliver()
    shown = next(item["event"]["time"] for item in api.get(V1).json if item["event"]["id"] == "late")
    assert shown.endswith(".250000Z")
    assert datetime.fromisoformat(shown).timestamp() == second + 0.25


def test_what_was_sent_comes_back_digit_for_digit(api: Client, metering: Metering) -> None:
    exact = '{"n":1.10,"big":123456789012345678901234567890.50,"e":1e5,"z":-0,"t":"\\u00e9"}'
    body = json.dumps([event(6, dataschema="https://example.com/s", traceid="00-1", level=3, ok=True)])
    body = body.replace('{"tokens": 6}', exact)
    headers = {"content-type": ingest_body.BATCH}
    assert Client(http_ingest.handler).post(V1, body, headers=headers).status == 204
    metering.deliver()
    text = api.get(V1, "limit=1").text
    assert f'"data":{exact}' in text
    (item,) = json.loads(text)
    sent = {name: item["event"][name] for name in ("dataschema", "traceid", "level", "ok")}
    assert sent == {"dataschema": "https://example.com/s", "traceid": "00-1", "level": 3, "ok": True}


def test_an_event_without_data_has_none(api: Client, metering: Metering) -> None:
    without = {name: value for name, value in event(7).items() if name != "data"}
    metering.count([without, event(8, data={})])
    assert [item["event"] for item in api.get(V1, "limit=2").json] == [event(8, data={}), without]


def test_validation_is_against_the_meters_and_customers_of_today(api: Client) -> None:
    errors = {item["event"]["id"]: item["validationError"] for item in api.get(V1).json}
    assert errors["id-4"].split("\n") == [
        "no meter found for event type: other",
        "no customer found for event subject: eve",
    ]
    assert "many" in errors["id-3"].split("\n")[0]
    assert errors["id-5"] == "no customer found for event subject: ada"
    owner = customer(api, "acme", "ada")
    assert api.post("/api/v1/meters", {"slug": "others", "eventType": "other", "aggregation": "COUNT"}).status == 201
    now = {item["event"]["id"]: item for item in api.get(V1).json}
    assert now["id-5"]["customerId"] == owner
    assert "validationError" not in now["id-5"]
    assert now["id-4"]["validationError"] == "no customer found for event subject: eve"
    assert "customerId" not in now["id-4"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"limit": 2}, [5, 4]),
        ({"from": at(2), "to": at(4)}, [4, 3, 2]),
        ({"from": at(1.99), "to": at(2.01)}, [2]),
        ({"id": "d-3"}, [3]),
        ({"subject": "b"}, [2]),
        ({"subject": "a", "id": "1"}, [1]),
        ({"subject": "A"}, []),
        ({"ingestedAtFrom": at(-60), "clientId": "me"}, [5, 4, 3, 2, 1]),
        ({"ingestedAtTo": at(5)}, []),
    ],
)
def test_v1_filters(api: Client, params: dict[str, Any], expected: list[int]) -> None:
    assert listed(api, params) == [f"id-{number}" for number in expected]


def test_v1_looks_back_three_days_and_may_look_back_32(api: Client, metering: Metering) -> None:
    now = datetime.now(UTC)
    ages = {"old": timedelta(days=4), "older": timedelta(days=31), "oldest": timedelta(days=40)}
    metering.count([event(1, time=(now - age).isoformat(), id=name) for name, age in ages.items()])
    assert not {"old", "older", "oldest"} & set(listed(api))
    since = (now - timedelta(days=32) + timedelta(minutes=1)).isoformat()
    assert listed(api, {"from": since})[-2:] == ["old", "older"]
    refused = api.get(V1, {"from": (now - timedelta(days=33)).isoformat()})
    assert (refused.status, refused.fields) == (400, ["from"])
    assert listed(api, path=V2)[-1] == "oldest"


def test_customers_are_their_subjects(api: Client) -> None:
    ada, bob = customer(api, "acme", "ada"), customer(api, "bob")
    assert listed(api, [("customerId", ada)]) == ["id-5", "id-3", "id-1"]
    assert listed(api, [("customerId", ada), ("customerId", bob)]) == ["id-5", "id-3", "id-2", "id-1"]
    assert listed(api, {"customerId": f"{ada},{bob}", "subject": "bob"}) == ["id-2"]
    assert filtered(api, customerId={"$in": [bob]}) == ["id-2"]
    assert listed(api, {"customerId": "bob"}) == filtered(api, customerId={"$in": ["bob"]}) == ["id-2"]
    assert filtered(api, customerId={"$in": [ada]}, subject={"$eq": "bob"}) == []
    nobody = "01JBXR00000000000000000000"
    assert api.get(V1, {"customerId": nobody}).status == 404
    assert api.get(V2, {"filter": json.dumps({"customerId": {"$in": [nobody]}})}).status == 404


def test_a_subject_that_changed_hands_is_each_ones_by_the_time_of_the_event(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = customer(api, "acme", "ada"), customer(api, "globex")
    now = START + timedelta(minutes=3)
    with monkeypatch.context() as patch:
        patch.setattr(base, "clock", lambda: SimpleNamespace(now=lambda: now))
        assert api.put(f"/api/v1/customers/{first}", {"name": "acme", "key": "acme"}).status == 200
        moved = {"name": "globex", "key": "globex", "usageAttribution": {"subjectKeys": ["ada"]}}
        assert api.put(f"/api/v1/customers/{second}", moved).status == 200
    assert listed(api, [("customerId", first)]) == ["id-1"]
    assert filtered(api, customerId={"$in": [second]}) == ["id-5", "id-3"]
    assert listed(api, [("customerId", first), ("customerId", second)]) == ["id-5", "id-3", "id-1"]
    owners = {item["event"]["id"]: item.get("customerId") for item in api.get(V1).json}
    assert owners == {"id-1": first, "id-2": None, "id-3": second, "id-4": None, "id-5": second}
    query = "/api/v1/meters/tokens/query"
    by_customer = api.get(query, [("filterCustomerId", first), ("filterCustomerId", second)]).json["data"]
    assert {row["customerId"]: row["value"] for row in by_customer} == {first: 1, second: 5}
    was = {"subject": "ada", "from": "1970-01-01T00:00:00Z", "to": at(3)}
    own = [{"subject": key, "from": "1970-01-01T00:00:00Z"} for key in ("acme", "globex")]
    path = "/api/v1/customers/{}/attribution"
    assert api.get(path.format("acme")).json["items"] == [own[0], was]
    assert api.get(path.format(second)).json["items"] == [own[1], {"subject": "ada", "from": at(3)}]
    page = api.get(path.format(first), "limit=1").json
    assert page["items"] == [own[0]]
    assert api.get(path.format(first), {"cursor": page["nextCursor"]}).json == {"items": [was]}
    assert api.get(path.format("nobody")).status == 404
    assert api.acting_as("admin", "other").get(path.format(first)).status == 404


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"id": {"$eq": "id-2"}}, [2]),
        ({"id": {"$in": ["id-2", "id-5"]}}, [5, 2]),
        ({"subject": {"$nin": ["ada"]}}, [4, 2]),
        ({"subject": {"$in": ["bob", "eve"]}, "type": {"$ne": "other"}}, [2]),
        ({"source": {"$like": "te%"}, "id": {"$ilike": "ID-_"}}, [5, 4, 3, 2, 1]),
        ({"source": {"$nlike": "te%"}}, []),
        ({"subject": {"$or": [{"$eq": "eve"}, {"$gt": "b"}]}}, [4, 2]),
        ({"time": {"$gt": at(2), "$lte": at(4)}}, [4, 3]),
        ({"time": {"$and": [{"$gte": at(2)}, {"$lt": at(4)}]}}, [3, 2]),
        ({"time": {"$or": [{"$lt": at(2)}, {"$gte": at(5)}]}}, [5, 1]),
        ({"time": {"$gt": at(5), "$lt": at(1)}}, []),
        ({"ingestedAt": {"$gte": at(60)}}, [5, 4, 3, 2, 1]),
        ({"ingestedAt": {"$lt": at(60)}}, []),
        ({}, [5, 4, 3, 2, 1]),
    ],
    ids=timeless,
)
def test_v2_filters(api: Client, asked: dict[str, Any], expected: list[int]) -> None:
    assert filtered(api, **asked) == [f"id-{number}" for number in expected]


def test_v2_goes_on_page_by_page_to_the_end(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_events, "MAX_OBJECTS", 1)
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    for _ in range(20):
        page = api.get(V2, params).json
        seen += [item["event"]["id"] for item in page["items"]]
        if "nextCursor" not in page:
            break
        params["cursor"] = page["nextCursor"]
    assert seen == ["id-5", "id-4", "id-3", "id-2", "id-1"]


def following(page: Response) -> str | None:
    """The query string of the Link to the next page."""
    link = page.headers.get("link")
    return None if link is None else link.removesuffix('; rel="next"').strip("<>").partition("?")[2]


@pytest.mark.parametrize("of_a_moment", [2_000, 1], ids=["in order", "by batch"])
def test_v1_answers_what_one_call_finds_and_goes_on_with_its_link(
    api: Client, metering: Metering, monkeypatch: pytest.MonkeyPatch, of_a_moment: int
) -> None:
    monkeypatch.setattr(list_events, "MAX_OBJECTS", 1)
    monkeypatch.setattr(list_events, "MAX_OBJECTS_OF_A_MOMENT", of_a_moment)
    for number in range(6, 10):
        metering.count([event(number, time=at(6))])
    for asked in ({"id": "id-1"}, {"subject": "ad", "limit": "2", "customerId": [customer(api, "ada")]}):
        query: str | None = urlencode(asked, doseq=True)
        found, calls = [], 0
        while query is not None:
            page = api.get(V1, query)
            assert page.status == 200, page.text
            found += [item["event"]["id"] for item in page.json]
            query, calls = following(page), calls + 1
            assert calls < 30
        expected = ["id-1"] if "id" in asked else [f"id-{number}" for number in (1, 3, 5, 6, 7, 8, 9)]
        assert sorted(found) == expected
        assert calls > 1


def test_a_whole_list_has_no_link(api: Client) -> None:
    assert following(api.get(V1)) is None
    assert following(api.get(V1, "limit=5&subject=a")) is None
    assert following(api.get(V1, "limit=1&subject=a&from=" + at(0))) is not None


def test_a_cursor_of_before_still_leads_on(api: Client) -> None:
    """As the first version wrote it: the position alone."""
    position = Position(int((START + timedelta(minutes=4)).timestamp()), 2**33, "", b"")
    cursor = base64.urlsafe_b64encode(msgspec.msgpack.encode(tuple(position))).decode().rstrip("=")
    assert listed(api, {"cursor": cursor}, V2) == ["id-4", "id-3", "id-2", "id-1"]


def test_what_is_gone_from_the_archive_is_named_beside_the_rest(api: Client, metering: Metering) -> None:
    metering.count([event(6)])
    del metering.archive.objects[max(key for key in metering.archive.objects if key.startswith("archive/"))]
    v1, v2 = api.get(V1), api.get(V2)
    assert v1.status == v2.status == 200
    assert v1.headers["tollbooth-missing-batches"] == "1"
    assert [item["event"]["id"] for item in v1.json] == [item["event"]["id"] for item in v2.json["items"]]
    (missing,) = v2.json["missing"]
    assert missing["from"] <= missing["to"] <= missing["storedAt"]
    assert 0 < len(v1.json) < 6


def made_up(value: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(value)).decode().rstrip("=")


BAD = [
    (V1, "limit=0"),
    (V1, "limit=101"),
    (V1, "from=yesterday"),
    (V1, {"from": at(5), "to": at(1)}),
    (V1, {"ingestedAtFrom": at(5), "ingestedAtTo": at(1)}),
    (V1, {"id": "x" * 1_025}),
    (V1, {"clientId": "x" * 37}),
    (V2, "limit=0"),
    (V2, {"clientId": "x" * 37}),
    (V2, "cursor=nonsense"),
    (V2, "cursor=%C3%A9"),
    (V2, "cursor=kgEC"),
    *(
        (V2, {"cursor": made_up(each)})
        for each in (
            [None, [-1, {}, 0, 0, 0]],
            [None, [1, {0: -1}, 0, 0, 0]],
            [None, [1, {0: 10**13}, 0, 0, 0]],
            [None, [1]],
            [None, [10**9, {}, 0, 0, 0]],
            [[10**11, 0, "", b""], None],
        )
    ),
    (V1, "cursor=nonsense"),
    (V2, "cursor=" + "A" * 3_000),
    (V2, "filter=x"),
    (V2, "filter=[]"),
    (V2, {"filter": '{"nothing":{"$eq":"x"}}'}),
    (V2, {"filter": '{"id":{"$eq":"x","$ne":"y"}}'}),
    (V2, {"filter": '{"time":{}}'}),
    (V2, {"filter": '{"time":{"$gt":"2026-01-01T00:00:00"}}'}),
    (V2, {"filter": '{"customerId":{"$in":[]}}'}),
    (V2, {"filter": '{"id":{"$eq":"' + "x" * 20_000 + '"}}'}),
]


@pytest.mark.parametrize(("path", "params"), BAD, ids=timeless)
def test_a_bad_question_is_a_400_that_says_why(api: Client, path: str, params: Params) -> None:
    response = api.get(path, params)
    assert response.status == 400, response.text
    assert response.fields


def test_other_tenants_and_scopes_see_nothing(api: Client) -> None:
    assert api.acting_as("read").get(V1).status == 200
    for path in (V1, V2):
        assert api.acting_as("ingest").get(path).status == 403
    assert listed(api.acting_as("admin", "acme")) == []
    assert listed(api.acting_as("admin", "acme"), path=V2) == []

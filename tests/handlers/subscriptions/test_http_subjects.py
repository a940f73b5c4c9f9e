"""Subjects over HTTP: what is said of one is kept, changed by what is said anew, and forgotten."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from openmeter._generated import models

from functions.domain.subscriptions.subject import MAX_UPSERTED
from functions.handlers.wiring import base
from tests.handlers.gateway import Client
from tests.handlers.genuine import problems

PATH = "/api/v1/subjects"
ADA = {
    "key": "ada",
    "displayName": "Ada Lovelace",
    "metadata": {"seats": 5, "vip": True, "team": {"name": "Analytical", "of": None}},
    "currentPeriodStart": "2026-11-01T00:00:00Z",
    "currentPeriodEnd": "2026-12-01T00:00:00Z",
    "stripeCustomerId": "cus_1",
}


def said(api: Client, *upserts: dict[str, Any]) -> list[dict[str, Any]]:
    answer = api.post(PATH, list(upserts))
    assert answer.status == 200, answer.text
    found: list[dict[str, Any]] = answer.json
    return found


def test_a_subject_is_answered_as_said_and_found_by_id_and_key(api: Client) -> None:
    (ada,) = said(api, ADA)
    assert {name: ada[name] for name in ADA} == ADA
    assert len(ada["id"]) == 26 and ada["createdAt"] == ada["updatedAt"]
    assert api.get(f"{PATH}/{ada['id']}").json == api.get(f"{PATH}/ada").json == ada
    assert api.get(PATH).json == [ada]
    assert problems(models.Subject, ada) == []


def test_only_what_is_said_changes(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    (ada,) = said(api, ADA)

    class Later:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(seconds=5)

    monkeypatch.setattr(base, "clock", Later)
    (renamed,) = said(api, {"key": "ada", "displayName": "Ada"})
    assert renamed["updatedAt"] > ada["updatedAt"]
    assert renamed | {"updatedAt": ""} == ada | {"displayName": "Ada", "updatedAt": ""}
    (emptied,) = said(api, {"key": "ada", "displayName": None, "metadata": None})
    assert not {"displayName", "metadata"} & emptied.keys()
    assert emptied["stripeCustomerId"] == "cus_1"
    assert api.get(f"{PATH}/ada").json == emptied


def test_several_come_back_in_their_order_some_new_some_not(api: Client) -> None:
    (bob,) = said(api, {"key": "bob"})
    found = said(api, {"key": "eve"}, {"key": "bob", "displayName": "Bob"}, {"key": "ada"})
    assert [each["key"] for each in found] == ["eve", "bob", "ada"]
    assert found[1]["id"] == bob["id"]
    assert said(api) == []
    assert {each["key"] for each in api.get(PATH).json} == {"ada", "bob", "eve"}


def test_numbers_of_metadata_keep_their_digits(api: Client) -> None:
    api.post(PATH, '[{"key": "ada", "metadata": {"rate": 0.1000000000000000000001, "big": 123456789012345678901}}]')
    assert api.get(f"{PATH}/ada").json["metadata"] == {
        "rate": Decimal("0.1000000000000000000001"),
        "big": 123456789012345678901,
    }


WRONG: list[tuple[Any, list[str]]] = [
    ([{}], ["[0].key"]),
    ([{"key": "a"}, {"key": ""}], ["[1].key"]),
    ([{"key": "a", "name": "A"}], ["[0].name"]),
    ([{"key": "a", "displayName": 1}], ["[0].displayName"]),
    ([{"key": "a", "displayName": "x" * 257}], ["[0].displayName"]),
    ([{"key": "a", "metadata": {"x": "x" * 4_000}}], ["[0].metadata"]),
    ([{"key": "a"}, {"key": "a"}], ["$"]),
    ([{"key": str(n)} for n in range(MAX_UPSERTED + 1)], ["$"]),
    ({"key": "a"}, ["$"]),
]


@pytest.mark.parametrize(("body", "fields"), WRONG, ids=[f"{n}" for n, _ in enumerate(WRONG)])
def test_a_wrong_one_is_named_and_nothing_is_written(api: Client, body: Any, fields: list[str]) -> None:
    answer = api.post(PATH, body)
    assert (answer.status, answer.fields) == (400, fields), answer.text
    assert api.get(PATH).json == []


def test_an_empty_body_is_told_what_to_send(api: Client) -> None:
    answer = api.post(PATH)
    assert (answer.status, answer.json["detail"]) == (400, "The body is empty; send a JSON array.")


@pytest.mark.parametrize("key", ["with space", "ünïcödé 🚀", "a@b.c", "50%", "a#b", '"', "🚀" * 256])
def test_any_text_can_be_a_key(api: Client, key: str) -> None:
    (made,) = said(api, {"key": key})
    for sent in (key, quote(key, safe="")):
        assert api.get(f"{PATH}/{sent}").json == made
    assert api.delete(f"{PATH}/{quote(key, safe='')}").status == 204


def test_a_deleted_one_is_forgotten_and_the_customer_keeps_it(api: Client) -> None:
    customer = {"name": "Ada", "usageAttribution": {"subjectKeys": ["ada"]}}
    made = api.post("/api/v1/customers", customer).json
    (ada,) = said(api, ADA)
    assert api.delete(f"{PATH}/ada").status == 204
    for gone in ("ada", ada["id"]):
        assert api.get(f"{PATH}/{gone}").status == 404
        assert api.delete(f"{PATH}/{gone}").status == 404
    assert api.get(f"/api/v1/customers/{made['id']}").json == made
    (again,) = said(api, {"key": "ada"})
    assert again["id"] != ada["id"] and "displayName" not in again


def test_one_of_whom_nothing_was_said_is_not_there_and_the_caller_is_told_why(api: Client) -> None:
    api.post("/api/v1/customers", {"name": "Ada", "usageAttribution": {"subjectKeys": ["ada"]}})
    answer = api.get(f"{PATH}/ada")
    assert answer.status == 404
    assert "/api/v1/subjects" in answer.json["detail"] and "meters/{slug}/subjects" in answer.json["detail"]
    assert answer.json["extensions"]["validationErrors"][0]["code"] == "subject_not_found"


def test_tenants_do_not_see_each_other(api: Client) -> None:
    (ada,) = said(api, ADA)
    stranger = api.acting_as("admin", "other")
    assert stranger.get(PATH).json == []
    for name in ("ada", ada["id"]):
        assert stranger.get(f"{PATH}/{name}").status == stranger.delete(f"{PATH}/{name}").status == 404
    (theirs,) = said(stranger, {"key": "ada", "displayName": "Another"})
    assert theirs["id"] != ada["id"]
    assert api.get(PATH).json == [ada]


def test_the_list_goes_page_by_page(api: Client) -> None:
    said(api, *({"key": f"s{n}"} for n in range(5)))
    everyone = api.get(PATH).json
    by_number = [each for n in (1, 2, 3) for each in api.get(PATH, {"page": n, "pageSize": 2}).json]
    assert by_number == everyone
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(PATH, {"limit": 2, "cursor": cursor}).json
        found += page["items"]
        cursor = page.get("nextCursor")
    assert found == everyone


def test_reading_and_writing_need_their_scopes(api: Client) -> None:
    said(api, ADA)
    reader = api.acting_as("read")
    assert [reader.get(PATH).status, reader.get(f"{PATH}/ada").status] == [200, 200]
    assert [reader.post(PATH, [ADA]).status, reader.delete(f"{PATH}/ada").status] == [403, 403]
    assert api.acting_as("ingest").get(PATH).status == 403


def test_many_at_once_make_one_of_each(api: Client) -> None:
    def upsert(number: int) -> int:
        return api.post(PATH, [{"key": "ada", "metadata": {"by": number}}, {"key": f"own{number}"}]).status

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(upsert, range(4)))
    assert set(statuses) <= {200, 503} and 200 in statuses
    keys = sorted(each["key"] for each in api.get(PATH).json)
    assert keys.count("ada") == 1
    assert len(keys) == 1 + statuses.count(200)

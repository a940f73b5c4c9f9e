"""Bad input over HTTP: a clear 4xx or a listed validation error, never a 5xx, and the lane goes on."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from infra.local.patience import wait_while_it_moves
from tests.local.tenant import BATCH, EVENT, Tenant, calls

MALFORMED = [
    b"",
    b"{",
    b"not json",
    b"[]",
    b"null",
    b"42",
    b'"text"',
    b"\xff\xfe",
    b'{"specversion":"1.0"}',
    b"[" * 5_000,
    b'{"a":' * 5_000,
]


def post(tenant: Tenant, body: bytes, content_type: str = EVENT, **headers: str) -> httpx.Response:
    return tenant.http.post("/api/v1/events", content=body, headers={"Content-Type": content_type, **headers})


def event(**changes: Any) -> dict[str, Any]:
    return calls(1)[0] | changes


def is_a_clear_refusal(answer: httpx.Response, *statuses: int) -> bool:
    """A problem document that says something."""
    body = answer.json()
    return (
        answer.status_code in (statuses or (400,))
        and answer.headers["content-type"] == "application/problem+json"
        and body["status"] == answer.status_code
        and bool(body["detail"])
    )


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_bodies_are_refused(tenant: Tenant, body: bytes) -> None:
    for content_type in (EVENT, BATCH, "application/json"):
        assert is_a_clear_refusal(post(tenant, body, content_type))


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/json; charset=latin-1"])
def test_other_content_types_are_refused(tenant: Tenant, content_type: str) -> None:
    assert is_a_clear_refusal(post(tenant, json.dumps(event()).encode(), content_type), 400, 415)


def test_gzip_that_the_gateway_takes_for_a_text_is_told_which_types_it_takes_for_bytes(tenant: Tenant) -> None:
    body = gzip.compress(json.dumps(event()).encode())
    answer = post(tenant, body, "application/json", **{"Content-Encoding": "gzip"})
    assert is_a_clear_refusal(answer, 415)
    assert EVENT in answer.text


def test_something_that_is_not_gzip_is_refused(tenant: Tenant) -> None:
    assert is_a_clear_refusal(post(tenant, b"not gzip", EVENT, **{"Content-Encoding": "gzip"}))


def test_eleven_megabytes_are_too_large(tenant: Tenant) -> None:
    assert is_a_clear_refusal(post(tenant, json.dumps(event(data={"x": "y" * 11_000_000})).encode()), 413)


def test_more_than_ten_thousand_events_are_too_many(tenant: Tenant) -> None:
    assert is_a_clear_refusal(tenant.send([{"id": str(number)} for number in range(10_001)]), 413)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": 7},
        {"id": None},
        {"source": ""},
        {"type": ""},
        {"subject": ""},
        {"specversion": "9"},
        {"time": "yesterday"},
        {"time": 1_700_000_000},
        {"data": "text"},
        {"id": "x" * 5_000},
    ],
    ids=str,
)
def test_a_bad_field_is_named(tenant: Tenant, changes: dict[str, Any]) -> None:
    answer = post(tenant, json.dumps(event(**changes)).encode())
    assert is_a_clear_refusal(answer)
    (field,) = {name for name in changes if name in answer.text}
    assert field in changes


def test_a_time_too_far_ahead_or_back_is_refused(tenant: Tenant) -> None:
    for shift in (timedelta(hours=3), timedelta(days=-60)):
        time = (datetime.now(UTC) + shift).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = post(tenant, json.dumps(event(time=time)).encode())
        assert is_a_clear_refusal(answer)
        assert "time" in answer.text


def test_one_bad_event_refuses_the_whole_batch_and_names_its_place(tenant: Tenant) -> None:
    meter = tenant.count_meter()
    events = calls(5)
    events[3]["subject"] = ""
    answer = tenant.send(events)
    assert is_a_clear_refusal(answer)
    assert "3" in answer.text
    assert "subject" in answer.text
    tenant.stays_at(meter, 0)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1" * 400, "1e999999999", "0." + "1" * 400])
def test_a_value_that_cannot_be_counted_never_breaks_anything(tenant: Tenant, value: str) -> None:
    meter = tenant.sum_meter()
    as_text = json.dumps(event(data={"tokens": value})).encode()
    as_number = (
        json.dumps(event(id="number", data={"tokens": 0}))
        .encode()
        .replace(b'"tokens": 0', b'"tokens": ' + value.encode())
    )
    for body in (as_text, as_number):
        answer = post(tenant, body)
        assert answer.status_code == 204 or is_a_clear_refusal(answer), answer.text
    assert tenant.send(calls(1, prefix="good", tokens=5)).status_code == 204
    tenant.reaches(meter, 5)


@pytest.mark.parametrize(
    "text",
    ["日本語", "a b", "a\tb", "a\nb", "\x00", "\x7f", "a#b", "../../x", "%2F", "🧾", "\u202e", "\ud800", "'\""],
    ids=ascii,
)
def test_any_character_in_ids_and_subjects_is_counted_or_refused(tenant: Tenant, text: str) -> None:
    meter = tenant.count_meter()
    before = 0
    for changes in ({"id": text}, {"source": text}, {"subject": text}):
        body = json.dumps(event(**{"id": f"id-{before}", **changes})).encode()
        answer = post(tenant, body)
        assert answer.status_code == 204 or is_a_clear_refusal(answer), answer.text
        before += answer.status_code == 204
    assert tenant.send(calls(1, prefix="good")).status_code == 204
    tenant.reaches(meter, before + 1)


def test_ten_thousand_groups_are_counted_without_loss(tenant: Tenant) -> None:
    meter = tenant.sum_meter(session="$.session")
    events = [
        {**sent, "subject": "one", "data": {"tokens": 1, "session": f"session-{number}"}}
        for number, sent in enumerate(calls(10_000))
    ]
    for start in range(0, len(events), 5_000):
        assert tenant.send(events[start : start + 5_000]).status_code == 204
    tenant.reaches(meter, 10_000)


def test_an_unknown_field_in_a_request_of_the_api_is_refused_or_ignored_clearly(tenant: Tenant) -> None:
    body = {"slug": "calls", "eventType": "call", "aggregation": "COUNT", "colour": "red"}
    answer = tenant.http.post("/api/v1/meters", json=body)
    assert is_a_clear_refusal(answer)
    assert "colour" in answer.text


def test_an_event_no_meter_wants_is_taken_and_disturbs_nothing(tenant: Tenant) -> None:
    meter = tenant.count_meter()
    assert post(tenant, json.dumps(event(type="something-else")).encode()).status_code == 204
    assert tenant.send(calls(2, prefix="wanted")).status_code == 204
    tenant.reaches(meter, 2)


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1/nothing", "/api/v9/meters", "/favicon.ico"])
def test_an_unknown_path_is_a_clear_404(tenant: Tenant, path: str) -> None:
    assert is_a_clear_refusal(tenant.http.get(path), 404)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"[1]", b'{"slug": 7}', b"\xff"])
def test_bad_bodies_of_the_api_are_refused(tenant: Tenant, body: bytes) -> None:
    for path in ("meters", "customers", "features", "plans", "subscriptions", "api-keys"):
        answer = tenant.http.post(f"/api/v1/{path}", content=body, headers={"Content-Type": "application/json"})
        assert is_a_clear_refusal(answer), f"{path}: {answer.status_code} {answer.text}"


def test_an_uncountable_value_is_listed_with_its_reason(tenant: Tenant) -> None:
    tenant.sum_meter()
    assert post(tenant, json.dumps(event(data={"tokens": "many"})).encode()).status_code == 204

    def listed() -> str:
        answer = tenant.http.get("/api/v1/rejects")
        assert answer.status_code == 200, answer.text
        return answer.text

    wait_while_it_moves(listed, lambda text: "many" in text, "the reject to be listed")

"""The genuine Python SDK, unchanged, does its metering work on the whole stack."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from corehttp.exceptions import HttpResponseError, ResourceExistsError
from openmeter import models

from tests.local.tenant import Event, Tenant

START = (datetime.now(UTC) - timedelta(hours=6)).replace(minute=0, second=0, microsecond=0)
RANGE: dict[str, Any] = {"from_parameter": START, "to": START + timedelta(hours=3)}
METER = {
    "slug": "tokens",
    "eventType": "call",
    "aggregation": "SUM",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}
TOTAL = 1_111


def event(event_id: str, tokens: int, model: str, subject: str, minute: int) -> Event:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "python",
        "type": "call",
        "subject": subject,
        "time": (START + timedelta(minutes=minute)).isoformat(),
        "data": {"tokens": tokens, "model": model},
    }


EVENTS = [
    event("one", 1, "small", "acme", 1),
    event("two", 10, "small", "acme", 70),
    event("three", 100, "large", "globex", 2),
    event("four", 1_000, "large", "acme", 130),
]


@pytest.fixture
def used(tenant: Tenant) -> Tenant:
    """A tenant whose four events came in every way the SDK sends, each of them twice."""
    tenant.sdk.meters.create(METER)
    for _ in range(2):
        tenant.sdk.events.ingest_event(EVENTS[0])
        tenant.sdk.events.ingest_events(EVENTS[1:3])
        tenant.sdk.events.ingest_events_json(EVENTS[3:])
    tenant.settles_at("tokens", TOTAL)
    return tenant


def test_a_meter_lives_its_life(tenant: Tenant) -> None:
    meters = tenant.sdk.meters
    made = meters.create(METER)
    assert made.created_at.tzinfo is not None
    with pytest.raises(ResourceExistsError):
        meters.create(METER)
    assert meters.update("tokens", {"name": "Tokens", "groupBy": {"model": "$.model"}}).name == "Tokens"
    assert meters.get(made.id).slug == "tokens"
    assert [each.slug for each in meters.list(page=1, page_size=5, order="DESC", order_by="createdAt")] == ["tokens"]
    meters.delete("tokens")
    with pytest.raises(HttpResponseError) as missing:
        meters.get("tokens")
    assert missing.value.status_code == 404


def test_usage_is_queried_as_json_as_csv_and_with_filters(used: Tenant) -> None:
    meters = used.sdk.meters
    hourly = meters.query_json("tokens", **RANGE, window_size="HOUR").data
    assert [(row.window_start, row.value) for row in hourly] == [
        (START, 101),
        (START + timedelta(hours=1), 10),
        (START + timedelta(hours=2), 1_000),
    ]
    grouped = meters.query_json("tokens", **RANGE, group_by=["subject", "model"], subject=["acme", "globex"]).data
    assert {(row.subject, row.group_by["model"]): row.value for row in grouped} == {
        ("acme", "small"): 11,
        ("acme", "large"): 1_000,
        ("globex", "large"): 100,
    }
    assert [row.value for row in meters.query_json("tokens", filter_group_by={"model": "small"}).data] == [11]
    request = models.MeterQueryRequest(
        group_by=["model"], advanced_meter_group_by_filters={"model": models.FilterString(ne="small")}
    )
    assert [(row.group_by["model"], row.value) for row in meters.query("tokens", request).data] == [("large", 1_100)]
    csv = meters.query_csv("tokens", **RANGE, group_by=["model"])
    lines = (csv if isinstance(csv, str) else b"".join(csv).decode()).strip().splitlines()
    assert lines[0] == "window_start,window_end,model,value"
    assert {line.split(",")[2]: float(line.split(",")[3]) for line in lines[1:]} == {"small": 11, "large": 1_100}


def test_events_are_listed_newest_first_and_page_by_page(used: Tenant) -> None:
    newest = used.sdk.events.list(from_parameter=START)
    assert [each.event.id for each in newest] == ["four", "two", "three", "one"]
    assert [each.event.data["tokens"] for each in newest] == [1_000, 10, 100, 1]
    assert [each.event.id for each in used.sdk.events.list(subject="glob", from_parameter=START)] == ["three"]
    assert [each.event.id for each in used.sdk.events.list(limit=1, from_parameter=START)] == ["four"]
    paged = used.sdk.events_v2.list(limit=2)
    assert sorted(each.event.id for each in paged) == ["four", "one", "three", "two"]


def test_subjects_and_values_of_a_meter_are_told(used: Tenant) -> None:
    assert sorted(used.sdk.meters.list_subjects("tokens")) == ["acme", "globex"]
    assert sorted(used.sdk.meters.list_group_by_values("tokens", "model", from_parameter=START)) == ["large", "small"]


def test_a_refusal_is_the_sdks_own_error_with_our_words(tenant: Tenant) -> None:
    refused: Any
    with pytest.raises(HttpResponseError) as refused:
        tenant.sdk.meters.create(METER | {"slug": "Not A Slug"})
    assert refused.value.status_code == 400
    assert "slug must be lower-case letters" in refused.value.model.detail
    with pytest.raises(HttpResponseError) as refused:
        tenant.sdk.events.ingest_event({**EVENTS[0], "subject": ""})
    assert "subject" in refused.value.model.detail

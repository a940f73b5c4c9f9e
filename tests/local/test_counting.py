"""Usage over HTTP on the whole stack: what is sent once is counted once, also after crashes in between."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.local.patience import wait_while_it_moves
from tests.local.tenant import BATCH, Tenant, calls
from tests.local.workers import kill, workers

THOUSAND = 1_000


def test_the_genuine_sdk_creates_a_meter_sends_and_queries(tenant: Tenant) -> None:
    meter = tenant.sdk.meters.create(
        {
            "slug": "tokens",
            "eventType": "call",
            "aggregation": "SUM",
            "valueProperty": "$.tokens",
            "groupBy": {"model": "$.model"},
        }
    )
    assert meter.slug == "tokens"
    first, *rest = calls(10, model="small")
    tenant.sdk.events.ingest_event(first)
    tenant.sdk.events.ingest_events(rest)
    tenant.sdk.events.ingest_events_json(calls(5, prefix="json", model="large"))
    tenant.reaches("tokens", sum(range(10)) + sum(range(5)))
    rows = tenant.sdk.meters.query("tokens", {"groupBy": ["model"]}).data
    assert {row.group_by["model"]: row.value for row in rows} == {"small": 45.0, "large": 10.0}


def test_a_thousand_events_sent_three_times_with_a_function_killed_in_between_count_a_thousand(tenant: Tenant) -> None:
    meter = tenant.count_meter()
    events = calls(THOUSAND)
    assert tenant.send(events).status_code == 204
    # The stream is read once a second: by now the first copies are on their way or being counted.
    for pid in wait_while_it_moves(lambda: workers(tenant.stack, "StreamAggregateFunctionName"), bool, "a worker"):
        kill(pid)
    assert tenant.send(events).status_code == 204
    for pid in workers(tenant.stack, "HttpIngestFunctionName"):
        kill(pid)
    wait_while_it_moves(lambda: tenant.send(events).status_code, lambda status: status == 204, "ingest to come back")
    tenant.settles_at(meter, THOUSAND)


def test_the_same_ids_with_a_time_ten_minutes_later_are_not_counted_again(tenant: Tenant) -> None:
    meter = tenant.count_meter()
    events = calls(20)
    assert tenant.send(events).status_code == 204
    tenant.settles_at(meter, 20)
    later = (datetime.now(UTC) + timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert tenant.send([event | {"time": later} for event in events]).status_code == 204
    assert tenant.send(calls(1, prefix="marker")).status_code == 204
    tenant.settles_at(meter, 21)


def test_an_event_accepted_after_the_meter_was_created_counts(tenant: Tenant) -> None:
    for number in range(3):
        meter = tenant.count_meter(f"meter_{number}")
        assert tenant.send(calls(1, prefix=f"after-{number}")).status_code == 204
        tenant.reaches(meter, 1)


def test_decimals_are_summed_exactly(tenant: Tenant) -> None:
    meter = tenant.sum_meter()
    cents = [event | {"data": {"tokens": "0.1"}} for event in calls(30)]
    assert tenant.send(cents).status_code == 204
    tenant.reaches(meter, Decimal("3.0"))


def test_a_range_is_exact_to_the_second(tenant: Tenant) -> None:
    meter = tenant.count_meter()
    start = (datetime.now(UTC) - timedelta(hours=5)).replace(minute=10, second=0, microsecond=0)
    events = [
        event | {"time": (start + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")}
        for number, event in enumerate(calls(60))
    ]
    assert tenant.send(events).status_code == 204
    tenant.reaches(meter, 60)
    shown = [(start + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ") for second in (7, 41)]
    assert tenant.total(meter, **{"from": shown[0], "to": shown[1]}) == 34


@pytest.mark.parametrize("content_type", [BATCH, f"{BATCH}; charset=utf-8"])
def test_gzip_and_a_charset_are_understood(tenant: Tenant, content_type: str) -> None:
    meter = tenant.count_meter()
    body = gzip.compress(json.dumps(calls(50)).encode())
    headers = {"Content-Type": content_type, "Content-Encoding": "gzip"}
    answer = tenant.http.post("/api/v1/events", content=body, headers=headers)
    assert answer.status_code == 204, answer.text
    tenant.reaches(meter, 50)


def test_one_tenants_usage_is_invisible_to_another(tenant: Tenant, other_tenant: Tenant) -> None:
    for each in (tenant, other_tenant):
        each.count_meter()
    assert tenant.send(calls(7)).status_code == 204
    assert other_tenant.send(calls(3)).status_code == 204
    tenant.reaches("calls", 7)
    other_tenant.reaches("calls", 3)


def test_what_a_meter_counted_is_told_by_subject_and_window(tenant: Tenant) -> None:
    meter = tenant.count_meter()
    assert tenant.send(calls(20)).status_code == 204
    tenant.reaches(meter, 20)
    answer: dict[str, Any] = tenant.http.get(
        f"/api/v1/meters/{meter}/query", params={"windowSize": "HOUR", "subject": ["subject-1", "subject-2"]}
    ).json()
    by_subject = {row["subject"]: row["value"] for row in answer["data"]}
    assert by_subject == {"subject-1": 2, "subject-2": 2}

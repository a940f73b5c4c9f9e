"""Two tenants at both doors on DynamoDB Local: one floods, the other is answered."""

import gzip
import itertools
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions import names
from functions.adapters.dynamo.access.bucket_store import DynamoBuckets
from functions.application.access import charges
from functions.application.ports.buckets import BucketsFailed
from functions.domain.metering.values.event import Pack
from functions.domain.rate_limit import SECOND
from functions.handlers import http_api
from functions.handlers.metering import http_ingest
from functions.handlers.wiring import access, base
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client, Response, payload
from tests.handlers.metering.world import LANES, Metering
from tests.handlers.portal import Page, make, wire_vault

LIMITS = "calls=5 questions=5 requests=50 bytes=20000"
BATCH = {"content-type": "application/cloudevents-batch+json"}
FLOOD = 100


class Clock:
    now = 1_764_000_000 * SECOND


@pytest.fixture
def clock(dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Microseconds of the limiter only; every container it makes is a cold one."""
    monkeypatch.setenv(names.ENV_RATE_LIMITS, LIMITS)
    monkeypatch.setenv(names.ENV_LANES, str(LANES.count))
    monkeypatch.setattr(charges, "SLOW_SECONDS", 3_600)  # the test's machine may be slow
    clock = Clock()
    monkeypatch.setattr(base, "microseconds", lambda: clock.now)
    access.buckets.cache_clear()
    access.rate_limiter.cache_clear()
    yield clock
    access.buckets.cache_clear()
    access.rate_limiter.cache_clear()


def ingest(count: int, tenant: str, data: str = "") -> Response:
    event = {"specversion": "1.0", "source": "s", "type": "call", "subject": "c", "data": {"text": data}}
    events = [event | {"id": f"{tenant}-{n}"} for n in range(count)]
    return Client(http_ingest.handler, tenant).post("/api/v1/events", json.dumps(events), headers=BATCH)


def test_a_tenant_that_floods_the_api_is_refused_and_the_other_is_not(api: Client, clock: Clock) -> None:
    flooding, quiet = api.acting_as("admin", "flooding"), api.acting_as("admin", "quiet")
    seen = []
    for step in range(FLOOD):
        clock.now += SECOND // 100
        seen.append(flooding.get("/api/v1/meters").status)
        if step % 10 == 0:
            assert quiet.get("/api/v1/meters").status == 200
    assert set(seen) == {200, 429}
    # Four fifths of the burst of 15 seconds and of the rate are its one key's.
    assert 60 <= seen.count(200) <= 64


def test_a_refusal_is_a_problem_that_names_limit_remedy_and_time(api: Client, clock: Clock) -> None:
    while (refused := api.get("/api/v1/customers")).status == 200:
        pass
    assert (refused.status, refused.content_type) == (429, "application/problem+json")
    assert [each["code"] for each in refused.json["extensions"]["validationErrors"]] == ["rate_limited"]
    assert "This API key is above its limit 'key-calls': 4 requests a second" in refused.json["detail"]
    assert "spread the calls" in refused.json["detail"]
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit-policy"] == '"key-calls";q=4;w=1'
    assert refused.headers["ratelimit"] == '"key-calls";r=0;t=1'
    clock.now += SECOND
    assert api.get("/api/v1/customers").status == 200


@pytest.mark.parametrize(("query", "status"), [("", 204), ("partial=true", 200)])
def test_an_answer_to_events_says_what_is_left_of_each_limit_once(
    dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch, clock: Clock, query: str, status: int
) -> None:
    Metering(dynamodb, monkeypatch)
    event = {"specversion": "1.0", "source": "s", "type": "call", "subject": "c", "data": {"text": "x" * 600}}
    body = gzip.compress(json.dumps([event | {"id": str(n)} for n in range(2)]).encode())
    zipped = BATCH | {"content-encoding": "gzip"}
    sent = payload("POST", "/api/v1/events", params=query, body=body, headers=zipped)
    answers = [http_ingest.handler(sent, None) for _ in range(2)]
    assert {each["statusCode"] for each in answers} == {status}
    assert {each["headers"]["RateLimit-Policy"] for each in answers} == {
        '"key-requests";q=40;w=1, "tenant-requests";q=50;w=1, '
        '"key-bytes";q=16000;w=1;qu="content-bytes", "tenant-bytes";q=20000;w=1;qu="content-bytes"'
    }
    first, second = ([int(n) for n in re.findall(r"r=(\d+)", each["headers"]["RateLimit"])] for each in answers)
    inflated = len(gzip.decompress(body))
    assert [one - other for one, other in zip(first, second, strict=True)] == [2, 2, inflated, inflated]
    assert first[0] == 40 * 15 - 2


def test_an_answer_says_what_is_left(api: Client, clock: Clock) -> None:
    answers = [api.get("/api/v1/meters") for _ in range(3)]
    assert {each.headers["ratelimit-policy"] for each in answers} == {'"key-calls";q=4;w=1, "tenant-calls";q=5;w=1'}
    left = [[int(each) for each in re.findall(r"r=(\d+)", answer.headers["ratelimit"])] for answer in answers]
    assert left == [[59, 74], [58, 73], [57, 72]]


def test_a_key_that_runs_wild_leaves_a_fifth_to_the_others_of_its_tenant(api: Client, clock: Clock) -> None:
    def call(key: str) -> int:
        event = payload("GET", "/api/v1/meters")
        event["requestContext"]["authorizer"]["lambda"]["key_id"] = key
        return int(http_api.handler(event, None)["statusCode"])

    assert [call("wild") for _ in range(FLOOD)].count(200) == 60
    assert [call("tame") for _ in range(15)] == [200] * 15
    refused = json.loads(http_api.handler(payload("GET", "/api/v1/meters"), None)["body"])
    assert "This tenant is above its limit 'tenant-calls'" in refused["detail"]


def test_pages_are_charged_to_their_tenant_and_leave_something_to_others(
    api: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 75 calls at once one subject has 7, all pages together 60, and the keys of the tenant the others."""
    wire_vault(monkeypatch)

    def page(subject: str) -> Page:
        return Page(make(api.acting_as("admin", "acme"), subject=subject)["token"])

    monkeypatch.setenv(names.ENV_RATE_LIMITS, "")
    wild, again, *others = (page(subject) for subject in ("wild", "wild", *(f"s{n}" for n in range(9))))
    monkeypatch.setenv(names.ENV_RATE_LIMITS, LIMITS)
    answers = [each.query("m") for _ in range(10) for each in (wild, again)]
    assert [each.status for each in answers].count(404) == 7
    refused = answers[-1]
    assert refused.status == 429
    assert "This holder of portal tokens is above its limit 'holder-calls'" in refused.json["detail"]
    tame = [each.query("m") for _ in range(7) for each in others]
    assert [each.status for each in tame].count(404) == 60 - 7
    assert "This portal is above its limit 'portal-calls'" in tame[-1].json["detail"]
    keys = [api.acting_as("admin", "acme").get("/api/v1/meters").status for _ in range(20)]
    assert (keys.count(200), keys.count(429)) == (15, 5)
    assert api.get("/api/v1/meters").status == 200


def test_the_limit_holds_over_all_containers(api: Client, clock: Clock) -> None:
    answered = 0
    for _ in range(FLOOD):
        access.rate_limiter.cache_clear()  # another container
        answered += api.get("/api/v1/meters").status == 200
    assert answered == 60


def test_expensive_questions_have_a_smaller_limit_and_leave_cheap_calls_alone(
    api: Client, clock: Clock, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    Metering(dynamodb, monkeypatch)
    meter = {"slug": "m", "eventType": "call", "aggregation": "COUNT"}
    assert api.post("/api/v1/meters", meter).status == 201
    exact = [api.get("/api/v1/meters/m/query", {"exact": "true"}).status for _ in range(3)]
    by_body = [api.post("/api/v1/meters/m/query", {"exact": True}) for _ in range(2)]
    assert exact + [each.status for each in by_body] == [200, 200, 200, 200, 429]
    assert "'key-questions': 4 requests a 60 seconds" in by_body[1].json["detail"]
    assert by_body[1].headers["retry-after"] == "15"
    backtest = {"customers": ["c"], "periods": [{"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}]}
    assert api.post("/api/v1/plans/p/backtest", backtest).status == 429
    assert api.get("/api/v1/meters/m/query").status == 200
    assert api.acting_as("admin", "other").post("/api/v1/plans/p/backtest", backtest).status == 404


def test_the_expensive_routes_are_these() -> None:
    assert sorted(route.key for route in http_api.routes() if route.costs == "question") == [
        "GET /api/v1/audit/metering",
        "GET /api/v1/billing/invoices/<invoice_id>/lines/<line_id>/explanation",
        "GET /api/v1/debug/metrics",
        "GET /api/v1/plans/<plan_id>/versions",
        "GET /api/v1/subjects/<subject>/entitlements/<entitlement>/history",
        "GET /api/v1/subscriptions/<subscription_id>/upcoming-invoice",
        "GET /api/v2/customers/<customer>/entitlements/<entitlement>/history",
        "GET /api/v2/customers/<customer>/entitlements/<entitlement>/late-events",
        "POST /api/v1/archive/queries",
        "POST /api/v1/billing/customers/<customer_id>/invoices/simulate",
        "POST /api/v1/billing/invoices/invoice",
        "POST /api/v1/entitlements/backfill",
        "POST /api/v1/meters/<id_or_slug>/backfill",
        "POST /api/v1/plans/<plan_id>/backtest",
        "POST /api/v1/plans/<plan_id>/migrate-all",
        "POST /api/v1/rejects/replay",
        "POST /api/v3/openmeter/entitlement-access/query",
    ]


@pytest.mark.parametrize("wrong", ["/api/v1/nothing", "/api/v1/meters?unknown=1"])
def test_a_flood_of_wrong_requests_is_limited_too(api: Client, clock: Clock, wrong: str) -> None:
    path, _, query = wrong.partition("?")
    statuses = [api.get(path, query).status for _ in range(75)]
    assert statuses[0] in (400, 404) and statuses[-1] == 429


def test_an_operator_pays_with_its_own_budget_for_whom_it_acts(api: Client, clock: Clock) -> None:
    for _ in range(FLOOD):
        api.get("/api/v1/meters", {"tenant": "acme"})
    assert api.get("/api/v1/meters", {"tenant": "acme"}).status == 429
    assert api.acting_as("admin", "acme").get("/api/v1/meters").status == 200


def test_a_tenant_that_floods_ingest_is_refused_and_the_other_is_not(
    dynamodb: DynamoDb, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    metering = Metering(dynamodb, monkeypatch)
    seen = []
    for step in range(FLOOD):
        clock.now += SECOND // 100
        seen.append(ingest(20, "flooding", "x" * 400))
        if step % 10 == 0:
            assert ingest(1, "quiet").status == 204
    statuses = [each.status for each in seen]
    assert set(statuses) == {204, 429}
    refused = next(each for each in seen if each.status == 429)
    assert "'key-bytes': 16000 bytes a second" in refused.json["detail"]
    assert refused.headers["ratelimit-policy"] == '"key-bytes";q=16000;w=1;qu="content-bytes"'
    assert int(refused.headers["retry-after"]) >= 1
    taken = [each for each in metering.stream.records if isinstance(each, Pack) and each.tenant == "flooding"]
    assert len(taken) == statuses.count(204)


def test_small_requests_are_limited_by_the_records_they_make(
    dynamodb: DynamoDb, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    Metering(dynamodb, monkeypatch)
    statuses = [ingest(1, "flooding").status for _ in range(650)]
    assert statuses.count(204) == 40 * 15
    assert ingest(1, "quiet").status == 204


def test_events_that_were_refused_are_counted_when_they_are_sent_again(
    dynamodb: DynamoDb, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    metering = Metering(dynamodb, monkeypatch)
    while (refused := ingest(20, "acme", "x" * 400)).status == 204:
        pass
    sent = len(metering.stream.records)
    clock.now += int(refused.headers["retry-after"]) * SECOND
    assert ingest(20, "acme", "x" * 400).status == 204
    assert len(metering.stream.records) == sent + 1


def test_counting_that_costs_more_than_its_bytes_is_taken_from_its_tenant(
    dynamodb: DynamoDb, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    metering, now = Metering(dynamodb, monkeypatch), datetime.now(UTC)
    late = [
        {"specversion": "1.0", "id": f"l{n}", "source": "s", "type": "call", "subject": "c", "data": {}}
        | {"time": (now - timedelta(hours=2, minutes=5 * n)).isoformat()}
        for n in range(20)
    ]
    sent = Client(http_ingest.handler, "late").post("/api/v1/events", json.dumps(late), headers=BATCH)
    assert sent.status == 204
    assert ingest(1, "quiet").status == 204
    assert metering.aggregate()["batchItemFailures"] == []
    # 20 buckets of long ago are 500,000 bytes: ten seconds of burst and a rate of 20,000 a second are not enough.
    access.rate_limiter.cache_clear()
    refused = ingest(1, "late")
    assert refused.status == 429
    assert "events of long ago" in refused.json["detail"]
    assert 5 <= int(refused.headers["retry-after"]) <= 25
    assert ingest(1, "quiet").status == 204
    clock.now += int(refused.headers["retry-after"]) * SECOND
    assert ingest(1, "late").status == 204


def test_a_slow_call_counts_as_many(api: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quiet = api.acting_as("admin", "slow"), api.acting_as("admin", "quiet")
    monkeypatch.setattr(charges, "SLOW_SECONDS", 0.5)
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks) * 2.0)  # every call takes two seconds
    assert slow.get("/api/v1/meters").status == 200
    access.rate_limiter.cache_clear()
    assert slow.get("/api/v1/meters").status == 200
    access.rate_limiter.cache_clear()
    refused = slow.get("/api/v1/meters")
    assert refused.status == 429
    assert "a slow one counts once for each 0.05 s" in refused.json["detail"]
    assert quiet.get("/api/v1/meters").status == 200


def test_a_request_pays_for_how_it_came_before_it_is_inflated(
    dynamodb: DynamoDb, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    Metering(dynamodb, monkeypatch)
    refused = Client(http_ingest.handler, "flooding")
    headers = BATCH | {"content-encoding": "gzip"}
    statuses = [refused.post("/api/v1/events", "no gzip", headers=headers).status for _ in range(700)]
    assert set(statuses) == {400, 429}
    assert statuses.count(400) == 40 * 15


def test_corrections_pay_for_what_they_read(
    api: Client, dynamodb: DynamoDb, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    Metering(dynamodb, monkeypatch)
    flooding = api.acting_as("admin", "flooding")
    statuses = [flooding.post("/api/v1/events/corrections", "{}").status for _ in range(3)]
    assert statuses == [400, 429, 429]  # all that the bucket holds


def test_when_limits_cannot_be_kept_everything_is_answered_and_somebody_is_told(
    api: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise BucketsFailed("ThrottlingException")

    monkeypatch.setattr(DynamoBuckets, "take", fails)
    assert {api.get("/api/v1/meters").status for _ in range(FLOOD)} == {200}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = [line for line in lines if names.METRIC_LIMITER_FAILED in line]
    assert (told[names.METRIC_LIMITER_FAILED], told["level"], told["reason"]) == (1, "WARN", "ThrottlingException")
    assert told["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": names.METRIC_LIMITER_FAILED, "Unit": "Count"}]


def test_routes_without_a_key_are_left_to_the_gateway(api: Client, clock: Clock) -> None:
    event = payload("GET", "/api/v1/openapi.json")
    del event["requestContext"]["authorizer"]
    assert {http_api.handler(event, None)["statusCode"] for _ in range(FLOOD)} == {200}


def test_a_caller_that_stays_below_costs_a_write_for_many_calls(
    api: Client, clock: Clock, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(names.ENV_RATE_LIMITS, "calls=200 questions=120 requests=750 bytes=3000000")
    writes = []
    real = DynamoBuckets._update

    def noted(*asked: Any) -> Any:
        writes.append(asked)
        return real(*asked)

    monkeypatch.setattr(DynamoBuckets, "_update", noted)
    for _ in range(300):
        clock.now += SECOND // 10
        assert api.get("/api/v1/meters").status == 200
    assert len(writes) <= 30  # of two buckets, with the first leases, which are small

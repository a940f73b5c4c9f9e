"""A meter that comes after its events, on the whole stack: it counts history and what is on its way, each once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from infra.local.patience import wait_while_it_moves
from tests.local.tenant import Tenant, calls

FROM = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
OLD, LIVE = calls(200, prefix="old", ago=timedelta(days=1)), calls(50, prefix="live")
TOO_OLD = calls(30, prefix="too-old", ago=timedelta(days=5))
TOTAL = sum(range(200)) + sum(range(50))


def backfill(tenant: Tenant, slug: str) -> dict[str, Any]:
    answer = tenant.http.get(f"/api/v1/meters/{slug}/backfill")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["status"] != "failed", found
    return found


def is_done(found: dict[str, Any]) -> bool:
    return bool(found["status"] == "done")


def wait_until_done(tenant: Tenant, slug: str) -> None:
    """It waits a minute for its place when another one is being filled; then it says how many of how many are done."""
    wait_while_it_moves(lambda: backfill(tenant, slug), is_done, f"the backfill of {slug}")


def test_a_meter_created_later_counts_history_and_what_is_in_flight(tenant: Tenant) -> None:
    seen = tenant.count_meter("seen")
    assert tenant.send([*OLD, *TOO_OLD]).status_code == 204
    tenant.reaches(seen, 230)
    assert tenant.send(LIVE).status_code == 204
    body = {"slug": "later", "eventType": "call", "aggregation": "SUM", "valueProperty": "$.tokens", "eventFrom": FROM}
    tenant.made("/api/v1/meters", body)
    asked = tenant.http.get("/api/v1/meters/later/query").json()
    assert asked.get("partial") is True or is_done(backfill(tenant, "later"))
    wait_until_done(tenant, "later")
    tenant.settles_at("later", TOTAL)
    whole = tenant.http.get("/api/v1/meters/later/query", params={"groupBy": "subject", "exact": "true"})
    rows = whole.json(parse_float=Decimal, parse_int=Decimal)
    assert "partial" not in rows
    assert sum(row["value"] for row in rows["data"]) == TOTAL


def test_a_meter_that_is_there_is_filled_when_asked(tenant: Tenant) -> None:
    seen = tenant.count_meter("seen")
    assert tenant.send(OLD).status_code == 204
    tenant.reaches(seen, 200)
    meter = tenant.count_meter("later")
    assert tenant.send(LIVE).status_code == 204
    for _ in range(2):
        started = tenant.http.post(f"/api/v1/meters/{meter}/backfill", json={"eventFrom": FROM})
        assert started.status_code == 202, started.text
    wait_until_done(tenant, meter)
    tenant.settles_at(meter, 250)

"""What audits found is told to the operator, and to nobody else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from functions.adapters.dynamo.metering.audit_store import DynamoAuditResults
from functions.domain.metering.ledger.audit import Kind, LaneDay
from functions.domain.metering.ledger.ledger import Counts
from functions.handlers import http_api, settings
from functions.handlers.wiring import metering
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client

AUDITS = "/api/v1/audit/metering"


@pytest.fixture
def api(api: Client) -> Client:
    return api.acting_as("operator")


@pytest.fixture(autouse=True)
def results(dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> DynamoAuditResults:
    store = DynamoAuditResults(dynamodb.client, settings.usage_table())
    monkeypatch.setattr(metering, "audit_results", lambda: store)
    monkeypatch.setattr(settings, "lanes", lambda: 2)
    return store


def test_the_audits_of_a_day_are_listed_by_lane(api: Client, results: DynamoAuditResults) -> None:
    at = int(datetime(2026, 11, 24, 1, tzinfo=UTC).timestamp())
    for lane in (1, 0):
        result = LaneDay(lane, "2026-11-23", at, commits=2, counts=Counts(3, 1, 1, 0, 5, 1), archived=3)
        if lane:
            result.differ(Kind.COUNTER, "acme, subject ada", 3, 4)
        results.put(result)
    results.put(LaneDay(0, "2026-11-22", at))
    answer = api.get(AUDITS, {"day": "2026-11-23"})
    assert answer.status == 200, answer.text
    assert (answer.json["day"], answer.json["differenceCount"]) == ("2026-11-23", 1)
    assert (answer.json["auditedLanes"], answer.json["lanes"]) == (2, 2)
    first, second = answer.json["items"]
    assert (first["lane"], first["received"], first["redelivered"], first["differences"]) == (0, 5, 1, [])
    expected: Any = {"kind": Kind.COUNTER, "place": "acme, subject ada", "expected": "3", "found": "4"}
    assert second["differences"] == [expected]
    assert second["auditedAt"] == "2026-11-24T01:00:00Z"


def test_no_difference_is_said_only_of_a_day_whose_lanes_are_all_audited(
    api: Client, results: DynamoAuditResults
) -> None:
    for audited in (0, 1):
        answer = api.get(AUDITS, {"day": "2026-11-23"}).json
        assert (answer["auditedLanes"], answer["lanes"], answer["differenceCount"]) == (audited, 2, None)
        results.put(LaneDay(audited, "2026-11-23", 1))
    assert api.get(AUDITS, {"day": "2026-11-23"}).json["differenceCount"] == 0


def test_a_difference_is_said_also_while_a_lane_is_left(api: Client, results: DynamoAuditResults) -> None:
    result = LaneDay(1, "2026-11-23", 1)
    result.differ(Kind.COUNTER, "acme", 3, 4)
    results.put(result)
    answer = api.get(AUDITS, {"day": "2026-11-23"}).json
    assert (answer["auditedLanes"], answer["differenceCount"]) == (1, 1)


def test_without_a_day_it_is_today(api: Client) -> None:
    assert api.get(AUDITS).json["items"] == []


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "2026-11-23T00:00:00Z"])
def test_a_day_is_a_date(api: Client, day: str) -> None:
    answer = api.get(AUDITS, {"day": day})
    assert answer.status == 400
    assert "2026-11-23" in answer.text


@pytest.mark.parametrize(("tenant", "scopes"), [("acme", "admin"), ("default", "admin"), ("default", "read ingest")])
def test_who_is_no_operator_does_not_see_it(tenant: str, scopes: str) -> None:
    assert Client(http_api.handler, tenant, scopes).get(AUDITS).status == 403

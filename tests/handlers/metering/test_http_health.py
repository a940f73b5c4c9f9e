"""How the deployment is, for monitors without a key, on DynamoDB Local."""

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions import names
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.dynamo.metering.progress_store import DynamoProgress
from functions.adapters.look_back_store import StoredLookBacks
from functions.application.ports.health import LaneProgress
from functions.domain.metering.ledger.ledger import Commit, Counts
from functions.domain.metering.ledger.look_back import LookBack
from functions.domain.metering.values.event import AcceptanceWindow
from functions.handlers import http_api
from functions.handlers.metering import http_health
from functions.handlers.wiring import base, metering
from infra.local import paths
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client, Response, payload

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
LANES = 3


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def ledger(dynamodb: DynamoDb) -> DynamoLedger:
    return DynamoLedger(dynamodb.client, dynamodb.usage_table, AcceptanceWindow(3_888_000, 3_600, 86_400))


@pytest.fixture
def clock(api: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(base, "clock", lambda: clock)
    monkeypatch.setenv(names.ENV_LANES, str(LANES))
    yield clock
    http_health.forget()


@pytest.fixture
def look_backs(dynamodb: DynamoDb) -> StoredLookBacks:
    bucket: Any = Bucket()  # a client of S3 has more than is called here
    return StoredLookBacks(dynamodb.client, dynamodb.usage_table, bucket, "archive", lambda: "a")


class Bucket:
    """Where parts would be kept, which health does not read."""

    def put_object(self, **_: Any) -> None: ...

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        return {}


def commit(lane: int, n: int, decided_at: int) -> Commit:
    return Commit(lane, n, "a", decided_at, decided_at, {}, [], [], [], [], [], "", b"", Counts(), {})


def health() -> Response:
    event = payload("GET", "/healthz")
    del event["requestContext"]["authorizer"], event["headers"]["authorization"]
    return Client(http_api.handler).send(event)


def asked(clock: Clock) -> Any:
    """Anew, as another process would."""
    http_health.forget()
    return Client(http_api.handler).get("/healthz").json


def test_a_new_deployment_is_well_and_has_counted_nothing(clock: Clock) -> None:
    answer = health()
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=5"
    window = {"resendsKnownSince": "2026-10-14T12:00:00Z"}
    assert asked(clock) == {"status": "ok", "version": names.VERSION, "countedAge": 0, **window}


def test_a_route_without_a_key_has_no_tenant_to_name(clock: Clock) -> None:
    for path in ("/healthz", "/api/v1/openapi.json"):
        for params in ("tenant=acme", "foo=1"):
            answer = Client(http_api.handler).get(path, params)
            assert (answer.status, "It takes tenant" in answer.text) == (400, False), answer.text


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((paths.REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["version"] == names.VERSION


def test_the_age_is_that_of_the_oldest_decision_that_is_not_counted(clock: Clock, ledger: DynamoLedger) -> None:
    decided = {(0, 1): 900, (0, 2): 800, (0, 3): 30, (1, 1): 50, (2, 1): 700, (2, 2): 20}
    ledger.put_commits([commit(lane, n, SECONDS - ago) for (lane, n), ago in decided.items()])
    ledger.advance_heads({0: 3, 1: 1, 2: 2})
    said = {"status": "ok", "version": names.VERSION, "countedAge": 0, "lastCountedAt": "2026-11-28T11:59:40Z"}
    said["resendsKnownSince"] = "2026-11-28T11:00:00Z"  # nothing was kept yet
    assert asked(clock) == said
    ledger.put_commits([commit(2, 3, SECONDS - 12), commit(2, 4, SECONDS - 4), commit(1, 2, SECONDS - 7)])
    said["lastCountedAt"] = "2026-11-28T11:59:56Z"
    assert asked(clock) == said
    clock.time = NOW + timedelta(minutes=11)
    later = {"resendsKnownSince": "2026-11-28T11:11:00Z"}
    assert asked(clock) == said | {"countedAge": 672, "status": "behind"} | later


def test_resends_are_known_as_far_back_as_in_the_lane_that_knows_least(
    clock: Clock, ledger: DynamoLedger, look_backs: StoredLookBacks
) -> None:
    ledger.put_commits([commit(lane, 1, SECONDS) for lane in range(LANES)])
    whole = LookBack(1).whole(b"")
    for lane, since in enumerate((0, SECONDS - 86_400, 0)):
        look_backs.keep(lane, None, whole, 1, since)
    assert asked(clock)["resendsKnownSince"] == "2026-11-27T12:00:00Z"
    first = look_backs.find(1)
    look_backs.keep(1, first, whole, 1, SECONDS - 60 * 86_400)
    assert asked(clock)["resendsKnownSince"] == "2026-10-14T12:00:00Z", "the acceptance window ends it"


def test_each_lane_says_how_far_it_is(dynamodb: DynamoDb, ledger: DynamoLedger) -> None:
    ledger.put_commits([commit(0, 1, 1_000_000), commit(0, 2, 1_000_060), commit(1, 1, 1_000_100)])
    ledger.advance_heads({0: 1})
    progress = DynamoProgress(dynamodb.client, dynamodb.usage_table)
    assert progress.of_lanes(3) == [
        LaneProgress(counted_at=1_000_060, waiting_since=1_000_060),
        LaneProgress(counted_at=1_000_100, waiting_since=1_000_100),
        LaneProgress(),
    ]


class Broken:
    def __init__(self) -> None:
        self.asked = 0

    def of_lanes(self, lanes: int) -> list[LaneProgress]:
        self.asked += 1
        raise ClientError({"Error": {"Code": "InternalServerError", "Message": "table usage-secret"}}, "Query")


def test_a_flood_costs_one_look_in_five_seconds_also_while_the_database_is_away(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Broken()
    with monkeypatch.context() as patched:
        patched.setattr(metering, "progress", lambda: broken)
        answers = [health() for _ in range(50)]
        assert {answer.status for answer in answers} == {503}
        assert answers[0].headers["retry-after"] == "5"
        assert "secret" not in answers[0].text
        assert broken.asked == 1
        clock.time += timedelta(seconds=5)
        health()
        assert broken.asked == 2
    assert health().status == 503, "kept for five seconds"
    clock.time += timedelta(seconds=5)
    assert health().status == 200


def test_it_reads_a_bounded_number_of_small_items_and_no_body(clock: Clock, ledger: DynamoLedger) -> None:
    ledger.put_commits([commit(lane, 1, SECONDS) for lane in range(LANES)])
    requests: list[Any] = []
    client = metering.progress()._client
    client.meta.events.register(
        "before-parameter-build.dynamodb.*", lambda model, params, **_: requests.append((model.name, params))
    )
    asked(clock)
    assert [name for name, _ in requests].count("Query") == LANES
    assert len(requests) <= 2 + 3 * LANES
    assert all("#expires" in params["ProjectionExpression"] for name, params in requests if name != "BatchGetItem")

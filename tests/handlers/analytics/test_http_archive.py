"""Questions to the archive over HTTP: validation, ownership and bounds; the engine is a script."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions import names
from functions.adapters.dynamo.metering.audit_store import DynamoAuditResults
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.application.analytics import ask_archive
from functions.application.ports.archive_query import Look, ResultPage
from functions.domain.analytics.archive_query import ArchiveQuestion, Counts, Progress
from functions.domain.errors import Unavailable
from functions.domain.metering.ledger.audit import LaneDay
from functions.handlers.wiring import analytics, base, metering
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client

METER = {
    "slug": "tokens",
    "eventType": "prompt",
    "aggregation": "SUM",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}
USAGE = {"query": "usage", "meter": "tokens", "from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00+01:00"}
PATH = "/api/v1/archive/queries"


@dataclass
class Script:
    """An engine that answers what the test wrote down."""

    asked: list[ArchiveQuestion] = field(default_factory=list)
    looks: Look = field(default_factory=lambda: Look(Progress.RUNNING))
    pages: ResultPage = field(default_factory=ResultPage)
    seen: list[tuple[str | None, int]] = field(default_factory=list)

    def start(self, question: ArchiveQuestion, token: str) -> str:
        assert 32 <= len(token) <= 128  # Athena's bounds
        self.asked.append(question)
        return f"execution-{len(self.asked)}"

    def look(self, execution_id: str) -> Look:
        return self.looks

    def page(self, execution_id: str, cursor: str | None, limit: int) -> ResultPage:
        self.seen.append((cursor, limit))
        return self.pages


@pytest.fixture
def engine(api: Client, monkeypatch: pytest.MonkeyPatch) -> Script:
    assert api.post("/api/v1/meters", METER).status == 201
    monkeypatch.setenv(names.ENV_LANES, "8")
    script = Script()
    monkeypatch.setattr(analytics, "engine", lambda: script)
    return script


def test_a_question_is_accepted_and_then_answered(api: Client, engine: Script) -> None:
    answer = api.post(PATH, USAGE | {"groupBy": ["model", "$.region", "subject"], "windowSize": "DAY"})
    assert (answer.status, answer.json["status"], answer.json["query"]) == (202, "QUEUED", "usage")
    path = f"{PATH}/{answer.json['id']}"
    assert api.get(path).json == answer.json | {"status": "RUNNING", "scannedBytes": 0}
    engine.looks = Look(Progress.SUCCEEDED, 1234)
    columns = ["window_start", "subject", "dimension_1", "dimension_2", "dimension_3", "total"]
    engine.pages = ResultPage(columns, [["2026-10-01", "acme", "small", "eu", "", 5]], "next")
    done = api.get(path, {"limit": 7, "cursor": "before"}).json
    assert (done["status"], done["scannedBytes"], done["nextCursor"]) == ("SUCCEEDED", 1234, "next")
    group = {"model": "small", "$.region": "eu"}
    assert done["rows"] == [{"windowStart": "2026-10-01", "subject": "acme", "total": 5, "groupBy": group}]
    assert engine.seen == [("before", 7)]


def test_a_question_names_tenant_range_and_partitions(api: Client, engine: Script) -> None:
    assert api.post(PATH, USAGE | {"subjects": ["a", "b", "a"], "filterGroupBy": {"model": ["x"]}}).status == 202
    (question,) = engine.asked
    assert (question.tenant, question.event_type, question.subjects) == ("default", "prompt", ("a", "b"))
    assert (question.start, question.end) == ("2026-10-01T00:00:00Z", "2026-10-31T23:00:00Z")
    assert (question.first_day, question.since) == ("2026-09-30", 0)
    assert question.dimensions[0].values == ("x",) and not question.dimensions[0].is_shown


def test_a_recount_takes_what_the_meter_counted(api: Client, engine: Script) -> None:
    assert api.post(PATH, USAGE | {"query": "recount"}).status == 202
    (question,) = engine.asked
    assert question.since > 0
    assert question.counts is Counts.NUMBERS


def test_a_meters_event_filter_is_asked_too(api: Client, engine: Script) -> None:
    chosen = METER | {"slug": "chosen", "eventFilter": {"$.region": {"$in": ["eu", "us"]}}}
    assert api.post("/api/v1/meters", chosen).status == 201
    assert api.post(PATH, USAGE | {"meter": "chosen", "groupBy": ["model"]}).status == 202
    shown = [(each.name, each.is_shown, each.values) for each in engine.asked[0].dimensions]
    assert shown == [("model", True, ()), ("$.region", False, ("eu", "us"))]


def test_a_meter_the_archive_cannot_filter_for_is_refused_rather_than_overcounted(api: Client, engine: Script) -> None:
    chosen = METER | {"slug": "chosen", "eventFilter": {"$.region": {"$like": "eu%"}}}
    assert api.post("/api/v1/meters", chosen).status == 201
    answer = api.post(PATH, USAGE | {"meter": "chosen"})
    assert (answer.status, answer.fields, engine.asked) == (400, ["meter"], [])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"query": "drop"}, "query"),
    ({"from": None}, "from"),
    ({"from": "2026-12-01T00:00:00Z"}, "from"),
    ({"from": "2025-01-01T00:00:00Z"}, "from"),
    ({"groupBy": ["nothing"]}, "groupBy"),
    ({"groupBy": ["$.a'b"]}, "groupBy"),
    ({"groupBy": ["$.a", "$.b", "$.c", "$.d"]}, "groupBy"),
    ({"filterGroupBy": {"nothing": ["x"]}}, "filterGroupBy"),
    ({"filterGroupBy": {"model": []}}, "filterGroupBy.model"),
    ({"query": "recount", "windowSize": "DAY"}, "groupBy"),
    ({"windowSize": "MINUTE"}, "windowSize"),
    ({"subjects": ["s"] * 101}, "subjects"),
    ({"sql": "SELECT 1"}, "sql"),
]


@pytest.mark.parametrize(("change", "field"), WRONG, ids=[f"{field}-{n}" for n, (_, field) in enumerate(WRONG)])
def test_a_wrong_question_is_refused_by_field(api: Client, engine: Script, change: dict[str, Any], field: str) -> None:
    answer = api.post(PATH, USAGE | change)
    assert (answer.status, engine.asked) == (400, []), answer.text
    assert field in answer.fields


def test_an_unknown_meter_is_not_found(api: Client, engine: Script) -> None:
    assert api.post(PATH, USAGE | {"meter": "nothing"}).status == 404


def test_a_tenant_never_sees_anothers_query(api: Client, engine: Script) -> None:
    query_id = api.post(PATH, USAGE).json["id"]
    engine.looks = Look(Progress.SUCCEEDED)
    stranger = api.acting_as("admin", "other")
    assert stranger.get(f"{PATH}/{query_id}").status == 404
    assert stranger.post(PATH, USAGE).status == 404  # it has no such meter
    assert engine.seen == []


def test_the_scope_read_is_needed_and_enough(api: Client, engine: Script) -> None:
    assert api.acting_as("ingest").post(PATH, USAGE).status == 403
    reader = api.acting_as("read")
    assert reader.get(f"{PATH}/{reader.post(PATH, USAGE).json['id']}").status == 200


@pytest.mark.parametrize("query_id", ["no-ulid", "01ARZ3NDEKTSV4RRFFQ69G5FAV"])
def test_a_query_nobody_asked_is_not_found(api: Client, engine: Script, query_id: str) -> None:
    assert api.get(f"{PATH}/{query_id}").status == 404


def test_a_query_over_its_byte_limit_says_how_to_narrow_it(api: Client, engine: Script) -> None:
    query_id = api.post(PATH, USAGE).json["id"]
    engine.looks = Look(Progress.CANCELLED, 99, is_too_large=True)
    answer = api.get(f"{PATH}/{query_id}").json
    assert answer["status"] == "CANCELLED" and "shorter range" in answer["error"] and "rows" not in answer


def test_a_failure_shows_nothing_of_the_engine(api: Client, engine: Script) -> None:
    query_id = api.post(PATH, USAGE).json["id"]
    engine.looks = Look(Progress.FAILED)
    assert "our side" in api.get(f"{PATH}/{query_id}").json["error"]


def test_answers_are_kept_a_week(api: Client, engine: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    query_id = api.post(PATH, USAGE).json["id"]

    class Later:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(days=7)

    monkeypatch.setattr(base, "clock", Later)
    assert api.get(f"{PATH}/{query_id}").status == 404


def test_a_tenant_asks_so_many_questions_an_hour(api: Client, engine: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_archive, "MAX_AN_HOUR", 2)
    assert [api.post(PATH, USAGE).status for _ in range(3)] == [202, 202, 429]
    assert len(engine.asked) == 2
    refused = api.post(PATH, USAGE)
    assert refused.headers["retry-after"] == "600"
    assert [each["code"] for each in refused.json["extensions"]["validationErrors"]] == ["too_many_archive_queries"]


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(names.ENV_ARCHIVE_QUERY_GIGABYTES, "100")
    monkeypatch.setenv(names.ENV_ARCHIVE_DAY_GIGABYTES, "250")


# USAGE, asked on Day: the names of the hours of 60 days, 30 September to 28 November.
LISTED = 60 * 24 * 1_000_000


class Day:
    """A clock the test moves, noon at first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = datetime(2026, 11, 28, 12, tzinfo=UTC)
        monkeypatch.setattr(base, "clock", lambda: self)

    def now(self) -> datetime:
        return self.at


def test_questions_reserve_what_they_may_read_until_they_have_ended(
    api: Client, engine: Script, small_budget: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Day(monkeypatch)
    assert [api.post(PATH, USAGE).status for _ in range(3)] == [202, 202, 429]
    refused = api.post(PATH, USAGE)
    assert [each["code"] for each in refused.json["extensions"]["validationErrors"]] == ["archive_budget_spent"]
    assert "250 GB of the archive a day" in refused.json["detail"]
    assert "at 2026-11-29T00:00:00Z, or when some of the 2 that are running have ended" in refused.json["detail"]
    assert refused.headers["retry-after"] == "60"
    assert len(engine.asked) == 2
    # They end, and nobody looks at them: asking again finds that out.
    engine.looks = Look(Progress.SUCCEEDED, 5 * 10**9)
    assert api.post(PATH, USAGE).status == 202


def test_a_spent_budget_is_there_again_on_the_next_day(
    api: Client, engine: Script, small_budget: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(monkeypatch)
    engine.looks = Look(Progress.SUCCEEDED, 90 * 10**9)
    for _ in range(2):
        api.get(f"{PATH}/{api.post(PATH, USAGE).json['id']}")
    refused = api.post(PATH, USAGE)
    assert (refused.status, refused.headers["retry-after"]) == (429, str(12 * 3_600))
    assert "at 2026-11-29T00:00:00Z;" in refused.json["detail"]
    day.at += timedelta(hours=12)
    assert api.post(PATH, USAGE).status == 202


def test_what_a_question_did_read_is_charged_once_however_often_somebody_looks(
    api: Client, engine: Script, small_budget: None, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    Day(monkeypatch)
    path = f"{PATH}/{api.post(PATH, USAGE).json['id']}"
    assert used_bytes(dynamodb) == 100 * 10**9 + LISTED
    engine.looks = Look(Progress.SUCCEEDED, 2 * 10**9)
    for _ in range(3):
        assert api.get(path).status == 200
    assert used_bytes(dynamodb) == 2 * 10**9 + LISTED
    stale = analytics.queries().get("default", path.rpartition("/")[2])
    assert stale is not None and stale.reserved_bytes == 0
    analytics.queries().settle(replace(stale, reserved_bytes=100 * 10**9 + LISTED), "2026-11-28", 7)
    assert used_bytes(dynamodb) == 2 * 10**9 + LISTED


def used_bytes(dynamodb: DynamoDb, tenant: str = "default", day: str = "2026-11-28") -> int:
    key = {"pk": {"S": f"{tenant}#archive_budget"}, "sk": {"S": day}}
    return int(dynamodb.client.get_item(TableName=dynamodb.billing_table, Key=key)["Item"]["used_bytes"]["N"])


@pytest.mark.parametrize(
    ("look", "charged"),
    [
        (Look(Progress.SUCCEEDED, 0), 10_000_000),
        (Look(Progress.FAILED, 0), 10_000_000),
        (Look(Progress.CANCELLED, 100 * 10**9, is_too_large=True), 100 * 10**9),
        (Look(Progress.RUNNING, 3 * 10**9), 100 * 10**9),
        (Look(Progress.QUEUED, 0), 100 * 10**9),
    ],
)
def test_every_end_of_a_question_is_charged_by_what_the_engine_says(
    api: Client, engine: Script, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch, look: Look, charged: int
) -> None:
    Day(monkeypatch)
    path = f"{PATH}/{api.post(PATH, USAGE).json['id']}"
    engine.looks = look
    api.get(path)
    assert used_bytes(dynamodb) == charged + LISTED


def test_a_question_the_engine_does_not_take_costs_nothing(
    api: Client, engine: Script, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    Day(monkeypatch)

    def busy(*_: Any) -> str:
        raise Unavailable("Too many queries of the archive are running; try again.", retry_after_seconds=10)

    monkeypatch.setattr(engine, "start", busy)
    assert api.post(PATH, USAGE).status == 503
    assert used_bytes(dynamodb) == 0


def audited(dynamodb: DynamoDb, day: str, *numbers: int, at: str = "2026-12-31") -> None:
    """The last commits that lanes had by the end of the day, when it was audited on another."""
    results = DynamoAuditResults(dynamodb.client, dynamodb.usage_table)
    audited_at = int(datetime.fromisoformat(f"{at}T00:00:00Z").timestamp())
    for lane, number in enumerate(numbers):
        results.put(LaneDay(lane, day, audited_at, last_commit=number))


@pytest.fixture
def two_lanes(engine: Script, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 1,000 and 5,000 commits today, of which 400 and 4,000 were there before the question's first day."""
    monkeypatch.setenv(names.ENV_LANES, "2")
    Day(monkeypatch)
    audited(dynamodb, "2026-09-29", 400, 4_000)
    DynamoLedger(dynamodb.client, dynamodb.usage_table, metering.acceptance_window()).advance_heads(
        {0: 1_000, 1: 5_000}
    )


@pytest.mark.usefixtures("two_lanes")
def test_a_question_is_charged_for_the_objects_it_may_open(api: Client, engine: Script, dynamodb: DynamoDb) -> None:
    asked = api.post(PATH, USAGE).json
    requests = 1_600 * 80_000 + 1_000_000 + LISTED  # 600 and 1,000 objects, and a listing for every thousand of them
    assert (asked["objectsAtMost"], asked["chargedBytes"]) == (1_600, 100 * 10**9 + requests)
    assert used_bytes(dynamodb) == 100 * 10**9 + requests
    path = f"{PATH}/{asked['id']}"
    assert api.get(path).json["chargedBytes"] == 100 * 10**9 + requests
    engine.looks = Look(Progress.SUCCEEDED, 45_000_000)
    told = api.get(path).json
    assert (told["scannedBytes"], told["objectsAtMost"]) == (45_000_000, 1_600)
    assert told["chargedBytes"] == used_bytes(dynamodb) == 45_000_000 + requests


@pytest.mark.usefixtures("two_lanes")
def test_a_question_that_read_nothing_has_opened_no_object(api: Client, engine: Script, dynamodb: DynamoDb) -> None:
    path = f"{PATH}/{api.post(PATH, USAGE).json['id']}"
    engine.looks = Look(Progress.FAILED)
    listed = LISTED + 1_000_000
    assert api.get(path).json["chargedBytes"] == used_bytes(dynamodb) == 10_000_000 + listed


@pytest.mark.usefixtures("two_lanes")
def test_objects_are_counted_by_the_audits_around_the_days_that_are_asked(
    api: Client, engine: Script, dynamodb: DynamoDb
) -> None:
    def objects() -> Any:
        # Events of one day of September, which may have come from the 20th to 7 November.
        return api.post(PATH, USAGE | {"from": "2026-09-21T00:00:00Z", "to": "2026-09-22T00:00:00Z"}).json[
            "objectsAtMost"
        ]

    assert objects() == 6_000  # nothing is known of before
    audited(dynamodb, "2026-09-17", 100, 2_000)
    assert objects() == 900 + 3_000  # the audits of two days are missing: all behind the last one that is there
    audited(dynamodb, "2026-09-19", 300, 0)
    assert objects() == 700 + 3_000  # one lane's log was gone when its day was audited
    audited(dynamodb, "2026-11-07", 350, 2_100, at="2026-11-07")
    assert objects() == 700 + 3_000  # an audit of a day before its end does not know how many it has
    audited(dynamodb, "2026-11-07", 900, 4_700)
    assert objects() == 600 + 2_700


@pytest.mark.usefixtures("two_lanes")
def test_a_question_no_day_has_room_for_is_refused_with_what_would_be_right(
    api: Client, engine: Script, dynamodb: DynamoDb
) -> None:
    ledger = DynamoLedger(dynamodb.client, dynamodb.usage_table, metering.acceptance_window())
    ledger.advance_heads({0: 12_000_400})
    refused = api.post(PATH, USAGE)
    assert refused.status == 413
    assert [each["code"] for each in refused.json["extensions"]["validationErrors"]] == ["archive_question_too_large"]
    assert (
        "12,001,000 objects of 2026-09-30 to 2026-11-28: opening them costs as much as reading 974 GB"
        in (refused.json["detail"])
    )
    assert "Choose a shorter range" in refused.json["detail"]
    assert engine.asked == []
    # The same days without most of the objects.
    audited(dynamodb, "2026-09-29", 11_000_000, 4_000)
    assert api.post(PATH, USAGE).status == 202


@pytest.mark.usefixtures("two_lanes")
def test_objects_spend_the_budget_of_a_day_as_bytes_do(api: Client, engine: Script, dynamodb: DynamoDb) -> None:
    ledger = DynamoLedger(dynamodb.client, dynamodb.usage_table, metering.acceptance_window())
    ledger.advance_heads({0: 5_000_400})
    engine.looks = Look(Progress.SUCCEEDED, 10**9)
    assert [api.post(PATH, USAGE).status for _ in range(3)] == [202, 202, 429]
    detail = api.post(PATH, USAGE).json["detail"]
    assert "less than the 507 GB that this one may cost are left (407 GB of them for opening objects)" in detail


def test_the_budget_of_a_tenant_is_its_own(
    api: Client, engine: Script, small_budget: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Day(monkeypatch)
    quiet = api.acting_as("admin", "quiet")
    assert quiet.post("/api/v1/meters", METER).status == 201
    assert [api.post(PATH, USAGE).status for _ in range(4)] == [202, 202, 429, 429]
    assert quiet.post(PATH, USAGE).status == 202


def test_a_wrong_question_reserves_nothing(api: Client, engine: Script, small_budget: None) -> None:
    for _ in range(5):
        assert api.post(PATH, USAGE | {"groupBy": ["nothing"]}).status == 400
    assert [api.post(PATH, USAGE).status for _ in range(2)] == [202, 202]


def test_a_question_asked_before_there_were_budgets_is_still_answered(
    api: Client, engine: Script, dynamodb: DynamoDb
) -> None:
    query_id = api.post(PATH, USAGE).json["id"]
    key = {"pk": {"S": "default#archive_query"}, "sk": {"S": query_id}}
    table = dynamodb.billing_table
    dynamodb.client.update_item(TableName=table, Key=key, UpdateExpression="REMOVE reserved_bytes")
    engine.looks = Look(Progress.SUCCEEDED, 1)
    assert api.get(f"{PATH}/{query_id}").json["status"] == "SUCCEEDED"

"""Questions to the archive over HTTP: validation, ownership and bounds; the engine is a script."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.application import ask_archive
from functions.application.ports.archive_query import Look, ResultPage
from functions.domain.metering.archive_query import ArchiveQuestion, Counts, Progress
from functions.handlers import wiring, wiring_archive
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
    script = Script()
    monkeypatch.setattr(wiring_archive, "engine", lambda: script)
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

    monkeypatch.setattr(wiring, "clock", Later)
    assert api.get(f"{PATH}/{query_id}").status == 404


def test_a_tenant_asks_so_many_questions_an_hour(api: Client, engine: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_archive, "MAX_AN_HOUR", 2)
    assert [api.post(PATH, USAGE).status for _ in range(3)] == [202, 202, 503]
    assert len(engine.asked) == 2

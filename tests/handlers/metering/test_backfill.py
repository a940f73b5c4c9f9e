"""A meter's backfill over HTTP and through its workflow as written, on DynamoDB Local."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions import names
from functions.application.step_failure import INTERNAL
from functions.domain.metering.ledger import backfill_slots
from functions.domain.metering.ledger.history import RUN_TIMEOUT, Backfill
from functions.handlers.metering import (
    workflow_close_lanes,
    workflow_count_lanes,
    workflow_end_backfill,
    workflow_fill_history,
    workflow_plan_backfill,
    workflow_queue_backfill,
)
from functions.handlers.wiring import base
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client
from tests.handlers.machine import Machine, MachineFailed
from tests.handlers.metering.world import LANES, Metering
from tests.wired import forget, wire

DEFINITION = (Path(__file__).resolve().parents[3] / "infra" / "workflows" / "backfill.asl.json").read_text()
STATES: dict[str, Any] = json.loads(DEFINITION)["States"]
FUNCTIONS = {
    "CloseLanes": workflow_close_lanes,
    "CountLanes": workflow_count_lanes,
    "QueueBackfill": workflow_queue_backfill,
    "PlanBackfill": workflow_plan_backfill,
    "FillHistory": workflow_fill_history,
    "EndBackfill": workflow_end_backfill,
}
NOW = datetime.now(UTC).replace(microsecond=0)
FROM = NOW - timedelta(days=5)
TOKENS = {"slug": "tokens", "eventType": "prompt", "aggregation": "SUM", "valueProperty": "$.tokens"}
WITH_HISTORY = TOKENS | {"eventFrom": FROM.strftime("%Y-%m-%dT%H:%M:%SZ")}


class Runs:
    """Executions as Step Functions keeps them: one a name."""

    def __init__(self) -> None:
        self.started: dict[str, Backfill] = {}

    def start(self, run: Backfill) -> None:
        self.started.setdefault(run.run_id, run)


@pytest.fixture
def runs(dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs()
    wire(monkeypatch, backfill_runs=runs)
    forget("backfill_slots")
    base.aws.cache_clear()
    monkeypatch.setenv(names.ENV_LANES, str(LANES.count))
    return runs


@pytest.fixture
def metering(dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Metering:
    metering = Metering(dynamodb, monkeypatch)
    wire(monkeypatch, ledger=metering.ledger)
    forget("history_filler")
    return metering


def events(count: int, prefix: str = "e", days: int = 1) -> list[dict[str, Any]]:
    return [
        {
            "specversion": "1.0",
            "id": f"{prefix}{n}",
            "source": "s",
            "type": "prompt",
            "subject": f"c{n % 3}",
            "time": (NOW - timedelta(days=days, seconds=n)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "data": {"tokens": n},
        }
        for n in range(count)
    ]


def execute(
    runs: Runs,
    metering: Metering,
    run_id: str,
    *,
    waits: Callable[[], None] | None = None,
    **replaced: Callable[..., Any],
) -> Machine:
    run = runs.started[run_id]
    functions = {name: module.handler for name, module in FUNCTIONS.items()} | replaced
    machine = Machine(DEFINITION, functions, waits or metering.deliver)
    given = {"tenant": run.tenant, "meter_id": run.meter_id, "run": run.run, "run_id": run.run_id}
    machine.run(given)
    return machine


def test_a_meter_created_with_event_from_counts_history(api: Client, runs: Runs, metering: Metering) -> None:
    metering.count(events(10))
    metering.count(events(10, "too-old", days=6))
    created = api.post("/api/v1/meters", WITH_HISTORY)
    assert created.status == 201
    assert created.json["eventFrom"] == WITH_HISTORY["eventFrom"]
    asked = api.get("/api/v1/meters/tokens/query")
    assert asked.json["partial"] is True
    csv = api.get("/api/v1/meters/tokens/query", headers={"accept": "text/csv"})
    assert csv.headers["tollbooth-partial"] == "true"
    running = api.get("/api/v1/meters/tokens/backfill").json
    assert (running["status"], running["done"], running["total"]) == ("running", 0, 0)

    metering.count(events(5, "live"))
    (run_id,) = runs.started
    execute(runs, metering, run_id)
    done = api.get("/api/v1/meters/tokens/backfill").json
    assert (done["status"], done["eventFrom"]) == ("done", WITH_HISTORY["eventFrom"])
    assert done["done"] == done["total"] > 0
    assert done["finishedAt"] >= done["startedAt"]
    answer = api.get("/api/v1/meters/tokens/query").json
    assert "partial" not in answer
    assert [row["value"] for row in answer["data"]] == [sum(range(10)) + sum(range(5))]
    assert api.get("/api/v1/meters/tokens/subjects").json == ["c0", "c1", "c2"]
    whole = api.get("/api/v1/meters/tokens/query", headers={"accept": "text/csv"})
    assert "tollbooth-partial" not in whole.headers


def test_an_existing_meter_is_filled_later_and_asked_twice_is_one_run(
    api: Client, runs: Runs, metering: Metering
) -> None:
    metering.count(events(10))
    meter = api.post("/api/v1/meters", TOKENS).json
    metering.count(events(5, "live"))
    assert api.get("/api/v1/meters/tokens/backfill").status == 404
    body = {"eventFrom": WITH_HISTORY["eventFrom"]}
    for _ in range(2):
        started = api.post("/api/v1/meters/tokens/backfill", body)
        assert (started.status, started.json["status"]) == (202, "running")
    assert list(runs.started) == [f"backfill-{meter['id']}-1"]
    other = api.post("/api/v1/meters/tokens/backfill", {"eventFrom": "2026-11-01T00:00:00Z"})
    assert (other.status, other.fields) == (409, ["eventFrom"])
    execute(runs, metering, f"backfill-{meter['id']}-1")
    again = api.post("/api/v1/meters/tokens/backfill", body)
    assert (again.status, again.json["status"]) == (202, "done")
    (row,) = api.get("/api/v1/meters/tokens/query").json["data"]
    assert row["value"] == sum(range(10)) + sum(range(5))
    assert api.get("/api/v1/meters/tokens").json["eventFrom"] == WITH_HISTORY["eventFrom"]


def test_a_meter_whose_history_is_counted_lacks_only_what_a_deleted_one_has_from_before(
    api: Client, runs: Runs, metering: Metering
) -> None:
    metering.count(events(10))
    api.post("/api/v1/meters", WITH_HISTORY)
    execute(runs, metering, next(iter(runs.started)))
    early = {"from": (FROM - timedelta(days=30)).isoformat()}
    answer = api.get("/api/v1/meters/tokens/query", early).json
    assert (answer["data"][0]["value"], "countedFrom" in answer) == (45, False)
    metering.count(events(3, "before", days=6))
    for beginning, is_missed in ((FROM, True), (FROM - timedelta(days=10), False)):
        assert api.delete("/api/v1/meters/tokens").status == 204
        api.post("/api/v1/meters", TOKENS | {"eventFrom": beginning.strftime("%Y-%m-%dT%H:%M:%SZ")})
        execute(runs, metering, list(runs.started)[-1])
        answer = api.get("/api/v1/meters/tokens/query", early).json
        assert ("countedFrom" in answer) is is_missed, beginning
        assert answer["data"][0]["value"] == (45 if is_missed else 48)


def test_a_failed_run_says_why_and_is_started_again(api: Client, runs: Runs, metering: Metering) -> None:
    metering.count(events(10))
    meter = api.post("/api/v1/meters", WITH_HISTORY).json
    first, second = (f"backfill-{meter['id']}-{run}" for run in (1, 2))

    def boom(_payload: Any, _context: Any) -> Any:
        raise RuntimeError("the disk of somebody@example.com is full")

    with pytest.raises(MachineFailed):
        execute(runs, metering, first, FillHistory=boom)
    failed = api.get("/api/v1/meters/tokens/backfill").json
    assert failed["status"] == "failed"
    assert failed["reason"] == INTERNAL.message
    assert api.get("/api/v1/meters/tokens/query").json["partial"] is True
    assert api.post("/api/v1/meters/tokens/backfill", {"eventFrom": WITH_HISTORY["eventFrom"]}).status == 202
    assert list(runs.started) == [first, second]
    execute(runs, metering, second)
    assert [row["value"] for row in api.get("/api/v1/meters/tokens/query").json["data"]] == [45]


def test_a_worker_is_called_until_nothing_is_left(
    api: Client, runs: Runs, metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    metering.count(events(10))
    monkeypatch.setattr(workflow_fill_history, "WORK_SECONDS", -1)
    api.post("/api/v1/meters", WITH_HISTORY)
    (run_id,) = runs.started
    visited = execute(runs, metering, run_id).visited
    assert visited.count("FillHistory") > visited.count("PieceFilled") > 0
    assert [row["value"] for row in api.get("/api/v1/meters/tokens/query").json["data"]] == [45]


def test_lanes_that_do_not_count_fail_the_run_with_a_clear_reason(api: Client, runs: Runs, metering: Metering) -> None:
    api.post("/api/v1/meters", WITH_HISTORY)
    (run_id,) = runs.started

    def never(payload: Mapping[str, Any], _context: Any) -> Any:
        return {**payload, "polls": 300, "is_done": False}

    with pytest.raises(MachineFailed, match="LanesNotCounted"):
        execute(runs, metering, run_id, CountLanes=never)
    failed = api.get("/api/v1/meters/tokens/backfill").json
    assert failed["status"] == "failed"
    assert "iterator age" in failed["reason"]


def test_lost_work_is_no_success(api: Client, runs: Runs, metering: Metering) -> None:
    metering.count(events(10))
    api.post("/api/v1/meters", WITH_HISTORY)
    (run_id,) = runs.started

    def lazy(payload: Mapping[str, Any], _context: Any) -> Any:
        return {**payload, "is_done": True}

    with pytest.raises(MachineFailed, match="WorkLost"):
        execute(runs, metering, run_id, FillHistory=lazy)
    assert api.get("/api/v1/meters/tokens/backfill").json["status"] == "failed"


def test_a_second_backfill_of_a_tenant_is_queued_says_so_and_begins_when_the_first_has_ended(
    api: Client, runs: Runs, metering: Metering
) -> None:
    metering.count(events(10))
    one = api.post("/api/v1/meters", WITH_HISTORY).json
    two = api.post("/api/v1/meters", WITH_HISTORY | {"slug": "more"}).json
    first, second = runs.started
    seen: list[Any] = []

    def counted() -> None:
        """The first one runs, so the second waits; meanwhile somebody looks."""
        metering.deliver()
        if not seen:
            with pytest.raises(Impatient):
                execute(runs, metering, second, waits=give_up)
            seen.append(api.get("/api/v1/meters/more/backfill").json)

    execute(runs, metering, first, waits=counted)
    assert (seen[0]["status"], seen[0]["done"]) == ("queued", 0)
    assert f"the backfill of meter {one['id']} has ended" in seen[0]["reason"]
    assert api.post("/api/v1/meters/more/backfill", {"eventFrom": WITH_HISTORY["eventFrom"]}).status == 202
    assert list(runs.started) == [first, second], "asked again it is the same run"
    execute(runs, metering, second)
    done = api.get("/api/v1/meters/more/backfill").json
    assert (done["status"], "reason" in done) == ("done", False)
    assert api.get("/api/v1/meters/more/query").json["data"][0]["value"] == 45
    assert two["eventFrom"] == WITH_HISTORY["eventFrom"]


class Impatient(Exception):
    """Stops an execution where it waits."""


def give_up() -> None:
    raise Impatient


def test_backfills_of_all_tenants_have_so_many_places_and_a_failed_one_gives_its_place_back(
    api: Client, runs: Runs, metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill_slots, "MAX_RUNNING", 1)
    other = api.acting_as("admin", "other")
    assert api.post("/api/v1/meters", WITH_HISTORY).status == 201
    assert other.post("/api/v1/meters", WITH_HISTORY).status == 201
    first, second = runs.started

    def boom(payload: Mapping[str, Any], context: Any) -> Any:
        with pytest.raises(Impatient):
            execute(runs, metering, second, waits=give_up)
        raise RuntimeError("the disk is full")

    with pytest.raises(MachineFailed):
        execute(runs, metering, first, PlanBackfill=boom)
    queued = other.get("/api/v1/meters/tokens/backfill").json
    assert queued["status"] == "queued" and "slots for the backfills of all tenants" in queued["reason"]
    assert api.get("/api/v1/meters/tokens/backfill").json["status"] == "failed"
    execute(runs, metering, second)
    assert other.get("/api/v1/meters/tokens/backfill").json["status"] == "done"


def test_a_run_that_died_holds_its_place_for_an_hour_and_no_longer(
    api: Client, runs: Runs, metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.post("/api/v1/meters", WITH_HISTORY)
    api.post("/api/v1/meters", WITH_HISTORY | {"slug": "more"})
    first, second = runs.started

    def killed(_payload: Any, _context: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(runs, metering, first, CloseLanes=killed)
    with pytest.raises(Impatient):
        execute(runs, metering, second, waits=give_up)
    later = datetime.now(UTC) + timedelta(seconds=backfill_slots.HELD_SECONDS + 1)

    class Later:
        def now(self) -> datetime:
            return later

    monkeypatch.setattr(base, "clock", Later)
    execute(runs, metering, second)
    assert api.get("/api/v1/meters/more/backfill").json["status"] == "done"


def test_a_backfill_that_waited_a_day_fails_with_its_reason(api: Client, runs: Runs, metering: Metering) -> None:
    api.post("/api/v1/meters", WITH_HISTORY)
    (run_id,) = runs.started

    def never(payload: Mapping[str, Any], _context: Any) -> Any:
        return {"has_place": False, "polls": 1_440}

    with pytest.raises(MachineFailed, match="QueuedTooLong"):
        execute(runs, metering, run_id, QueueBackfill=never)
    failed = api.get("/api/v1/meters/tokens/backfill").json
    assert failed["status"] == "failed" and "start this one again" in failed["reason"]


@pytest.mark.parametrize("wrong", [NOW + timedelta(hours=2), NOW - timedelta(days=2_000)])
def test_a_beginning_out_of_reach_is_refused_with_what_would_be_right(
    api: Client, runs: Runs, metering: Metering, wrong: datetime
) -> None:
    text = wrong.strftime("%Y-%m-%dT%H:%M:%SZ")
    refused = api.post("/api/v1/meters", TOKENS | {"eventFrom": text})
    assert (refused.status, refused.fields) == (400, ["eventFrom"])
    assert "must lie between" in refused.json["detail"]
    api.post("/api/v1/meters", TOKENS)
    refused = api.post("/api/v1/meters/tokens/backfill", {"eventFrom": text})
    assert (refused.status, refused.fields) == (400, ["eventFrom"])
    assert runs.started == {}


def test_backfills_need_the_right_scope_and_a_meter(api: Client, runs: Runs, metering: Metering) -> None:
    api.post("/api/v1/meters", WITH_HISTORY)
    body = {"eventFrom": WITH_HISTORY["eventFrom"]}
    assert api.acting_as("read").post("/api/v1/meters/tokens/backfill", body).status == 403
    assert api.acting_as("read").get("/api/v1/meters/tokens/backfill").status == 200
    assert api.acting_as("admin", "other").get("/api/v1/meters/tokens/backfill").status == 404
    assert api.post("/api/v1/meters/none/backfill", body).status == 404
    assert api.post("/api/v1/meters/tokens/backfill", {}).status == 400


def _tasks(states: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: state for name, state in states.items() if state["Type"] == "Task"}
    for state in states.values():
        if "ItemProcessor" in state:
            found |= _tasks(state["ItemProcessor"]["States"])
    return found


@pytest.mark.parametrize("name", _tasks(STATES))
def test_every_task_is_retried_and_bounded_in_time(name: str) -> None:
    task = _tasks(STATES)[name]
    assert task["Retry"][0]["MaxAttempts"] >= 5
    assert task["Retry"][0]["JitterStrategy"] == "FULL"
    assert task["TimeoutSeconds"] <= 900


def test_a_run_is_believed_dead_when_its_machine_is() -> None:
    definition = json.loads(DEFINITION)
    assert definition["TimeoutSeconds"] == RUN_TIMEOUT.total_seconds()
    queue = STATES["HasPlace"]["Choices"][1]
    assert queue["NumericGreaterThanEquals"] * STATES["WaitForPlace"]["Seconds"] * 2 <= definition["TimeoutSeconds"]
    # An execution ends at 25,000 events; asking once makes nine of them.
    assert queue["NumericGreaterThanEquals"] * 9 <= 20_000


def test_every_failure_is_recorded_and_the_map_is_bounded() -> None:
    caught = defaultdict(list)
    for name, state in STATES.items():
        for catch in state.get("Catch", []):
            caught[catch["Next"]].append(name)
    assert set(caught["RecordFailure"]) == {
        "QueueBackfill",
        "CloseLanes",
        "CountLanes",
        "PlanBackfill",
        "FillLanes",
        "EndBackfill",
    }
    lanes = STATES["FillLanes"]
    assert (lanes["MaxConcurrency"], lanes["ItemProcessor"]["ProcessorConfig"]["Mode"]) == (20, "DISTRIBUTED")
    assert "ToleratedFailurePercentage" not in lanes

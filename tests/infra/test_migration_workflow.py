"""The workflow of plan migrations as written: bounded, retried, and no way leads nowhere."""

import json
from typing import Any

import pytest

from functions.domain.subscriptions.plan_migration import STALLED_AFTER
from infra.local.paths import REPOSITORY

DEFINITION = (REPOSITORY / "infra" / "workflows" / "migration.asl.json").read_text()
STATES: dict[str, Any] = json.loads(DEFINITION)["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_retried_caught_and_bounded_in_time(name: str) -> None:
    task = TASKS[name]
    assert task["Retry"][0]["MaxAttempts"] >= 5
    assert task["Retry"][0]["JitterStrategy"] == "FULL"
    assert task["Catch"][0]["ErrorEquals"] == ["States.ALL"]
    assert task["Catch"][0]["Next"] == ("MigrationFailed" if name == "RecordFailure" else "RecordFailure")
    assert task["TimeoutSeconds"] <= 300
    assert set(task["Parameters"]) >= {"tenant.$", "migration_id.$", "attempt.$"}


def test_every_way_leads_to_a_state_there_is() -> None:
    for name, state in STATES.items():
        ways = [state.get("Next"), state.get("Default")]
        ways += [choice["Next"] for choice in state.get("Choices", [])]
        ways += [catch["Next"] for catch in state.get("Catch", [])]
        assert {way for way in ways if way} <= set(STATES), name


def test_a_step_that_is_tried_again_is_not_believed_dead() -> None:
    """A page is written every few seconds; only a step that fails again and again is silent for so long."""
    task = STATES["MigrateSubscriptions"]
    pauses = sum(task["Retry"][0]["IntervalSeconds"] * 2**n for n in range(task["Retry"][0]["MaxAttempts"]))
    assert pauses + 2 * task["TimeoutSeconds"] < STALLED_AFTER.total_seconds()


def test_a_tenant_takes_one_function_at_a_time() -> None:
    assert {state["Type"] for state in STATES.values()} == {"Task", "Choice", "Wait", "Pass", "Fail"}

"""The state machine as it is written: what every step promises, read without the emulator."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions import names

DEFINITION = Path(__file__).resolve().parents[3] / "infra" / "workflows" / "billing.asl.json"
TEXT = DEFINITION.read_text()
MACHINE: dict[str, Any] = json.loads(TEXT)


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], set[str]]]:
    """Every state at every depth, with the names it may go to."""
    for name, state in machine["States"].items():
        yield name, state, set(machine["States"])
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


ALL = {name: state for name, state, _ in states(MACHINE)}
TASKS = {name: state for name, state in ALL.items() if state["Type"] == "Task"}


def test_every_workflow_function_has_its_substitution_and_no_other_is_left() -> None:
    theirs: tuple[str, ...]
    theirs = ("workflow_queue_backfill", "workflow_plan_backfill", "workflow_fill_history", "workflow_end_backfill")
    theirs += ("workflow_list_migration", "workflow_migrate_subscriptions", "workflow_preview_migration")
    theirs += ("workflow_end_migration",)
    ours = [name for name in names.HANDLERS if name.startswith("workflow_") and name not in theirs]
    handlers = [name.removeprefix("workflow_") for name in ours]
    expected = {"".join(part.title() for part in handler.split("_")) + "FunctionArn" for handler in handlers}

    assert set(re.findall(r"\$\{(\w+)\}", TEXT)) == expected


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_retried_caught_and_bounded_in_time(name: str) -> None:
    task = TASKS[name]

    assert task["Retry"][0]["MaxAttempts"] >= 5
    assert task["Retry"][0]["JitterStrategy"] == "FULL"
    assert task["Catch"][0]["ErrorEquals"] == ["States.ALL"]
    assert task["TimeoutSeconds"] <= 300


def test_every_way_leads_to_a_state_of_the_same_level() -> None:
    for name, state, siblings in states(MACHINE):
        ways = [state.get("Next"), state.get("Default")]
        ways += [choice["Next"] for choice in state.get("Choices", [])]
        ways += [catch["Next"] for catch in state.get("Catch", [])]
        assert {way for way in ways if way} <= siblings, name


def test_what_is_wrong_with_our_own_data_is_not_tried_again() -> None:
    for name in ("CloseLanes", "CountLanes", "ListDue", "IssueInvoice", "PushInvoice"):
        retried = TASKS[name]["Retry"][0]["ErrorEquals"]
        assert "States.ALL" not in retried
        assert "States.TaskFailed" not in retried
        assert {"Unavailable", "Lambda.TooManyRequestsException", "States.Timeout"} <= set(retried)
        assert {"Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"} <= set(retried)


def test_customers_are_a_distributed_map_of_eight_that_no_failure_stops() -> None:
    customers = ALL["BillCustomers"]

    assert MACHINE["QueryLanguage"] == "JSONPath"
    assert customers["ItemsPath"] == "$.page.items"
    assert customers["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
    assert customers["MaxConcurrency"] == 8
    assert customers["ToleratedFailurePercentage"] == 100


@pytest.mark.parametrize(
    ("step", "recorder"), [("IssueInvoice", "RecordIssueFailure"), ("PushInvoice", "RecordPushFailure")]
)
def test_a_failed_customer_is_recorded_and_the_others_go_on(step: str, recorder: str) -> None:
    assert TASKS[step]["Catch"][0]["Next"] == recorder
    assert TASKS[recorder]["Resource"] == "${RecordFailureFunctionArn}"
    assert TASKS[recorder]["Catch"][0]["Next"].endswith("FailureNotRecorded")


def test_waiting_for_the_lanes_ends_after_ten_minutes_with_a_clear_cause() -> None:
    choices = {choice["Next"]: choice for choice in ALL["AreLanesCounted"]["Choices"]}
    polls = choices["LanesNotCounted"]["NumericGreaterThanEquals"]

    assert polls * ALL["WaitForLanes"]["Seconds"] == 600
    assert list(choices) == ["ListDue", "LanesNotCounted"], "lanes counted at the last poll still count"
    assert "nothing was invoiced" in ALL["LanesNotCounted"]["Cause"]

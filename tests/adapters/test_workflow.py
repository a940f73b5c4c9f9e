import json
from typing import Any

import pytest

from functions.adapters.workflow import StepFunctionsMigrations, StepFunctionsRuns
from functions.application.ports.billing import BillingRun
from functions.domain.subscriptions.plan_migration import PlanMigration
from infra.local import emulator
from tests.domain.builders import at

RUN = BillingRun("schedule-20260501T0100", at("2026-05-01"), "default", ("c1",))


class ExecutionAlreadyExists(Exception):
    pass


class Unreachable(Exception):
    pass


class StepFunctions:
    """Step Functions' rule for names: each is given once."""

    class exceptions:
        ExecutionAlreadyExists = ExecutionAlreadyExists

    def __init__(self, error: Exception | None = None) -> None:
        self.started: dict[str, dict[str, Any]] = {}
        self.error = error

    def start_execution(self, **request: Any) -> None:
        if self.error:
            raise self.error
        if request["name"] in self.started:
            raise ExecutionAlreadyExists
        self.started[request["name"]] = request


def test_a_run_is_an_execution_with_its_input() -> None:
    client = StepFunctions()
    StepFunctionsRuns(client, "arn:machine").start(RUN)  # type: ignore[arg-type]

    (request,) = client.started.values()
    assert request["stateMachineArn"] == "arn:machine"
    assert json.loads(request["input"]) == {
        "run_id": "schedule-20260501T0100",
        "as_of": "2026-05-01T00:00:00+00:00",
        "tenant": "default",
        "customer_ids": ["c1"],
    }


def test_a_migration_has_an_execution_for_each_attempt() -> None:
    client, now = StepFunctions(), at("2026-05-01")
    runs = StepFunctionsMigrations(client, "arn:machine")  # type: ignore[arg-type]
    first = PlanMigration(id="01M", plan_key="pro", to_version=2, dry_run=True, started_at=now, updated_at=now)
    for each in (first, first, first.resumed(now)):
        runs.start("default", each)

    assert {name: json.loads(request["input"]) for name, request in client.started.items()} == {
        f"migration-01M-{attempt}": {
            "tenant": "default",
            "migration_id": "01M",
            "attempt": attempt,
            "dry_run": True,
        }
        for attempt in (1, 2)
    }


def test_a_run_that_was_started_already_is_left_alone() -> None:
    client = StepFunctions()
    runs = StepFunctionsRuns(client, "arn:machine")  # type: ignore[arg-type]
    runs.start(RUN)
    runs.start(RUN)

    assert list(client.started) == [RUN.run_id]


def test_any_other_trouble_is_the_callers() -> None:
    with pytest.raises(Unreachable):
        StepFunctionsRuns(StepFunctions(Unreachable()), "arn:machine").start(RUN)  # type: ignore[arg-type]


def test_whether_a_run_works_is_asked_of_its_execution(aws: int) -> None:
    client = emulator.client("stepfunctions", aws)
    wait = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
    trusted = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    role = emulator.client("iam", aws).create_role(RoleName="machine", AssumeRolePolicyDocument=json.dumps(trusted))
    machine = client.create_state_machine(name="billing", definition=json.dumps(wait), roleArn=role["Role"]["Arn"])[
        "stateMachineArn"
    ]
    runs = StepFunctionsRuns(client, machine)
    assert runs.is_working(RUN.run_id) is None
    runs.start(RUN)
    assert runs.is_working(RUN.run_id) is True
    client.stop_execution(executionArn=machine.replace(":stateMachine:", ":execution:") + f":{RUN.run_id}")
    assert runs.is_working(RUN.run_id) is False

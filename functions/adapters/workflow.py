"""Workflows as Step Functions executions: a run's id is its execution's name, given only once in 90 days."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from functions.domain.metering.ledger.history import Backfill

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from functions.application.ports.billing import BillingRun
    from functions.domain.subscriptions.plan_migration import PlanMigration


WORKING = ("RUNNING", "PENDING_REDRIVE")


class StepFunctionsRuns:
    """Billing's runs."""

    def __init__(self, client: "SFNClient", machine_arn: str) -> None:
        self._client = client
        self._machine_arn = machine_arn

    def start(self, run: "BillingRun") -> None:
        _start(self._client, self._machine_arn, run.run_id, run.to_input())

    def is_working(self, run_id: str) -> bool | None:
        """An execution's ARN is its machine's with the name behind it."""
        execution = f"{self._machine_arn.replace(':stateMachine:', ':execution:', 1)}:{run_id}"
        try:
            found = self._client.describe_execution(executionArn=execution)
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        return found["status"] in WORKING


class StepFunctionsBackfills:
    """Backfills of meters."""

    def __init__(self, client: "SFNClient", machine_arn: str) -> None:
        self._client = client
        self._machine_arn = machine_arn

    def start(self, run: Backfill) -> None:
        given = {"tenant": run.tenant, "meter_id": run.meter_id, "run": run.run, "run_id": run.run_id}
        _start(self._client, self._machine_arn, run.run_id, given)


class StepFunctionsMigrations:
    """Migrations of whole plans."""

    def __init__(self, client: "SFNClient", machine_arn: str) -> None:
        self._client = client
        self._machine_arn = machine_arn

    def start(self, tenant: str, migration: "PlanMigration") -> None:
        given = {"tenant": tenant, "migration_id": migration.id, "attempt": migration.attempt}
        _start(self._client, self._machine_arn, migration.run_id, given | {"dry_run": migration.dry_run})


def _start(client: "SFNClient", machine_arn: str, name: str, given: Mapping[str, Any]) -> None:
    try:
        client.start_execution(stateMachineArn=machine_arn, name=name, input=json.dumps(given))
    except client.exceptions.ExecutionAlreadyExists:
        # Started by somebody else, or by an earlier delivery of the same request.
        return

"""The billing workflow as Step Functions executions."""

import json
from typing import TYPE_CHECKING

from functions.application.ports.billing import BillingRun

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsRuns:
    """A run's id is its execution's name, which Step Functions gives only once in 90 days."""

    def __init__(self, client: "SFNClient", machine_arn: str) -> None:
        self._client = client
        self._machine_arn = machine_arn

    def start(self, run: BillingRun) -> None:
        try:
            self._client.start_execution(
                stateMachineArn=self._machine_arn, name=run.run_id, input=json.dumps(run.to_input())
            )
        except self._client.exceptions.ExecutionAlreadyExists:
            # Started by somebody else, or by an earlier delivery of the same schedule.
            return

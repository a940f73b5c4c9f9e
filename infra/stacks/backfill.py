"""The way of history: the workflow that counts a new meter's past from the archive, and its functions."""

from collections.abc import Mapping, Sequence

from constructs import Construct

from functions import names
from infra.constructs.access import Access, Resource
from infra.constructs.python_function import FunctionFactory
from infra.constructs.stage_stack import StageStack
from infra.constructs.workflow import Workflow
from infra.stacks.billing import READ_SECRET, READ_USAGE, BillingStack
from infra.stacks.data import ARCHIVE, DataStack
from infra.stage import StageSettings

# Steps it has in common with billing: close the lanes, wait until they are counted.
SHARED = ("workflow_close_lanes", "workflow_count_lanes")


def permissions(data: DataStack) -> Mapping[str, Sequence[Access]]:
    """What each function of the workflow may do; its variables follow from it."""
    return {
        "workflow_queue_backfill": (
            data.usage.allows("dynamodb:GetItem", "dynamodb:UpdateItem"),
            data.ledger_key.allows(READ_SECRET),
        ),
        "workflow_plan_backfill": (
            data.usage.allows(*READ_USAGE, "dynamodb:UpdateItem"),
            data.ledger_key.allows(READ_SECRET),
        ),
        "workflow_fill_history": (
            data.usage.allows(*READ_USAGE, "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"),
            data.archive.allows("s3:GetObject", under=(ARCHIVE,)),
            # Without it a missing object would look like a forbidden one.
            data.archive.allows("s3:ListBucket"),
            data.ledger_key.allows(READ_SECRET),
        ),
        "workflow_end_backfill": (
            data.usage.allows("dynamodb:GetItem", "dynamodb:UpdateItem"),
            data.ledger_key.allows(READ_SECRET),
        ),
    }


class BackfillStack(StageStack):
    """Runs only when a meter asks for its history."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: StageSettings, data: DataStack, billing: BillingStack
    ) -> None:
        super().__init__(scope, construct_id, stage=stage, description="backfill workflow")
        make = FunctionFactory(self, stage, permissions(data))
        make.make("workflow_queue_backfill", memory_mb=512, timeout_seconds=60)
        make.make("workflow_plan_backfill", memory_mb=512, timeout_seconds=110)
        # One whole vCPU: it decodes archived events most of the time.
        make.make("workflow_fill_history", memory_mb=1769, timeout_seconds=900)
        make.make("workflow_end_backfill", memory_mb=512, timeout_seconds=60)
        self.functions = make.made
        shared = {handler: billing.functions[handler] for handler in SHARED}
        self.workflow = Workflow(self, "backfill", stage=stage, functions={**make.made, **shared})
        machine_arn = self.workflow.machine.state_machine_arn
        self.machine = Resource(machine_arn, names.ENV_BACKFILL_MACHINE, machine_arn)

"""The way of a plan's subscriptions to another version: the workflow that migrates them all, and its functions."""

from collections.abc import Mapping, Sequence

from constructs import Construct

from functions import names
from infra.constructs.access import Access, Resource
from infra.constructs.python_function import FunctionFactory
from infra.constructs.stage_stack import StageStack
from infra.constructs.workflow import Workflow
from infra.stacks.billing import READ_SECRET, READ_USAGE, SETTLE
from infra.stacks.data import ARCHIVE, DataStack
from infra.stage import StageSettings

READ_BILLING = ("dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem")
# The partitions of every tenant in which migrations and what became of their subscriptions lie.
REPORTS = ("*#plan_migration", "*#plan_migration_subscription")


def permissions(data: DataStack) -> Mapping[str, Sequence[Access]]:
    """What each function of the workflow may do; its variables follow from it."""
    report = data.billing.allows("dynamodb:PutItem", only_keys=REPORTS)
    return {
        "workflow_list_migration": (data.billing.allows("dynamodb:GetItem", "dynamodb:Query"), report),
        # Deleting moves an index entry, checking that the plan is still the one that was read, updating counts what is
        # sold.
        "workflow_migrate_subscriptions": (
            data.billing.allows(
                *(*SETTLE, "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"),
                *("dynamodb:Query", "dynamodb:BatchGetItem"),
            ),
        ),
        # A dry run reads what an invoice is made of, and can write nothing but its report.
        "workflow_preview_migration": (
            data.usage.allows(*READ_USAGE),
            data.archive.allows("s3:GetObject", under=(ARCHIVE,)),
            # Without it a missing object would look like a forbidden one.
            data.archive.allows("s3:ListBucket"),
            data.billing.allows(*READ_BILLING),
            report,
            data.ledger_key.allows(READ_SECRET),
        ),
        "workflow_end_migration": (data.billing.allows("dynamodb:GetItem"), report),
    }


class MigrationStack(StageStack):
    """Runs only when somebody migrates a whole plan."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings, data: DataStack) -> None:
        super().__init__(scope, construct_id, stage=stage, description="migration workflow")
        make = FunctionFactory(self, stage, permissions(data))
        make.make("workflow_list_migration", memory_mb=512, timeout_seconds=110)
        make.make("workflow_migrate_subscriptions", memory_mb=1024, timeout_seconds=290)
        make.make("workflow_preview_migration", memory_mb=1024, timeout_seconds=290)
        make.make("workflow_end_migration", memory_mb=512, timeout_seconds=60)
        self.functions = make.made
        self.workflow = Workflow(self, "migration", stage=stage, functions=dict(make.made), has_map=False)
        machine_arn = self.workflow.machine.state_machine_arn
        self.machine = Resource(machine_arn, names.ENV_MIGRATION_MACHINE, machine_arn)

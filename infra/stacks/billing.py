"""The way of money: the billing workflow, its functions and the schedule that looks for due periods."""

from collections.abc import Mapping, Sequence

from constructs import Construct

from functions import names
from infra.constructs.access import Access, Resource
from infra.constructs.python_function import FunctionFactory
from infra.constructs.schedule import Schedule
from infra.constructs.stage_stack import StageStack
from infra.constructs.workflow import Workflow
from infra.stacks.data import ARCHIVE, DataStack
from infra.stacks.ingestion import IngestionStack
from infra.stage import StageSettings

LOOK_FOR_DUE_EVERY_MINUTES = 15
DUE_PLAN = "due_plan"
BILLING_TURN = "billing_turn"
LATE_KEYS = ("Z", "Z#*")  # which usage came late, of all tenants
RECONCILED_KEYS = ("recheck", "*#difference")
RECONCILE_EVERY_MINUTES = 60
READ_SECRET = "secretsmanager:GetSecretValue"
READ_USAGE = ("dynamodb:GetItem", "dynamodb:Query")
# Deleting is moving: an index entry of the old due date goes in the transaction that writes the new one.
SETTLE = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem")


def permissions(data: DataStack, stream: Resource) -> Mapping[str, Sequence[Access]]:
    """What each function of the workflow may do; its variables follow from it."""
    return {
        "workflow_close_lanes": (stream.allows("kinesis:PutRecords"),),
        "workflow_count_lanes": (data.usage.allows(*READ_USAGE), data.ledger_key.allows(READ_SECRET)),
        "workflow_list_due": (
            data.billing.allows("dynamodb:Query", "dynamodb:BatchGetItem"),
            data.billing.allows("dynamodb:GetItem", "dynamodb:PutItem", only_keys=(DUE_PLAN,)),
        ),
        "workflow_issue_invoice": (
            data.usage.allows(*READ_USAGE),
            data.archive.allows("s3:GetObject", under=(ARCHIVE,)),
            # Without it a missing object would look like a forbidden one.
            data.archive.allows("s3:ListBucket"),
            data.billing.allows(*SETTLE, "dynamodb:Query", "dynamodb:BatchGetItem"),
            data.ledger_key.allows(READ_SECRET),
        ),
        "workflow_push_invoice": (data.billing.allows(*SETTLE), data.stripe_secret.allows(READ_SECRET)),
        "workflow_record_failure": (data.billing.allows("dynamodb:GetItem", "dynamodb:PutItem"),),
    }


def reconciliation_permissions(data: DataStack) -> Mapping[str, Sequence[Access]]:
    """Reads what a billing run does, and writes only what it found, and that it has looked."""
    return {
        "schedule_reconcile": (
            data.usage.allows(*READ_USAGE),
            data.usage.allows("dynamodb:BatchWriteItem", only_keys=LATE_KEYS),
            data.archive.allows("s3:GetObject", under=(ARCHIVE,)),
            # Without it a missing object would look like a forbidden one.
            data.archive.allows("s3:ListBucket"),
            data.billing.allows("dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"),
            data.billing.allows("dynamodb:PutItem", "dynamodb:DeleteItem", only_keys=RECONCILED_KEYS),
            data.ledger_key.allows(READ_SECRET),
        ),
    }


def schedule_permissions(data: DataStack, machine: Resource, executions: str) -> Mapping[str, Sequence[Access]]:
    """Apart from the workflow's own table, because the machine must exist before it can be named."""
    runs = Resource(executions, machine.variable, machine.value)
    return {
        "schedule_billing": (
            data.billing.allows("dynamodb:Query"),
            data.billing.allows("dynamodb:GetItem", "dynamodb:PutItem", only_keys=(BILLING_TURN,)),
            machine.allows("states:StartExecution"),
            # While the run before works, none begins.
            runs.allows("states:DescribeExecution"),
        ),
    }


class BillingStack(StageStack):
    """Idle it costs nothing: the schedule asks one query, the machine starts only when something is due."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        data: DataStack,
        ingestion: IngestionStack,
    ) -> None:
        super().__init__(scope, construct_id, stage=stage, description="billing workflow")
        make = FunctionFactory(self, stage, permissions(data, ingestion.stream))
        stripe = {names.ENV_STRIPE_API_BASE: stage.stripe_api_base} if stage.stripe_api_base else {}
        make.make("workflow_close_lanes", memory_mb=512, timeout_seconds=60)
        make.make("workflow_count_lanes", memory_mb=512, timeout_seconds=60)
        make.make("workflow_list_due", memory_mb=1769, timeout_seconds=60)
        make.make("workflow_issue_invoice", memory_mb=1024, timeout_seconds=300)
        make.make("workflow_push_invoice", memory_mb=512, timeout_seconds=170, environment=stripe)
        make.make("workflow_record_failure", memory_mb=512, timeout_seconds=60)
        self.workflow = Workflow(self, "billing", stage=stage, functions=dict(make.made))

        machine_arn = self.workflow.machine.state_machine_arn
        self.machine = Resource(machine_arn, names.ENV_BILLING_MACHINE, machine_arn)

        scheduled = FunctionFactory(self, stage, schedule_permissions(data, self.machine, self.workflow.executions_arn))
        self.schedule_billing = scheduled.make("schedule_billing", memory_mb=512, timeout_seconds=60)
        again = FunctionFactory(self, stage, reconciliation_permissions(data))
        self.schedule_reconcile = again.make("schedule_reconcile", memory_mb=1769, timeout_seconds=900)
        self.functions = {**make.made, **scheduled.made, **again.made}
        Schedule(
            self,
            "Reconcile",
            function=self.schedule_reconcile,
            every_minutes=RECONCILE_EVERY_MINUTES,
            undelivered=ingestion.undelivered,
        )
        Schedule(
            self,
            "LookForDue",
            function=self.schedule_billing,
            every_minutes=LOOK_FOR_DUE_EVERY_MINUTES,
            undelivered=ingestion.undelivered,
        )

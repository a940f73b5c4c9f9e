"""All stacks of one deployment as one stage: what must survive first, what only watches last."""

from aws_cdk import CfnOutput, Stack, Stage, Tags
from constructs import Construct

from infra.constructs.python_function import PythonFunction, construct_id
from infra.stacks.api import ApiStack
from infra.stacks.backfill import BackfillStack
from infra.stacks.billing import BillingStack
from infra.stacks.data import DataStack
from infra.stacks.ingestion import IngestionStack
from infra.stacks.migration import MigrationStack
from infra.stacks.observability import ObservabilityStack
from infra.stage import StageSettings


class Service(Stage):
    """Stacks are named tollbooth-<stage>-<lifetime>."""

    def __init__(self, scope: Construct, stage: StageSettings) -> None:
        super().__init__(scope, f"tollbooth-{stage.name}")
        self.settings = stage
        self.data = DataStack(self, "data", stage=stage)
        self.ingestion = IngestionStack(self, "ingestion", stage=stage, data=self.data)
        self.billing = BillingStack(self, "billing", stage=stage, data=self.data, ingestion=self.ingestion)
        self.backfill = BackfillStack(self, "backfill", stage=stage, data=self.data, billing=self.billing)
        self.migration = MigrationStack(self, "migration", stage=stage, data=self.data)
        self.api = ApiStack(
            self,
            "api",
            stage=stage,
            data=self.data,
            ingestion=self.ingestion,
            billing=self.billing,
            backfill=self.backfill,
            migration=self.migration,
        )
        ObservabilityStack(
            self,
            "observability",
            stage=stage,
            data=self.data,
            ingestion=self.ingestion,
            api=self.api,
            billing=self.billing,
            backfill=self.backfill,
            migration=self.migration,
        )
        Tags.of(self).add("tollbooth:stage", stage.name)
        self._outputs()

    def _outputs(self) -> None:
        """What an operator, the local stack and its tests need to know; names are the keys of the outputs file."""
        data, ingestion, billing, api = self.data, self.ingestion, self.billing, self.api
        _output(data, "UsageTableName", data.usage.value)
        _output(data, "BillingTableName", data.billing.value)
        _output(data, "ArchiveBucketName", data.archive.value)
        _output(data, "LedgerSecretArn", data.ledger_key.value)
        _output(data, "AdminSecretArn", data.admin_key.value)
        _output(data, "PortalSecretArn", data.portal_key.value)
        _output(data, "StripeSecretArn", data.stripe_secret.value)
        _output(ingestion, "StreamName", ingestion.stream.value)
        _output(billing, "BillingMachineArn", billing.machine.value)
        _output(self.backfill, "BackfillMachineArn", self.backfill.machine.value)
        _output(self.migration, "MigrationMachineArn", self.migration.machine.value)
        _output(api, "ApiUrl", api.url)
        _output(api, "ApiId", api.http.api_id)
        for stack, functions in (
            (ingestion, ingestion.functions),
            (billing, billing.functions),
            (self.backfill, self.backfill.functions),
            (self.migration, self.migration.functions),
            (api, api.functions),
        ):
            for handler, function in functions.items():
                _output_function(stack, handler, function)


def _output_function(stack: Stack, handler: str, function: PythonFunction) -> None:
    _output(stack, f"{construct_id(handler)}FunctionName", function.function_name)


def _output(stack: Stack, name: str, value: str) -> None:
    CfnOutput(stack, name, value=value)

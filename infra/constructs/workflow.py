"""A Step Functions machine from its ASL file, allowed to invoke its own functions and to run its own map, if any."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Aws, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.constructs.python_function import LOG_RETENTION, PythonFunction, construct_id
from infra.stage import StageSettings

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"


class Workflow(Construct):
    """`<handler>` in `functions` fills `${<Handler>FunctionArn}` in the file, without its `workflow_`."""

    def __init__(
        self,
        scope: Construct,
        workflow_name: str,
        *,
        stage: StageSettings,
        functions: Mapping[str, PythonFunction],
        has_map: bool = True,
    ) -> None:
        super().__init__(scope, construct_id(workflow_name))
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            # Log delivery of Step Functions needs this prefix once an account has many log groups.
            log_group_name=f"/aws/vendedlogs/states/{Stack.of(self).stack_name}-{workflow_name}",
            retention=LOG_RETENTION[stage.log_retention_days],
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"],
                resources=[function.function_arn for function in functions.values()],
            )
        )
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_string((WORKFLOWS / f"{workflow_name}.asl.json").read_text()),
            definition_substitutions={
                f"{construct_id(handler.removeprefix('workflow_'))}FunctionArn": function.function_arn
                for handler, function in functions.items()
            },
            role=role,
            # Every state, never the data: invoices and customers stay out of the logs.
            logs=sfn.LogOptions(destination=self.log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
        )
        if has_map:
            self._allow_distributed_map(role)

    @property
    def executions_arn(self) -> str:
        """Every execution of this machine and no other."""
        return f"arn:{Aws.PARTITION}:states:{Aws.REGION}:{Aws.ACCOUNT_ID}:execution:{self.machine.state_machine_name}:*"

    @property
    def map_runs_arn(self) -> str:
        return f"{self.executions_arn.removesuffix(':*')}/*:*"

    def _allow_distributed_map(self, role: iam.Role) -> None:
        """A policy of its own: in the role's default policy the machine and its role would wait for each other."""
        statements = [
            iam.PolicyStatement(actions=["states:StartExecution"], resources=[self.machine.state_machine_arn]),
            iam.PolicyStatement(
                actions=["states:DescribeExecution", "states:StopExecution"], resources=[self.executions_arn]
            ),
            # A run that is redriven goes on with its map's own runs, whose names have the map's behind a slash.
            iam.PolicyStatement(actions=["states:RedriveExecution"], resources=[self.map_runs_arn]),
        ]
        iam.Policy(self, "DistributedMap", statements=statements, roles=[role])

"""A Lambda function of names.HANDLERS with exactly the permissions and variables its row in the stack's table says."""

from collections.abc import Iterable, Mapping, Sequence

from aws_cdk import Duration, RemovalPolicy, Stack, aws_lambda
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from functions import names
from infra.constructs import concurrency, python_code
from infra.constructs.access import Access
from infra.stage import StageSettings

LOG_RETENTION = {7: logs.RetentionDays.ONE_WEEK, 30: logs.RetentionDays.ONE_MONTH}


def construct_id(handler: str) -> str:
    """http_ingest -> HttpIngest."""
    return "".join(word.capitalize() for word in handler.split("_"))


class PythonFunction(aws_lambda.Function):
    """python3.13 on arm64, its own role, one JSON log group, no tracing (dearer than all else together)."""

    def __init__(
        self,
        scope: Construct,
        handler: str,
        *,
        stage: StageSettings,
        code: aws_lambda.Code,
        memory_mb: int,
        timeout_seconds: int,
        access: Sequence[Access] = (),
        environment: Mapping[str, str] | None = None,
        reserved_concurrency: int | None = None,
    ) -> None:
        name = construct_id(handler)
        log_group = logs.LogGroup(
            scope,
            f"{name}Logs",
            retention=LOG_RETENTION[stage.log_retention_days],
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = iam.Role(
            scope,
            f"{name}Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What {handler} may do",
        )
        role.add_to_policy(_write_logs(log_group))
        for statement in _statements(access):
            role.add_to_policy(statement)
        super().__init__(
            scope,
            name,
            runtime=aws_lambda.Runtime.PYTHON_3_13,
            architecture=aws_lambda.Architecture.ARM_64,
            code=code,
            handler=names.HANDLERS[handler][1],
            role=role,
            memory_size=memory_mb,
            timeout=Duration.seconds(timeout_seconds),
            log_group=log_group,
            logging_format=aws_lambda.LoggingFormat.JSON,
            system_log_level_v2=aws_lambda.SystemLogLevel.WARN,
            application_log_level_v2=aws_lambda.ApplicationLogLevel.INFO,
            tracing=aws_lambda.Tracing.DISABLED,
            reserved_concurrent_executions=reserved_concurrency,
            environment={
                **settings_of(stage),
                names.ENV_FUNCTION_SECONDS: str(timeout_seconds),
                **_environment(access),
                **(environment or {}),
            },
        )
        self.handler_name = handler


class FunctionFactory:
    """Makes the functions of one stack from its permission table; every asset is one Code object per stack."""

    def __init__(self, stack: Stack, stage: StageSettings, permissions: Mapping[str, Sequence[Access]]) -> None:
        self._stack = stack
        self._stage = stage
        self._permissions = permissions
        platform = python_code.platform_for(stage.build_for_host)
        self._code = {asset: python_code.code(asset, platform) for asset in (names.STREAM_ASSET, names.SERVICE_ASSET)}
        self.made: dict[str, PythonFunction] = {}

    def make(
        self, handler: str, *, memory_mb: int, timeout_seconds: int, environment: Mapping[str, str] | None = None
    ) -> PythonFunction:
        function = PythonFunction(
            self._stack,
            handler,
            stage=self._stage,
            code=self._code[names.HANDLERS[handler][0]],
            memory_mb=memory_mb,
            timeout_seconds=timeout_seconds,
            access=self._permissions[handler],
            environment=environment,
            reserved_concurrency=concurrency.reserved(self._stage).get(handler),
        )
        self.made[handler] = function
        return function


def rate_limits_of(stage: StageSettings) -> dict[str, str]:
    return {names.ENV_RATE_LIMITS: " ".join(f"{kind}={quota}" for kind, quota in stage.rate_limits.items())}


def settings_of(stage: StageSettings) -> dict[str, str]:
    """The numbers a stage decides, the same for every function so that no two disagree."""
    return {
        names.ENV_STAGE: stage.name,
        names.ENV_LANES: str(stage.lanes),
        names.ENV_ACCEPT_PAST_DAYS: str(stage.accept_past_days),
        names.ENV_INVOICES_IDLE: str(stage.invoices_idle).lower(),
        names.ENV_STREAM_RETENTION_HOURS: str(stage.stream_retention_hours),
        names.ENV_COLLECTION_SECONDS: str(stage.collection_seconds),
    }


def _write_logs(log_group: logs.LogGroup) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]
    )


def _statements(access: Iterable[Access]) -> list[iam.PolicyStatement]:
    return [statement for one in access for statement in one.statements]


def _environment(access: Iterable[Access]) -> dict[str, str]:
    return {variable: value for one in access for variable, value in one.environment.items()}

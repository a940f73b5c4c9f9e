"""An EventBridge schedule that invokes one function, with a role that can do nothing else."""

from aws_cdk import Aws, aws_lambda
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.constructs.dead_letter_queue import DeadLetterQueue
from infra.constructs.python_function import PythonFunction

# A tick that could not be delivered is replaced by the next one, so it is not retried for the default 24 hours.
MAX_RETRIES = 2
MAX_TICK_AGE_SECONDS = 240


class Schedule(Construct):
    """`every_minutes` as a rate; the L2 target would also grant every version of the function."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: PythonFunction,
        every_minutes: int,
        undelivered: DeadLetterQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        role = iam.Role(self, "Role", assumed_by=_our_scheduler())
        role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn]))
        role.add_to_policy(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[undelivered.queue_arn]))
        schedule = scheduler.CfnSchedule(
            self,
            "Rate",
            description=f"Runs {function.handler_name}",
            schedule_expression=f"rate({every_minutes} minute{'s' if every_minutes > 1 else ''})",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=function.function_arn,
                role_arn=role.role_arn,
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=undelivered.queue_arn),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=MAX_TICK_AGE_SECONDS, maximum_retry_attempts=MAX_RETRIES
                ),
            ),
        )
        # The Scheduler only hands a tick over: Lambda itself would try a failed one twice more, and keep one that is
        # throttled for six hours ("How Lambda handles errors and retries with asynchronous invocation").
        aws_lambda.CfnEventInvokeConfig(
            self,
            "Once",
            function_name=function.function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=MAX_TICK_AGE_SECONDS,
        )
        # The Scheduler checks at creation that it can assume the role; the policy must be there before the first tick.
        schedule.node.add_dependency(role)


def _our_scheduler() -> iam.ServicePrincipal:
    """Schedules of this account only: others may name our role, too."""
    return iam.ServicePrincipal(
        "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
    )

"""Where a trigger that could not be delivered waits for somebody to look at it."""

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.stage import StageSettings


class DeadLetterQueue(sqs.Queue):
    """Encrypted, TLS only, kept as long as SQS can: two weeks."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings) -> None:
        super().__init__(
            scope,
            construct_id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=stage.tls_only,
            retention_period=Duration.days(14),
        )

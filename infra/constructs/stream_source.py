"""The stream's event source: what it reads, and where it keeps whole what could not be processed."""

from typing import Any

import jsii
from aws_cdk import Duration, aws_lambda
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_s3 as s3

from functions import names
from infra.constructs.concurrency import PARALLELIZATION_FACTOR
from infra.stage import StageSettings

# As many records as Lambda takes; the 6 MB payload cuts the batch first.
BATCH_SIZE = 10_000
# The key Lambda itself chooses for a failed batch: aws/lambda/<mapping>/<shard>/<time>. It cannot be set.
FAILED_PREFIX = f"{names.FAILED_BATCHES}*"


def stream_source(
    stream: kinesis.IStream, keep_failed_in: s3.IBucket, stage: StageSettings
) -> sources.KinesisEventSource:
    """Retries until one hour before the record would expire, then keeps it whole in the bucket."""
    return sources.KinesisEventSource(
        stream,
        starting_position=aws_lambda.StartingPosition.TRIM_HORIZON,
        batch_size=BATCH_SIZE,
        parallelization_factor=PARALLELIZATION_FACTOR,
        max_batching_window=Duration.seconds(stage.batching_window_seconds),
        bisect_batch_on_error=False,
        retry_attempts=-1,
        max_record_age=Duration.hours(stage.max_record_age_hours),
        on_failure=_KeepWhole(keep_failed_in),
    )


@jsii.implements(aws_lambda.IEventSourceDlq)
class _KeepWhole:
    """Like S3OnFailureDestination, which would grant reading and deleting the whole archive."""

    def __init__(self, bucket: s3.IBucket) -> None:
        self._bucket = bucket

    def bind(self, _target: Any, target_handler: aws_lambda.IFunction) -> aws_lambda.DlqDestinationConfig:
        target_handler.add_to_role_policy(
            iam.PolicyStatement(actions=["s3:PutObject"], resources=[f"{self._bucket.bucket_arn}/{FAILED_PREFIX}"])
        )
        # Lambda looks whether the bucket is there before it puts.
        target_handler.add_to_role_policy(
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self._bucket.bucket_arn])
        )
        return aws_lambda.DlqDestinationConfig(destination=self._bucket.bucket_arn)

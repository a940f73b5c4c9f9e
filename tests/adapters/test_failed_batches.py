"""What Lambda keeps in the archive bucket of batches it could not have counted, on the emulator's S3."""

import uuid

from functions import names
from functions.adapters.failed_batches import S3FailedBatches
from infra.local import emulator


def test_failed_batches_are_counted_and_nothing_beside_them(aws: int) -> None:
    client, bucket = emulator.client("s3", aws), f"archive-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=bucket)
    batches = S3FailedBatches(client, bucket)
    assert batches.count() == 0
    beside = ("archive/day=2026-11-30/hour=07/lane-000-000000000001.jsonl.gz", "rejects/shard-1", "aws/lambdas")
    failed = [f"{names.FAILED_BATCHES}mapping/shardId-0/2026/11/30/{n}" for n in range(2)]
    for key in (*beside, *failed):
        client.put_object(Bucket=bucket, Key=key, Body=b"{}")
    assert batches.count() == 2

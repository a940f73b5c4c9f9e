"""Batches of the stream that could not be counted: Lambda keeps each whole in the archive bucket, an hour before the
stream forgets it.
"""

from typing import TYPE_CHECKING

from functions.names import FAILED_BATCHES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_COUNTED = 1_000  # of one request; the alarm asks whether there is any


class S3FailedBatches:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def count(self) -> int:
        """How many are there, up to MAX_COUNTED."""
        answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=FAILED_BATCHES, MaxKeys=MAX_COUNTED)
        return answer["KeyCount"]

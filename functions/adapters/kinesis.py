"""The event stream: packs and close markers to their lanes, acknowledged one by one."""

import random
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from functions.adapters.records import encode_record
from functions.domain.errors import Unavailable
from functions.domain.metering.event import CloseMarker, Pack
from functions.domain.metering.lanes import Lanes

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

MAX_RECORDS = 500  # Kinesis' own limit for one request
MAX_REQUEST_BYTES = 4_500_000  # below both 5 MiB (older regions) and 10 MiB
MAX_TRIES = 6
FIRST_WAIT_SECONDS = 0.05
RETRY_AFTER_SECONDS = 2


class KinesisStream:
    def __init__(self, client: "KinesisClient", stream: str, lanes: Lanes) -> None:
        self._client = client
        self._stream = stream
        self._lanes = lanes

    def put(self, records: Sequence[Pack | CloseMarker]) -> None:
        for entries in _requests([self._entry(record) for record in records]):
            self._put(entries)

    def _entry(self, record: Pack | CloseMarker) -> dict[str, Any]:
        return {
            "Data": encode_record(record),
            "PartitionKey": str(record.lane),
            "ExplicitHashKey": self._lanes.hash_key(record.lane),
        }

    def _put(self, entries: list[Any]) -> None:
        for attempt in range(MAX_TRIES):
            if attempt:
                time.sleep(random.uniform(0, FIRST_WAIT_SECONDS * 2**attempt))  # noqa: S311
            try:
                answers = self._client.put_records(StreamName=self._stream, Records=entries)["Records"]
            except ClientError as error:
                if error.response["Error"]["Code"] not in TRANSIENT:
                    raise
                continue
            except BotoCoreError:
                continue
            entries = [entry for entry, answer in zip(entries, answers, strict=True) if answer.get("ErrorCode")]
            if not entries:
                return
        raise Unavailable(
            "The event stream cannot take the events now; send them again, they are counted once.",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )


TRANSIENT = {
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "ThrottlingException",
    "InternalFailure",
    "ServiceUnavailable",
}


def _requests(entries: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    request: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        weight = len(entry["Data"]) + len(entry["PartitionKey"])
        if request and (len(request) == MAX_RECORDS or size + weight > MAX_REQUEST_BYTES):
            yield request
            request, size = [], 0
        request.append(entry)
        size += weight
    if request:
        yield request

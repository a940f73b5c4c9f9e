"""The event stream: packs and close markers to their lanes, acknowledged one by one.

Its client tries once and raises Unavailable (`aws.ONCE`): trying again is done here, of what is not acknowledged.
"""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from functions.adapters.aws import pauses
from functions.adapters.records import encode_record
from functions.domain.errors import Unavailable
from functions.domain.metering.values.event import CloseMarker, Pack
from functions.domain.metering.values.lanes import hash_key

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

MAX_RECORDS = 500  # Kinesis' own limit for one request
MAX_REQUEST_BYTES = 4_500_000  # below both 5 MiB (older regions) and 10 MiB
MAX_TRIES = 6
FIRST_PAUSE_SECONDS = 0.1
# A try takes at most three seconds (`aws.ONCE`), and the sender of events is answered within ten.
LAST_TRY_SECONDS = 3
RETRY_AFTER_SECONDS = 2


class KinesisStream:
    def __init__(self, client: "KinesisClient", stream: str, lanes: int) -> None:
        self._client = client
        self._stream = stream
        self._lanes = lanes

    def put(self, records: Sequence[Pack | CloseMarker]) -> None:
        last_try = time.monotonic() + LAST_TRY_SECONDS
        for place, entries in enumerate(_requests([self._entry(record) for record in records])):
            self._put(entries, last_try, is_first=not place)

    def _entry(self, record: Pack | CloseMarker) -> dict[str, Any]:
        return {
            "Data": encode_record(record),
            "PartitionKey": str(record.lane),
            "ExplicitHashKey": hash_key(record.lane, self._lanes),
        }

    def _put(self, entries: list[Any], last_try: float, *, is_first: bool) -> None:
        for number in pauses(MAX_TRIES, FIRST_PAUSE_SECONDS):
            if (number or not is_first) and time.monotonic() > last_try:
                break
            try:
                answers = self._client.put_records(StreamName=self._stream, Records=entries)["Records"]
            except Unavailable:
                continue
            entries = [entry for entry, answer in zip(entries, answers, strict=True) if answer.get("ErrorCode")]
            if not entries:
                return
        raise Unavailable(
            "The event stream cannot take the events now; send them again, they are counted once.",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )


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

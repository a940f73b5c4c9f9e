"""A database that throttles a fifth of all statements and fails now and then, and what counting makes of it.

`python -m tests.stories.throttled --seconds 60` writes batches into eight lanes as the stream would deliver them, the
refused ones again, says how long a batch took, and recounts everything.
"""

import argparse
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from statistics import quantiles
from typing import Any

import boto3

from functions.adapters.aws import PATIENT, aws_client
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.memory.ledger import MemoryArchive
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.usage.query_usage import UsageReader
from functions.domain.errors import Unavailable
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack
from functions.domain.metering.values.lanes import Lanes
from infra.local.dynamodb_local import dynamodb_local
from tests.conftest import LOCAL_CREDENTIALS, REGION, create_table
from tests.faults import Faults, between
from tests.writing import write

THROTTLED_SHARE, FAILED_SHARE = 0.2, 0.02
EVENTS_A_PACK = 20
LANES = Lanes(8, b"a key of the story")
TOKENS = Meter("m1", "tokens", "call", Aggregation.SUM, "$.n", {"model": "$.model"}, since=1)


class Counted(DynamoLedger):
    def meter_set(self, tenant: str) -> MeterSet:
        return MeterSet(1, (TOKENS,))


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Throttled:
    """What happened: events sent and found, batches that came again, seconds a batch took until it was counted."""

    sent: int = 0
    found: int = 0
    refused: int = 0
    seconds: list[float] = field(default_factory=list)

    def said(self, faults: Faults) -> str:
        cut = quantiles(self.seconds, n=100, method="inclusive")
        return (
            f"{self.sent} events sent, {self.found} counted; {sum(faults.happened.values())} faults: "
            f"{dict(faults.happened)}; {len(self.seconds)} batches, {self.refused} delivered again; "
            f"seconds a batch: {cut[49]:.2f} in the middle, {cut[98]:.2f} at the 99th percentile, "
            f"{max(self.seconds):.2f} at most"
        )


def throttled(endpoint: str, faults: Faults, table: str, seconds: float) -> Throttled:
    """Raises every error that is not Unavailable."""
    faults.is_throttled = lambda: faults.chance.random() < THROTTLED_SHARE
    chance = faults.chance
    faults.fault = lambda _: chance.choice(("failure", "throttle")) if chance.random() < FAILED_SHARE else None
    happened, numbers, archive, window = Throttled(), count(1), MemoryArchive(), AcceptanceWindow()
    ledger = Counted(aws_client("dynamodb", PATIENT, endpoint=endpoint), table, window)
    writer = LaneWriter(
        ledger, archive, Now(), lambda: uuid.uuid4().hex, window, MemoryLookBacks(), LANES.value_fingerprint
    )
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        packs = [_pack(lane, numbers) for lane in range(LANES.count)]
        happened.sent += len(packs) * EVENTS_A_PACK
        began = time.monotonic()
        while not _is_written(writer, packs):
            happened.refused += 1
        happened.seconds.append(time.monotonic() - began)
    faults.is_throttled, faults.fault = lambda: False, lambda _: None
    (row,) = UsageReader(ledger, archive, LANES).rows(UsageQuery("t", TOKENS), datetime.now(UTC))
    happened.found = int(row.value or 0)
    return happened


def _pack(lane: int, numbers: Iterator[int]) -> Pack:
    now = int(time.time())
    data = b'{"n":1,"model":"m"}'
    mine = [next(numbers) for _ in range(EVENTS_A_PACK)]
    events = [Event(n, now, str(n), "s", "call", f"{lane}-{n % 3}", data) for n in mine]
    return Pack("t", lane, uuid.uuid4().hex, now, events)


def _is_written(writer: LaneWriter, packs: list[Pack]) -> bool:
    try:
        write(writer, packs)
    except Unavailable:
        return False
    return True


@contextmanager
def database() -> Iterator[tuple[str, str]]:
    """DynamoDB Local and a table in it."""
    with dynamodb_local() as endpoint:
        client: Any = boto3.client("dynamodb", endpoint_url=endpoint, region_name=REGION)
        create_table(client, "usage")
        yield endpoint, "usage"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stories.throttled", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    os.environ |= LOCAL_CREDENTIALS
    with database() as (engine, table), between(engine, arguments.seed) as (endpoint, faults):
        happened = throttled(endpoint, faults, table, arguments.seconds)
        print(happened.said(faults))
    return 0 if happened.found == happened.sent else 1


if __name__ == "__main__":
    sys.exit(main())

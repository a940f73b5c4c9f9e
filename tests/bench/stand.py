"""A ledger to measure on: a fresh table on DynamoDB Local and the production wiring, on a simulated clock."""

import io
import os
import time
import uuid
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.session

from functions import names
from functions.adapters.dynamo import usage_keys as keys
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.values.lanes import Lanes, key_check
from functions.handlers.wiring import base
from functions.names import DEFAULT_TENANT, PARTITION_KEY, SORT_KEY
from tests.bench.counting import Counter
from tests.bench.load import METERS
from tests.bench.tally import Tally
from tests.conftest import LOCAL_CREDENTIALS, create_table
from tests.wired import forget_all

SECRET = "a ledger key of sixty-four characters, made once and for all ...."
# Lambda's own bytes around a log line, as CloudWatch Logs counts them.
LOG_OVERHEAD_BYTES = 26


@dataclass
class SimulatedClock:
    seconds: float

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


@dataclass(frozen=True)
class Measured:
    """One invocation: what it asked for, its own CPU time, what it logged, what it answered."""

    tally: Tally
    cpu_seconds: float
    log_bytes: int
    answer: Any


class Stand:
    """Makes this process the deployment under test; the next Stand takes its place."""

    def __init__(self, endpoint: str, lanes: int, now: float, s3_endpoint: str = "", meters: MeterSet = METERS) -> None:
        """With an `s3_endpoint` DynamoDB and S3 are called live and not counted."""
        self.clock = SimulatedClock(now)
        self.lanes = Lanes(lanes, SECRET.encode())
        self.table = f"bench-{uuid.uuid4().hex}"
        os.environ.update(
            LOCAL_CREDENTIALS
            | {
                "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
                "AWS_ENDPOINT_URL_S3": s3_endpoint or "http://127.0.0.1:9",
                names.ENV_USAGE_TABLE: self.table,
                names.ENV_BILLING_TABLE: "bench",
                names.ENV_STREAM_NAME: "bench",
                names.ENV_ARCHIVE_BUCKET: "bench",
                names.ENV_LANES: str(lanes),
                names.ENV_LEDGER_SECRET: "bench",
                names.ENV_STAGE: "bench",
            }
        )
        plain = boto3.session.Session().client("dynamodb", endpoint_url=endpoint)
        self._plain: Any = plain
        self._create_ledger(meters)
        session = botocore.session.Session()
        self.counter = Counter(session, plain, self.table, SECRET, live=bool(s3_endpoint))
        boto3.setup_default_session(botocore_session=session)
        self.restart()

    def restart(self) -> None:
        """A new process: nothing is known but what is stored."""
        forget_all()
        base.clock = lambda: self.clock  # type: ignore[assignment]

    def invoke(self, handler: Any, payload: Any) -> Measured:
        self.counter.take()
        output = io.StringIO()
        spent = self.counter.cpu_seconds
        with redirect_stdout(output):
            started = time.process_time()
            answer = handler(payload, None)
            cpu = time.process_time() - started
        lines = output.getvalue().splitlines()
        log_bytes = sum(len(line.encode()) + LOG_OVERHEAD_BYTES for line in lines)
        cpu -= self.counter.cpu_seconds - spent
        return Measured(self.counter.take(), cpu, log_bytes, answer)

    def drop(self) -> None:
        self._plain.delete_table(TableName=self.table)

    def _create_ledger(self, meters: MeterSet) -> None:
        create_table(self._plain, self.table)
        partition, sort = keys.GENESIS
        self._put(partition, sort, lanes={"N": str(self.lanes.count)}, key_check={"S": key_check(self.lanes.key)})
        self._put(keys.meters(DEFAULT_TENANT), keys.METER_SET, body={"B": meters.encode()})

    def _put(self, partition: str, sort: str, **attributes: Any) -> None:
        item = {PARTITION_KEY: {"S": partition}, SORT_KEY: {"S": sort}, **attributes}
        self._plain.put_item(TableName=self.table, Item=item)

"""One rate, one way of calling, one batching window: what an event costs, from consecutive batches of one shard."""

import base64
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.application.metering.ledger.pages_behind import PAGES_BEHIND_SECONDS
from functions.application.metering.ledger.recall_lane import MAX_UNKEPT_BYTES
from functions.domain.metering.cells.pages import PAGE_SECONDS, WINDOW_SECONDS
from functions.domain.metering.ledger.ledger import BUCKET_SECONDS, HOUR_SECONDS
from functions.handlers.metering import http_ingest, stream_aggregate
from tests.bench import assumptions as assume
from tests.bench.load import Call, Deployment, ShardLoad, http_payload
from tests.bench.stand import Measured, Stand
from tests.bench.tally import Tally

if TYPE_CHECKING:
    from tests.bench.deployed import Deployed

# Metadata of a record as Lambda delivers it; it counts towards the 6 MB.
RECORD = {
    "eventSource": "aws:kinesis",
    "eventVersion": "1.0",
    "eventName": "aws:kinesis:record",
    "invokeIdentityArn": "arn:aws:iam::123456789012:role/tollbooth-prod-ingestion-StreamAggregateRole-1A2B3C4D5E6F",
    "awsRegion": "us-east-1",
    "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/tollbooth-prod-ingestion-Stream-1A2B3C4D5E6F",
}
READ_UNIT_BYTES = 4_096
HARDLY_ANY = 0.03
PAGES, TOTALS = "write_units.pages", "write_units.totals"
OF_PAGES = (PAGES, TOTALS)
VALUES = "write_units.values"

_sequence = itertools.count(1)


@dataclass(frozen=True)
class Way:
    """How clients call and how long Lambda waits for a batch."""

    name: str
    events_per_call: int
    window: float


@dataclass
class Result:
    """What one event causes and costs, and figures that explain it."""

    per_event: Tally
    usd: dict[str, float]
    facts: dict[str, Any]

    @property
    def usd_per_million(self) -> float:
        return sum(self.usd.values()) * 1e6


@dataclass
class Batch:
    measured: Measured
    events: int
    seconds: float  # of traffic in it
    payload_bytes: int


def delivered(entries: list[Any], at: float) -> list[dict[str, Any]]:
    """Entries of PutRecords as Lambda hands them over."""
    return [_delivered(entry, at) for entry in entries]


def _delivered(entry: Any, at: float) -> dict[str, Any]:
    sequence = f"4959{next(_sequence):052d}"
    kinesis = {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": entry["PartitionKey"],
        "sequenceNumber": sequence,
        "data": base64.b64encode(entry["Data"]).decode(),
        "approximateArrivalTimestamp": round(at, 3),
    }
    return {**RECORD, "kinesis": kinesis, "eventID": f"shardId-000000000000:{sequence}"}


def _writes_pages(batch: Batch) -> bool:
    return batch.measured.tally[PAGES] > 0


class Scenario:
    """Drives one shard of a deployment through the production handlers."""

    def __init__(self, stand: Stand, deployment: Deployment, load: ShardLoad, deployed: "Deployed") -> None:
        self._stand = stand
        self._deployment = deployment
        self._load = load
        self._deployed = deployed

    def warm_up(self, time: float) -> Tally:
        """The first batch of a page span, which makes every page; per event when charged once per span, an upper bound.

        What it stores and asks beside pages is charged too.
        """
        events = self._load.one_of_each(time)
        calls = (Call(time, events[start : start + 1_000]) for start in range(0, len(events), 1_000))
        self._stand.clock.seconds = time
        tally = self.aggregate_tally(self.drive(calls, len(events), window=60))
        return tally.times(1 / (self._load.rate * PAGE_SECONDS))

    def run(self, way: Way, start: float, batches: int, first_of_span: Tally) -> tuple[Result, float]:
        """The figures of a way of calling, and the time at which the next run may start.

        At least `batches` alike are measured, and as many as lie between two that write pages. 0 stands for all of a
        half-hour window, whose first ones meet values that are new in it: once a batch meets hardly any, all further
        ones are as it is. What all of them write beside pages then counts for those that cross a bucket or an hour too.
        """
        if batches:
            at, plain = self._some(way, start, batches)
            weights = [1.0] * len(plain)
        else:
            at, plain = self._until_nothing_is_new(way, (start // WINDOW_SECONDS + 1) * WINDOW_SECONDS)
            weights = [1.0] * (len(plain) - 1)
            weights.append(max(1.0, WINDOW_SECONDS / plain[-1].seconds - len(weights)))
        seen = plain[-1]
        bucket_end = (at // BUCKET_SECONDS + 2) * BUCKET_SECONDS
        if bucket_end % HOUR_SECONDS == 0:
            bucket_end += BUCKET_SECONDS
        over_bucket = self._over(way, bucket_end, seen.seconds)
        hour_end = (bucket_end // HOUR_SECONDS + 1) * HOUR_SECONDS
        over_hour = self._over(way, hour_end, seen.seconds)
        per_event = self._mixed(plain, weights, over_bucket, over_hour)
        if not batches:
            per_event[VALUES] = self._shared(plain, weights)[VALUES]
        per_event = per_event.plus(first_of_span)
        return self._result(way, per_event, plain), hour_end + 2 * BUCKET_SECONDS

    def run_span(self, way: Way, start: float) -> tuple[Result, float]:
        """The figures of a way of calling over all batches of a page span, and the time at which the next may start.

        Nothing is extrapolated: pages are made in it, buckets and hours begin, and values beside pages are united.
        """
        at, plain = start, list[Batch]()
        while at < start + PAGE_SECONDS:
            plain.append(self.next(way, at))
            at += plain[-1].seconds
        return self._result(way, self._shared(plain, [1.0] * len(plain)), plain), at

    def _some(self, way: Way, start: float, batches: int) -> tuple[float, list[Batch]]:
        """Consecutive batches, and when the last of them began; long ones may cross a bucket.

        They end with one that writes pages, as the one before them did: what is not written yet is in none of them.
        """
        plain: list[Batch] = []
        at = (start // BUCKET_SECONDS + 1) * BUCKET_SECONDS
        seen = self.next(way, at)  # not measured: opens the bucket
        is_begun = _writes_pages(seen)
        while len(plain) < batches or not _writes_pages(plain[-1]):
            at += seen.seconds
            is_over = (at + seen.seconds) // BUCKET_SECONDS != at // BUCKET_SECONDS
            if is_over and seen.seconds < PAGES_BEHIND_SECONDS / 2:
                at = (at // BUCKET_SECONDS + 1) * BUCKET_SECONDS
                seen = self.next(way, at)
                plain, is_begun = [], _writes_pages(seen)
                continue
            seen = self.next(way, at)
            if is_begun:
                plain.append(seen)
            is_begun |= _writes_pages(seen)
        return at, plain

    def _over(self, way: Way, end: float, seconds: float) -> Batch:
        """A batch that crosses the end of a bucket or an hour, without the pages of those before it."""
        self.next(way, end - PAGES_BEHIND_SECONDS / 2 - seconds)
        return self.next(way, end - seconds / 2)

    def _until_nothing_is_new(self, way: Way, window_start: float) -> tuple[float, list[Batch]]:
        """The batches from the beginning of a window on, and when the last of them began."""
        at, plain = window_start, [self.next(way, window_start)]
        while at + 2 * plain[-1].seconds <= window_start + WINDOW_SECONDS:
            units = plain[-1].measured.tally
            if len(plain) > 1 and units[VALUES] < HARDLY_ANY * units["write_units.pages"]:
                break
            at += plain[-1].seconds
            plain.append(self.next(way, at))
        return at, plain

    # The stream.

    def next(self, way: Way, start: float) -> Batch:
        """The next invocation, of traffic that begins at `start`."""
        load = self._load.calls(start, way.events_per_call)
        return self.drive(load, way.events_per_call, way.window)

    def drive(self, calls: Iterator[Call], events_per_call: int, window: float) -> Batch:
        """Calls go through the production ingest handler until the batching window or the payload is full."""
        records: list[dict[str, Any]] = []
        size, events, first, last, number = 0, 0, 0.0, 0.0, 0
        stand = self._stand
        for call in calls:
            if number and (call.sent_at - first >= window or size >= assume.MAX_INVOCATION_BYTES - 300_000):
                break
            if len(records) >= assume.MAX_INVOCATION_RECORDS:
                break
            number += 1
            first = first or call.sent_at
            last = stand.clock.seconds = call.sent_at
            if not call.events:
                continue
            events += len(call.events)
            answer = http_ingest.handler(http_payload(call.events), None)
            assert answer["statusCode"] == 204, answer
            for record in delivered(stand.counter.take_records(), call.sent_at):
                size += len(json.dumps(record, separators=(",", ":"))) + 1
                records.append(record)
        stand.clock.seconds = last + 1
        measured = stand.invoke(stream_aggregate.handler, {"Records": records})
        assert measured.answer == {"batchItemFailures": []}
        return Batch(measured, events, number * events_per_call / self._deployment.rate, size)

    # From batches to an event.

    def aggregate_tally(self, batch: Batch) -> Tally:
        measured = batch.measured
        tally = Tally(measured.tally)
        tally["lambda_requests.aggregate"] = 1
        memory = self._deployed.memory_mb["stream_aggregate"]
        tally["lambda_gb_seconds.aggregate"] = assume.gb_seconds(measured.cpu_seconds, measured.tally, memory)
        tally["log_bytes.aggregate"] = measured.log_bytes
        tally["aggregate_cpu_seconds"] = measured.cpu_seconds
        return tally

    def _mixed(self, plain: list[Batch], weights: list[float], over_bucket: Batch, over_hour: Batch) -> Tally:
        """Batches in the proportion in which they come: so many cross a five-minute bucket, so many an hour."""
        seconds = sum(batch.seconds for batch in plain) / len(plain)
        hourly = seconds / HOUR_SECONDS
        per_bucket = max(0.0, seconds / BUCKET_SECONDS - hourly)
        shared = self._shared(plain, weights)
        mixed = shared.times(1 - per_bucket - hourly)
        for batch, share in ((over_bucket, per_bucket), (over_hour, hourly)):
            mixed = mixed.plus(self.aggregate_tally(batch), share / batch.events)
        for kind in OF_PAGES:  # are written with whatever batch comes at the time
            mixed[kind] = shared[kind]
        return mixed

    def _shared(self, plain: list[Batch], weights: list[float]) -> Tally:
        """What an event causes in batches of these weights."""
        shared = Tally()
        for batch, weight in zip(plain, weights, strict=True):
            shared = shared.plus(self.aggregate_tally(batch), weight / sum(weights) / batch.events)
        return shared

    def _per_environment(self, per_event: Tally) -> Tally:
        """INIT and the cold load of a new execution environment: what the log has not kept yet of the look-backs and
        has in no page yet, half of what it may hold on average, and the subjects.
        """
        events = self._load.rate * assume.ENVIRONMENT_SECONDS
        lanes = self._deployment.lanes / self._deployment.shards
        written = per_event["stored.commits"] * self._load.rate
        commits = (
            min(MAX_UNKEPT_BYTES * lanes, written * assume.ENVIRONMENT_SECONDS) / 2 + written * PAGES_BEHIND_SECONDS / 2
        )
        memory = self._deployed.memory_mb["stream_aggregate"]
        once = {
            "read_units.cold": commits / READ_UNIT_BYTES + len(self._load.subjects) / 2,
            "lambda_gb_seconds.init": assume.gb_seconds(assume.INIT_SECONDS, {}, memory),
        }
        return Tally(once).times(1 / events)

    def _ingest(self, way: Way) -> Tally:
        """Whole client calls through the ingest handler, all lanes; the best of several for the CPU time."""
        size = way.events_per_call
        whole = ShardLoad(self._everything, self._stand.lanes, seed=size)
        calls = whole.calls(self._stand.clock.seconds, size)
        memory = self._deployed.memory_mb["http_ingest"]
        best: Measured | None = None
        total, count = Tally(), 8 if size > 1 else 200
        for _ in range(count):
            measured = self._stand.invoke(http_ingest.handler, http_payload(next(calls).events))
            self._stand.counter.take_records()
            assert measured.answer["statusCode"] == 204
            total = total.plus(measured.tally)
            best = measured if best is None or measured.cpu_seconds < best.cpu_seconds else best
        assert best is not None
        call = total.times(1 / count)
        call["http_requests"] = 1
        call["egress_bytes"] = assume.RESPONSE_BYTES
        call["lambda_requests.ingest"] = 1
        call["lambda_gb_seconds.ingest"] = assume.gb_seconds(best.cpu_seconds, best.tally, memory)
        call["log_bytes.access"] = self._deployed.access_log_bytes
        call["log_bytes.ingest"] = best.log_bytes
        return call.times(1 / size).plus(self._authorizer(size))

    @property
    def _everything(self) -> Deployment:
        deployment = self._deployment
        return Deployment(deployment.rate, deployment.subjects, deployment.lanes, 1)

    def _authorizer(self, events_per_call: int) -> Tally:
        runs = 1 / events_per_call
        calls_per_second = self._deployment.rate * runs
        memory = self._deployed.memory_mb["http_authorize"]
        at_once = max(1.0, calls_per_second * assume.AUTHORIZER_CPU_SECONDS * assume.ONE_VCPU_MB / memory)
        reads = min(calls_per_second, at_once * assume.CLIENT_KEYS / assume.KEY_REMEMBERED_SECONDS)
        reads /= self._deployment.rate
        duration = assume.gb_seconds(assume.AUTHORIZER_CPU_SECONDS, {}, memory) * runs
        duration += assume.gb_seconds(0, {"requests.dynamodb": 1}, memory) * reads
        return Tally({"lambda_requests.auth": runs, "lambda_gb_seconds.auth": duration, "read_units.auth": reads})

    def _result(self, way: Way, per_event: Tally, plain: list[Batch]) -> Result:
        """Of what batches cause; environments, ingest and shards are added."""
        deployment = self._deployment
        per_event = per_event.plus(self._per_environment(per_event)).plus(self._ingest(way))
        per_event["kinesis_shard_hours"] = deployment.shards / (deployment.rate * 3_600)
        batches = len(plain)
        records = per_event["kinesis_records"] * deployment.rate / deployment.shards
        size = per_event["kinesis_bytes"] * deployment.rate / deployment.shards
        assert records <= assume.SHARD_RECORDS_PER_SECOND, f"{records} records/s need more shards"
        assert size <= assume.SHARD_BYTES_PER_SECOND, f"{size} bytes/s need more shards"
        facts = {
            "shards": deployment.shards,
            "lanes": deployment.lanes,
            "events_per_invocation": round(sum(batch.events for batch in plain) / batches),
            "seconds_per_invocation": round(sum(batch.seconds for batch in plain) / batches, 2),
            "payload_mb": round(sum(batch.payload_bytes for batch in plain) / batches / 1e6, 2),
            "records_per_second_and_shard": round(records, 1),
            "bytes_per_second_and_shard": round(size),
            "write_units": {
                kind: round(per_event[f"write_units.{kind}"], 5) for kind in ("ledger", "pages", "totals", "values")
            },
            "aggregate_cpu_us": round(per_event["aggregate_cpu_seconds"] * 1e6, 2),
        }
        return Result(per_event, per_event.usd(), facts)

"""CPU time per event: process time, the best of many runs, so that a busy machine changes little."""

import base64
import json
import random
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

from functions.adapters.archive import encode_lines
from functions.adapters.records import decode_record, encode_commit
from functions.domain.metering.cells.pages import PAGE_SECONDS
from functions.domain.metering.ledger.counting import Deltas, count
from functions.domain.metering.ledger.ledger import (
    Commit,
    Counts,
    Directory,
    LaneState,
    deduplicate,
    fingerprints_by_bucket,
    hours_of,
)
from functions.domain.metering.meters.groupings import compile_meters
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.values.event import AcceptanceWindow, Pack
from functions.handlers.metering import http_ingest, stream_aggregate
from functions.names import DEFAULT_TENANT
from infra.local.paths import REPOSITORY
from infra.local.ports import LOOPBACK, free_port
from tests.bench.load import (
    METERS,
    MODELS,
    SEVEN_METERS,
    USERS_PER_SUBJECT,
    event_json,
    http_payload,
    subject_name,
)
from tests.bench.scenario import delivered
from tests.bench.stand import Stand
from tests.bench.timing import best

LANES = 8
CALL_EVENTS = 1_000
COMMIT_EVENTS = 1_000
EVENTS_PER_PAGE = 20
SUBJECTS_PER_LANE = COMMIT_EVENTS // EVENTS_PER_PAGE - 1  # one page each, and one of the lane's totals
NOW = 1_790_000_000 // PAGE_SECONDS * PAGE_SECONDS + 600
STUB_START_SECONDS = 20
METER_SETS = {"two": METERS, "seven": SEVEN_METERS}


class Traffic:
    """1,000-event calls of as many subjects in each lane as make 20 events a page; ids never repeat."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._chance = random.Random(7)
        found: dict[int, list[str]] = {lane: [] for lane in range(LANES)}
        number = 0
        while any(len(names) < SUBJECTS_PER_LANE for names in found.values()):
            names = found[stand.lanes.lane_of(DEFAULT_TENANT, subject_name(number))]
            if len(names) < SUBJECTS_PER_LANE:
                names.append(subject_name(number))
            number += 1
        self._subjects = list(found.values())

    def call(self) -> dict[str, Any]:
        """As many events for each lane, so that every run has exactly the same to do."""
        chance, at = self._chance, self._stand.clock.seconds - 1
        names = [chance.choice(names) for names in self._subjects for _ in range(CALL_EVENTS // LANES)]
        chance.shuffle(names)
        return http_payload([event_json(chance, name, at) for name in names])

    def one_of_each(self) -> list[Any]:
        """Records after which every page exists and every user of every subject is known in the window."""
        chance, at = self._chance, self._stand.clock.seconds - 1
        names = [name for names in self._subjects for name in names]
        whose = [(name, model, user) for name in names for model in MODELS for user in range(USERS_PER_SUBJECT)]
        events = [event_json(chance, name, at, model, user) for name, model, user in whose]
        for start in range(0, len(events), CALL_EVENTS):
            assert http_ingest.handler(http_payload(events[start : start + CALL_EVENTS]), None)["statusCode"] == 204
        return self._stand.counter.take_records()

    def records(self, lanes: int) -> list[Any]:
        """The stream's records of as many calls as give each of `lanes` lanes one 1,000-event commit."""
        self._stand.counter.take_records()
        for _ in range(LANES):
            assert http_ingest.handler(self.call(), None)["statusCode"] == 204
        return [one for one in self._stand.counter.take_records() if int(one["PartitionKey"]) < lanes]


def measure(endpoint: str, runs: int, meters: MeterSet = METERS) -> dict[str, float]:
    spent = {"ingest": ingest(endpoint, runs), **aggregate(endpoint, runs, meters)}
    return spent | aggregate_with_calls(endpoint, runs, meters)


def ingest(endpoint: str, runs: int) -> float:
    """Microseconds per event of http_ingest.handler for a 1,000-event call, up to the request botocore would send."""
    stand = Stand(endpoint, LANES, NOW)
    traffic = Traffic(stand)

    def prepare() -> dict[str, Any]:
        stand.counter.take_records()
        return traffic.call()

    seconds = best(runs, prepare, lambda payload: http_ingest.handler(payload, None))
    stand.drop()
    return seconds / CALL_EVENTS * 1e6


def aggregate(endpoint: str, runs: int, meter_set: MeterSet = METERS) -> dict[str, float]:
    """Microseconds per event of decoding, deciding and counting a lane's 1,000 events, and of encoding the result.

    All lanes' events are prepared first and then counted lane by lane, as an invocation does it; the least time of each
    lane is kept, and the mean of the lanes told.
    """
    stand = Stand(endpoint, LANES, NOW, meters=meter_set)
    traffic = Traffic(stand)
    window, meters = AcceptanceWindow(), compile_meters(meter_set)
    states = [_lane_state(lane) for lane in range(LANES)]

    def work(state: LaneState, records: list[bytes]) -> tuple[Deltas, int]:
        packs = [decode_record(base64.b64decode(data)) for data in records]
        found = [pack for pack in packs if isinstance(pack, Pack)]
        deduplicated = deduplicate(state, found, window, NOW)
        queue = deque((tenant, subject, events) for (tenant, subject), events in deduplicated.groups.items())
        deltas = count(state, queue, lambda _: meters, stand.lanes.value_fingerprint, NOW)
        return deltas, deduplicated.counts.accepted

    least = [float("inf")] * LANES
    for _ in range(runs):
        all_records: list[list[bytes]] = [[] for _ in range(LANES)]
        for record in traffic.records(LANES):
            all_records[int(record["PartitionKey"])].append(base64.b64encode(record["Data"]))
        for lane, records in enumerate(all_records):
            started = time.process_time()
            deltas, events = work(states[lane], records)
            least[lane] = min(least[lane], (time.process_time() - started) / events)
    groups = deltas.groups
    body = encode_lines(groups, NOW, {DEFAULT_TENANT: 1})
    stand.drop()
    return {
        "aggregate": sum(least) / LANES * 1e6,
        "archive": best(runs, _nothing, lambda _: encode_lines(groups, NOW, {DEFAULT_TENANT: 1})) / events * 1e6,
        "commit": best(runs, _nothing, lambda _: encode_commit(_commit(deltas, body))) / events * 1e6,
    }


def _lane_state(lane: int) -> LaneState:
    return LaneState(
        lane=lane,
        n=1,
        confirmed_at=NOW,
        directories={DEFAULT_TENANT: Directory()},
    )


def _nothing() -> None:
    """There is nothing to prepare."""


def _commit(deltas: Deltas, body: bytes) -> Commit:
    fingerprints = fingerprints_by_bucket(deltas.groups)
    hours = hours_of(fingerprints)
    counts = Counts(deltas.event_count)
    return Commit(0, 2, "a", NOW, NOW, fingerprints, deltas.pages, hours, [], [], [], "staging/key", b"", counts, {})


def aggregate_with_calls(endpoint: str, runs: int, meters: MeterSet = METERS) -> dict[str, float]:
    """Microseconds per event of whole invocations: eight lanes, a 1,000-event commit each, AWS calls over HTTP.

    An invocation is too long to run undisturbed on a busy machine. So it is cut at the beginning and the end of every
    AWS call, and the sum is taken of the least time each piece took; the best whole invocation is told beside it.
    """
    with s3_stub() as s3_endpoint:
        stand = Stand(endpoint, LANES, NOW, s3_endpoint, meters)
        traffic = Traffic(stand)
        stand.invoke(stream_aggregate.handler, {"Records": delivered(traffic.one_of_each(), NOW)})
        stand.invoke(stream_aggregate.handler, {"Records": delivered(traffic.records(LANES), NOW)})
        whole: list[float] = []
        pieces: list[list[float]] = []
        for _ in range(runs):
            payload = {"Records": delivered(traffic.records(LANES), NOW)}
            stand.counter.marks.clear()
            started = time.process_time()
            whole.append(stand.invoke(stream_aggregate.handler, payload).cpu_seconds)
            marks = [started, *stand.counter.marks, time.process_time()]
            pieces.append([after - before for before, after in pairwise(marks)])
        stand.drop()
    per_event = 1e6 / (LANES * COMMIT_EVENTS)
    # Without those that keep what their lanes remember, which asks more, and seldom comes.
    alike = [each for each in pieces if len(each) == min(map(len, pieces))]
    return {
        "aggregate_with_calls": sum(map(min, zip(*alike, strict=True))) * per_event,
        "best_whole_invocation": min(whole) * per_event,
    }


def measured_alone(endpoint: str, runs: int, meters: str) -> dict[str, float]:
    """`measure` in a process of its own, as a function is; `meters` is a name of METER_SETS."""
    command = [sys.executable, "-m", "tests.bench.cpu", endpoint, str(runs), meters]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=True)
    figures: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return figures


@contextmanager
def s3_stub() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.s3_stub", str(port)])
    try:
        deadline = time.monotonic() + STUB_START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
                break
            time.sleep(0.05)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), METER_SETS[sys.argv[3]])))

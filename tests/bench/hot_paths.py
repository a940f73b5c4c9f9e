"""Loads that lean on one place: one subject, a million of them, late events; and how near a partition is to its limit.

All by the seven meters. DynamoDB takes 1,000 write units a second for one partition key, even if the table takes more.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.domain.metering.ledger.ledger import BUCKET_SECONDS
from functions.handlers.wiring import metering
from tests.bench import assumptions as assume
from tests.bench.load import SEVEN_METERS, Deployment, ShardLoad
from tests.bench.rates import SETTLE_SECONDS, SPAN_START
from tests.bench.scenario import READ_UNIT_BYTES, Batch, Scenario, Way
from tests.bench.stand import Stand
from tests.bench.tally import Tally

if TYPE_CHECKING:
    from tests.bench.deployed import Deployed

PARTITION_WRITES = 1_000  # units a second for one partition key
FINGERPRINT_BYTES = 8
BATCH_60S = Way("batch_1000_60s", 1_000, 60)
BATCH_5S = Way("batch_1000_5s", 1_000, 5)
# What stands before the first # of a partition key, in words.
OWNERS = {"L": "log", "F": "fingerprints", "X": "hour index", "D": "directory", "Z": "late usage"}
OWNERS |= {"T": "totals", "S": "subject", "U": "values", "UT": "values of totals"}


@dataclass(frozen=True)
class Row:
    """`hot`: the partition key of each kind that took most, in units a second: on average, and while it was written."""

    usd_per_million: float
    per_event: Tally
    events_per_invocation: int
    hot: dict[str, tuple[float, float]]

    def as_json(self) -> dict[str, Any]:
        units = {
            kind: round(self.per_event[f"write_units.{kind}"], 4) for kind in ("ledger", "pages", "totals", "values")
        }
        return {
            "usd_per_million_events": round(self.usd_per_million, 4),
            "write_units_per_event": units,
            "read_units_per_event": round(self.per_event.total("read_units"), 4),
            "aggregate_cpu_us": round(self.per_event["aggregate_cpu_seconds"] * 1e6, 2),
            "events_per_invocation": self.events_per_invocation,
            "requests_per_million_events": {
                name: round(self.per_event[f"requests.{name}"] * 1e6) for name in ("dynamodb", "dynamodb_batch", "s3")
            },
            "stored_bytes_per_event": {
                name.removeprefix("stored."): round(size, 2)
                for name, size in sorted(self.per_event.items())
                if name.startswith("stored.")
            },
            "hottest_key_write_units_per_second": {
                kind: {"average": round(average, 1), "while_written": round(burst, 1)}
                for kind, (average, burst) in self.hot.items()
            },
        }


@dataclass(frozen=True)
class Case:
    name: str
    deployment: Deployment
    way: Way
    late_share: float = 0
    is_warm: bool = True  # every page of the shard was made before


CASES = (
    Case("one_subject", Deployment(10_000, 1, 32, 1), BATCH_60S),
    Case("million_subjects", Deployment(10_000, 1_000_000, 32, 8), BATCH_5S, is_warm=False),
    Case("on_time", Deployment(100, 500, 8, 1), BATCH_60S),
    Case("late", Deployment(100, 500, 8, 1), BATCH_60S, late_share=0.01),
)


def measure(
    endpoint: str, deployed: "Deployed", say: Callable[[str], None], cases: Sequence[Case] = CASES
) -> dict[str, dict[str, Any]]:
    """By name; `late` also says what a late event costs more than one on time."""
    rows = {}
    for case in cases:
        say(f"{case.name} at {case.deployment.rate:,} events/s")
        rows[case.name] = _row(endpoint, deployed, case)
    shown = {name: row.as_json() for name, row in rows.items()}
    if "late" in rows and "on_time" in rows:
        share = next(case.late_share for case in cases if case.name == "late")
        more = rows["late"].usd_per_million - rows["on_time"].usd_per_million
        shown["late"]["usd_per_million_late_events"] = round(more / share, 2)
    return shown


def _row(endpoint: str, deployed: "Deployed", case: Case) -> Row:
    stand = Stand(endpoint, case.deployment.lanes, SPAN_START, meters=SEVEN_METERS)
    load = ShardLoad(case.deployment, stand.lanes, seed=1, late_share=case.late_share)
    scenario = Scenario(stand, case.deployment, load, deployed)
    first_of_span = scenario.warm_up(SPAN_START) if case.is_warm else Tally()
    if case.late_share:
        _forget_what_came_before_the_last_hour()
    watched = _Watched(stand, scenario)
    result, _ = watched.run(case.way, first_of_span)
    per_event = result.per_event
    if not case.is_warm:  # a subject is new once, its events are many
        per_event["write_units.ledger"] -= per_event["stored_items.directory"]
    # Buckets of the past are empty here; they would be as full as today's, each read whole and strongly.
    full = case.deployment.rate * BUCKET_SECONDS / case.deployment.lanes * FINGERPRINT_BYTES / READ_UNIT_BYTES
    if case.late_share:
        per_event["read_units.late"] = per_event["bucket_reads"] * full
    stand.drop()
    usd = sum(per_event.usd().values()) * 1e6
    return Row(usd, per_event, result.facts["events_per_invocation"], watched.hottest())


def _forget_what_came_before_the_last_hour() -> None:
    """A new ledger knows that nothing came before; one that is full has to look into the buckets of late events."""
    for lane in metering.lane_writer()._memory._recall._recollections.values():
        lane.look_back.since = SPAN_START - 3_600


class _Watched:
    """A scenario whose batches tell which partition keys they wrote most."""

    def __init__(self, stand: Stand, scenario: Scenario) -> None:
        self._stand = stand
        self._scenario = scenario
        self._seen: list[tuple[Batch, dict[str, float]]] = []

    def run(self, way: Way, first_of_span: Tally) -> Any:
        drive = self._scenario.drive

        def watched(*arguments: Any, **named: Any) -> Batch:
            self._stand.counter.written.clear()
            batch = drive(*arguments, **named)
            self._seen.append((batch, dict(self._stand.counter.written)))
            return batch

        self._scenario.drive = watched  # type: ignore[method-assign]
        return self._scenario.run(way, float(SPAN_START + SETTLE_SECONDS), 1, first_of_span)

    def hottest(self) -> dict[str, tuple[float, float]]:
        found: dict[str, tuple[float, float]] = {}
        for batch, written in self._seen:
            waiting = sum(assume.LATENCY.get(name, 0) * count for name, count in batch.measured.tally.items())
            busy = batch.measured.cpu_seconds + waiting
            for key, units in written.items():
                kind = OWNERS.get(key.partition("#")[0], "other")
                average, burst = units / batch.seconds, units / busy
                before = found.get(kind, (0.0, 0.0))
                found[kind] = (max(before[0], average), max(before[1], burst))
        return found


def main() -> int:
    from infra.local.dynamodb_local import dynamodb_local
    from tests.bench.deployed import read_dev

    wanted = tuple(case for case in CASES if case.name in sys.argv[1:]) or CASES
    with dynamodb_local() as endpoint:
        print(json.dumps(measure(endpoint, read_dev(), lambda what: print(what, file=sys.stderr), wanted), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

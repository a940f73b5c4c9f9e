"""Every rate with its subjects and what must be deployed for it, driven in every way of calling."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from functions.domain.metering.cells.pages import PAGE_SECONDS
from infra.sizing import Sizing
from tests.bench import growth, naive
from tests.bench.counting import full_page_bytes
from tests.bench.load import Deployment, ShardLoad
from tests.bench.scenario import Result, Scenario, Way
from tests.bench.stand import Stand
from tests.bench.tally import Tally

if TYPE_CHECKING:
    from tests.bench.deployed import Deployed

SPAN_START = 1_790_000_000 // PAGE_SECONDS * PAGE_SECONDS
SETTLE_SECONDS = 300

SINGLE_5S = Way("single_5s", 1, 5)
BATCH_5S = Way("batch_1000_5s", 1_000, 5)
BATCH_60S = Way("batch_1000_60s", 1_000, 60)
# Eight lanes share eight calls, so that each lane's commit holds 1,000 events.
LANE_COMMITS = Way("lane_commits", 1_000, 8)
WAYS = (SINGLE_5S, BATCH_5S, BATCH_60S)


@dataclass(frozen=True)
class Rate:
    """`batch` and `single` differ in shards only: a shard takes 1,000 records/s, and a single event is a record."""

    per_second: int
    batch: Deployment
    single: Deployment

    def deployment(self, way: Way) -> Deployment:
        return self.single if way.events_per_call == 1 else self.batch


RATES = (
    Rate(10, Deployment(10, 200, 8, 1), Deployment(10, 200, 8, 1)),
    Rate(1_000, Deployment(1_000, 5_000, 8, 1), Deployment(1_000, 5_000, 8, 2)),
    # One shard would carry it, but a 6 MB invocation would hold 7 s of traffic; over eight shards it holds 50 s, and
    # every page is written once in that time.
    Rate(10_000, Deployment(10_000, 20_000, 32, 8), Deployment(10_000, 20_000, 32, 16)),
)


Growths = dict[str, dict[str, growth.Growth]]  # way -> rate


@dataclass
class Measurements:
    results: dict[str, dict[str, Result]]  # way -> rate -> what an event costs
    lane_commits: Result
    page_bytes: dict[str, int]  # rate -> a page at the end of its span


def with_lanes(rate: Rate, lanes: int) -> Rate:
    return Rate(rate.per_second, replace(rate.batch, lanes=lanes), replace(rate.single, lanes=lanes))


def measure_lanes(
    endpoint: str, deployed: "Deployed", batches: int, say: Callable[[str], None], lanes: int
) -> dict[str, dict[str, Result]]:
    """Way -> rate -> what an event costs where a deployment has so many lanes, at every rate."""
    results: dict[str, dict[str, Result]] = {way.name: {} for way in WAYS}
    for rate in (with_lanes(each, lanes) for each in RATES):
        say(f"{rate.per_second} events/s with {lanes} lanes")
        stand = Stand(endpoint, lanes, SPAN_START)
        _drive(rate, stand, deployed, batches, say, results)
        stand.drop()
    return results


def as_sized(rate: Rate) -> Rate:
    """The shards and lanes that a stage of this rate gets of itself."""
    batch, single = (Sizing(rate.per_second, events) for events in (BATCH_5S.events_per_call, 1))
    return Rate(
        rate.per_second,
        replace(rate.batch, lanes=batch.lanes, shards=batch.shards),
        replace(rate.single, lanes=single.lanes, shards=single.shards),
    )


def measure_sized(
    endpoint: str, deployed: "Deployed", batches: int, say: Callable[[str], None], rate: Rate
) -> dict[str, Result]:
    """Way -> what an event costs as the rate is sized."""
    results = {}
    for way in WAYS:
        deployment = as_sized(rate).deployment(way)
        say(f"{rate.per_second} events/s, {deployment.lanes} lanes and {deployment.shards} shards: {way.name}")
        stand = Stand(endpoint, deployment.lanes, SPAN_START)
        scenario = Scenario(stand, deployment, ShardLoad(deployment, stand.lanes, seed=1), deployed)
        first_of_span = scenario.warm_up(SPAN_START)
        results[way.name], _ = scenario.run(way, SPAN_START + SETTLE_SECONDS, batches, first_of_span)
        stand.drop()
    return results


def _drive(
    rate: Rate,
    stand: Stand,
    deployed: "Deployed",
    batches: int,
    say: Callable[[str], None],
    results: dict[str, dict[str, Result]],
) -> tuple[Scenario, float]:
    """Fills in the rate's results; the scenario of its batches, and where the next page span begins."""
    whole = Scenario(stand, rate.batch, ShardLoad(rate.batch, stand.lanes, seed=1), deployed)
    few = Scenario(stand, rate.single, ShardLoad(rate.single, stand.lanes, seed=2), deployed)
    span = float(SPAN_START)
    for way in WAYS:
        say(f"{rate.per_second} events/s: {way.name}")
        first_of_span = whole.warm_up(span)
        scenario = few if way.events_per_call == 1 else whole
        figures, _ = scenario.run(way, span + SETTLE_SECONDS, batches, first_of_span)
        results[way.name][str(rate.per_second)] = figures
        span += PAGE_SECONDS
    return whole, span


def growths(
    results: dict[str, dict[str, Result]], page_bytes: dict[str, int], rates: Sequence[Rate] = RATES
) -> Growths:
    """Of batches, counted every 5 and every 60 s."""
    return {
        way.name: {
            name: growth.of_load(results[way.name][name].per_event, rate.deployment(way), page_bytes[name])
            for name, rate in ((str(each.per_second), each) for each in rates)
        }
        for way in (BATCH_5S, BATCH_60S)
    }


def measure(endpoint: str, deployed: "Deployed", batches: int, say: Callable[[str], None]) -> Measurements:
    results: dict[str, dict[str, Result]] = {way.name: {} for way in WAYS}
    page_bytes: dict[str, int] = {}
    say("naive design")
    alone = naive.per_event(endpoint, SPAN_START)
    results["naive"] = {str(rate.per_second): Result(alone, alone.usd(), {}) for rate in RATES}
    lane_commits = None
    for rate in RATES:
        stand = Stand(endpoint, rate.batch.lanes, SPAN_START)
        whole, span = _drive(rate, stand, deployed, batches, say, results)
        if rate.per_second == 1_000:
            say("lane commits of 1,000 events")
            whole.warm_up(span)
            lane_commits, _ = whole.run(LANE_COMMITS, span + SETTLE_SECONDS, batches, Tally())
        page_bytes[str(rate.per_second)] = full_page_bytes(stand.counter.largest_page)
        stand.drop()
    assert lane_commits is not None
    return Measurements(results, lane_commits, page_bytes)

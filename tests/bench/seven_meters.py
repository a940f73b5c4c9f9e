"""The same load with all seven aggregations in use: every event is counted by seven meters, under the same bounds."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.domain.metering.cells.pages import PAGE_SECONDS
from tests.bench import cpu
from tests.bench.counting import full_page_bytes
from tests.bench.load import SEVEN_METERS, ShardLoad
from tests.bench.rates import BATCH_60S, LANE_COMMITS, RATES, SETTLE_SECONDS, SPAN_START
from tests.bench.scenario import Result, Scenario
from tests.bench.stand import Stand
from tests.bench.tally import Tally

if TYPE_CHECKING:
    from tests.bench.deployed import Deployed


@dataclass
class Measurements:
    results: dict[str, Result]  # rate -> what an event costs in 60-s batches of 1,000-event calls
    lane_commits: Result
    page_bytes: dict[str, int]  # rate -> a page at the end of its span


WHOLE_WINDOW = 0  # batches: distinct values are new at the beginning of a window and known at its end
MOST_EVENTS = 200_000  # are driven through; faster rates fill a page with more in its three hours


def measure(endpoint: str, deployed: "Deployed", batches: int, say: Callable[[str], None]) -> Measurements:
    results: dict[str, Result] = {}
    page_bytes: dict[str, int] = {}
    lane_commits = None
    for rate in RATES:
        say(f"{rate.per_second} events/s, seven meters")
        stand = Stand(endpoint, rate.batch.lanes, SPAN_START, meters=SEVEN_METERS)
        scenario = Scenario(stand, rate.batch, ShardLoad(rate.batch, stand.lanes, seed=1), deployed)
        first_of_span = scenario.warm_up(SPAN_START)
        span = float(SPAN_START)
        if rate.batch.rate * PAGE_SECONDS <= MOST_EVENTS:
            results[str(rate.per_second)], _ = scenario.run_span(BATCH_60S, span + PAGE_SECONDS)
        else:
            results[str(rate.per_second)], _ = scenario.run(
                BATCH_60S, span + SETTLE_SECONDS, WHOLE_WINDOW, first_of_span
            )
        if rate.per_second == 1_000:
            scenario.warm_up(span + PAGE_SECONDS)
            lane_commits, _ = scenario.run(LANE_COMMITS, span + PAGE_SECONDS + SETTLE_SECONDS, batches, Tally())
        page_bytes[str(rate.per_second)] = full_page_bytes(stand.counter.largest_page)
        stand.drop()
    assert lane_commits is not None
    return Measurements(results, lane_commits, page_bytes)


def main() -> int:
    """`--cpu` leaves out what an event costs."""
    from infra.local.dynamodb_local import dynamodb_local
    from tests.bench.deployed import read_dev

    with dynamodb_local() as endpoint:
        shown: dict[str, Any] = {"cpu_us_per_event": cpu.measure(endpoint, 20, SEVEN_METERS)}
        if "--cpu" not in sys.argv:
            found = measure(endpoint, read_dev(), 1, lambda what: print(what, file=sys.stderr))
            shown["usd"] = {rate: result.usd_per_million for rate, result in found.results.items()}
            shown["write_units"] = {rate: result.facts["write_units"] for rate, result in found.results.items()}
            shown["lane_commits"] = found.lane_commits.facts
            shown["full_page_bytes"] = found.page_bytes
    print(json.dumps(shown, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

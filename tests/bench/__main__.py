"""`make bench`: counts what a million events cost; prints a table and writes .local/bench.json."""

import argparse
import json
import os
import sys
import time

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

from infra import sizing
from infra.local import paths
from infra.local.dynamodb_local import dynamodb_local
from infra.local.failure import StepFailed
from tests.bench import (
    cold,
    cpu,
    deployed,
    flood,
    hot_paths,
    idle,
    issuing,
    questions,
    rate,
    rates,
    report,
    report_bill,
    report_metering,
    seven_meters,
    startup,
)

RATING_RUNS = 200
MANY_LANES = sizing.MANY_LANES
OUTPUT = paths.TOOLS / "bench.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: the same table, a little noisier")
    quick = parser.parse_args().quick
    try:
        figures = measure(batches=1 if quick else 2, runs=8 if quick else 40, processes=3 if quick else 10)
    except StepFailed as failure:
        print(f"{failure.reason} {failure.remedy}", file=sys.stderr)
        return 1
    print(report.table(figures))
    print(report_metering.table(figures.as_json()))
    print(report_bill.table(figures.as_json()))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(figures.as_json(), indent=2) + "\n")
    print(f"\nWritten to {paths.shown(OUTPUT)}; how it is counted: tests/bench/README.md")
    return 0


def measure(batches: int, runs: int, processes: int) -> report.Figures:
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - started:5.0f} s  {what}", file=sys.stderr, flush=True)

    say("assets and templates")
    assets = startup.asset_mb()
    stacks = deployed.read_dev()
    say(f"imports, best of {processes} processes each")
    import_ms, client_ms = startup.import_ms(processes)
    room_ms = startup.room_ms(processes)
    with dynamodb_local() as endpoint:
        say("first clicks")
        clicks_ms = cold.first_click_ms(endpoint, stacks, processes)
        say("CPU time")
        spent = {meters: cpu.measured_alone(endpoint, runs // 2, meters) for meters in cpu.METER_SETS}
        say("idle")
        idle_usd = idle.usd_per_month(endpoint, stacks, rates.SPAN_START)
        measured = rates.measure(endpoint, stacks, batches, say)
        many = rates.measure_lanes(endpoint, stacks, batches, say, MANY_LANES)
        idle_of_many = idle.usd_per_month(endpoint, stacks, rates.SPAN_START, MANY_LANES)
        sized = rates.measure_sized(endpoint, stacks, batches, say, rates.RATES[-1])
        seven = seven_meters.measure(endpoint, stacks, batches, say)
        hot = hot_paths.measure(endpoint, stacks, say)
        asked = questions.measure(endpoint, stacks, say)
        say("issuing an invoice")
        issued = issuing.measure(endpoint)
        flooded = flood.measure(endpoint, stacks)
        say("CPU time again, minutes later: the machine may have been busy")
        for meters, first in spent.items():
            again = cpu.measured_alone(endpoint, runs // 2, meters)
            first.update({name: min(value, again[name]) for name, value in first.items()})
        rating_ms = rate.measured_alone(RATING_RUNS)
    storage = {
        str(rate.per_second): idle.usd_storage_per_million(
            measured.results["batch_1000_60s"][str(rate.per_second)].per_event,
            rate.per_second,
            rate.batch.subjects,
            measured.page_bytes[str(rate.per_second)],
        )
        for rate in rates.RATES
    }
    say("done")
    grown = rates.growths(measured.results, measured.page_bytes)
    of_many = rates.growths(many, measured.page_bytes, [rates.with_lanes(each, MANY_LANES) for each in rates.RATES])
    many_lanes = report.ManyLanes(MANY_LANES, many, idle_of_many, of_many)
    further = report.Further(seven, spent["seven"], hot, asked, issued, grown, many_lanes, sized, flooded)
    return report.Figures(
        measured, idle_usd, storage, spent["two"], rating_ms, import_ms, room_ms, clicks_ms, client_ms, assets, further
    )


if __name__ == "__main__":
    sys.exit(main())

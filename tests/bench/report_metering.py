"""The metering engine's rows as a table: seven meters, loads that lean on one place, questions; and their bounds."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.hot_paths import PARTITION_WRITES
from tests.bench.report import CPU_BOUNDS, LEDGER_UNITS, USD_BOUNDS, verdict

MONTH_BYTES = 200_000
PAGE_BYTES = 1_024


def table(shown: Mapping[str, Any]) -> str:
    """Of the figures as JSON."""
    seven, hot, asked = shown["seven_meters"], shown["hot_paths"], shown["questions"]
    lines = [
        "",
        "all seven aggregations over the same load: " + _pairs(seven["usd_per_million_events"]["batch_1000_60s"]),
    ]
    lines += ["  write units per event at 1,000-event lane commits: " + _pairs(seven["write_units_per_event"])]
    lines += ["  CPU, us per event: " + _pairs(seven["cpu_us_per_event"])]
    for name, row in hot.items():
        units = _pairs(row["write_units_per_event"])
        lines += ["", f"{name}: {row['usd_per_million_events']} $ per million; write units per event: {units}"]
        for kind, rate in row["hottest_key_write_units_per_second"].items():
            pair = f"{rate['average']:,} on average, {rate['while_written']:,} while it is written"
            lines.append(f"  hottest {kind:<18} {pair} <= {PARTITION_WRITES:,} write units/s for a partition key")
    lines += ["", "late events, $ per million of them: " + str(hot["late"]["usd_per_million_late_events"])]
    ingest = asked["values_ingest"]
    lines += [
        "",
        f"{ingest['distinct_values']:,} distinct values: {ingest['usd_per_million_events']} $ per million events",
    ]
    lines += ["  write units per event: " + _pairs(ingest["write_units_per_event"])]
    for name, row in asked.items():
        if name != "values_ingest":
            lines += [f"{name}: " + _pairs(row)]
    return "\n".join([*lines, "", *(verdict(*bound) for bound in bounds(shown))])


def bounds(shown: Mapping[str, Any]) -> Sequence[tuple[str, float | None, float]]:
    """Name, figure and limit; seven meters have the limits of two."""
    seven, usd = shown["seven_meters"], shown["seven_meters"]["usd_per_million_events"]["batch_1000_60s"]
    hottest = [
        max(rate["while_written"] for rate in row["hottest_key_write_units_per_second"].values())
        for row in shown["hot_paths"].values()
    ]
    return [
        *((f"seven meters at {int(rate):,}/s, $", usd[rate], limit) for rate, limit in USD_BOUNDS.items()),
        ("seven meters, ledger units per event", seven["write_units_per_event"]["ledger"], LEDGER_UNITS),
        *((f"seven meters, CPU {name}, us", seven["cpu_us_per_event"][name], us) for name, us in CPU_BOUNDS.items()),
        ("seven meters, a full page, bytes", max(seven["full_page_bytes"].values()), PAGE_BYTES),
        ("a month by day, bytes read", shown["questions"]["month_by_day"]["bytes_read"], MONTH_BYTES),
        ("hottest partition key, units/s", max(hottest), PARTITION_WRITES),
    ]


def _pairs(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {figure}" for name, figure in figures.items())

"""What a bill has beside events: its growth with the years, what 64 lanes cost, and floods; as a table."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.bench.report import COLUMNS

WIDTH = 50


def table(shown: Mapping[str, Any]) -> str:
    """Of the figures as JSON."""
    lines: list[str] = []
    for way, rates in shown["growth"].items():
        lines += ["", _row(f"{way}, $ a month more each year", (f"{int(rate):,}/s" for rate in COLUMNS))]
        lines += _kinds(rates, "usd_a_month_more_each_year")
        lines += ["and $ a month, however long it goes on", *_kinds(rates, "usd_a_month")]
        lines += [
            _row("average object of the archive, bytes", (rates[rate]["archive_object_bytes"] for rate in COLUMNS))
        ]
    many = shown["many_lanes"]
    lines += ["", _row(f"$ per million events with {many['lanes']} lanes", (f"{int(rate):,}/s" for rate in COLUMNS))]
    for way, usd in many["usd_per_million_events"].items():
        lines.append(_row(f"  {way}", (f"{usd[rate]:.3f}" for rate in COLUMNS)))
    lines += [f"  idle, $ a month: {many['usd_idle_per_month']:.2f}"]
    lines += ["", f"{int(COLUMNS[-1]):,} events/s as `infra/sizing.py` has it, $ per million events"]
    for way, sized in shown["sized"].items():
        deployed = f"{sized['lanes']} lanes, {sized['shards']} shards"
        lines.append(_row(f"  {way}, {deployed}", [f"{sized['usd_per_million_events']:.3f}"]))
    lines += ["", _row("a flood as large as the throttle", ("requests/s", "ms", "bytes", "$ a day"))]
    for name, row in shown["flood"].items():
        cells = (row[kind] for kind in ("requests_per_second", "ms", "bytes", "usd_a_day"))
        lines.append(_row(f"  {name}", (f"{cell:,g}" for cell in cells)))
    return "\n".join(lines)


def _kinds(rates: Mapping[str, Any], part: str) -> list[str]:
    rows = [_row(f"  {kind}", (f"{rates[rate][part][kind]:.3f}" for rate in COLUMNS)) for kind in rates["10"][part]]
    return [*rows, _row("  together", (f"{sum(rates[rate][part].values()):.3f}" for rate in COLUMNS))]


def _row(name: str, cells: Iterable[object]) -> str:
    return f"{name:<{WIDTH}}" + "".join(f"{cell:>12}" for cell in cells)

"""The figures as a table for people and as JSON; every bound says whether it is met."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench import seven_meters
from tests.bench.rates import RATES, Growths, Measurements
from tests.bench.scenario import Result
from tests.bench.tally import Tally

ROWS = ("naive", "single_5s", "batch_1000_5s", "batch_1000_60s")
COLUMNS = ("10", "1000", "10000")
SERVICES = {
    "API Gateway": ("http_requests", "egress_bytes"),
    "Lambda": ("lambda_requests", "lambda_gb_seconds"),
    "Kinesis": ("kinesis_shard_hours", "kinesis_put_units"),
    "DynamoDB": ("write_units", "read_units"),
    "S3": ("s3_puts",),
    "Logs": ("log_bytes",),
}
USD_BOUNDS = {"10": 0.70, "1000": 0.12, "10000": 0.07}  # counted every 5 s, the default
LEDGER_UNITS = 0.05
IDLE_USD = 15.0
CPU_BOUNDS = {"ingest": 6.0, "aggregate": 4.0, "aggregate_with_calls": 15.0}
RATING_MS = 2.0
INGEST_IMPORT_MS = 350.0
AUTHORIZER_MS, FIRST_CLICK_MS = 350, 800
ROOM_MS = 350.0  # of the API, for the slowest room
ISSUE_IMPORT_MS = 300.0
STREAM_ASSET_MB = 30.0


@dataclass(frozen=True)
class ManyLanes:
    """The same rates where a deployment has more lanes than they need."""

    lanes: int
    results: Mapping[str, Mapping[str, Result]]
    idle: Mapping[str, float]
    growth: Growths

    def as_json(self) -> dict[str, Any]:
        return {
            "lanes": self.lanes,
            "usd_per_million_events": {way: _usd(results) for way, results in self.results.items()},
            "usd_idle_per_month": round(sum(self.idle.values()), 2),
            "growth": _growths(self.growth),
        }


def _usd(results: Mapping[str, Result]) -> dict[str, float]:
    return {rate: round(results[rate].usd_per_million, 4) for rate in COLUMNS}


def _growths(growths: Growths) -> dict[str, Any]:
    return {way: {rate: growth.as_json() for rate, growth in rates.items()} for way, rates in growths.items()}


@dataclass(frozen=True)
class Further:
    """What the metering engine costs beyond two meters and evenly spread load, in the shape of bench.json."""

    seven: seven_meters.Measurements
    seven_cpu: Mapping[str, float]
    hot_paths: Mapping[str, Mapping[str, Any]]
    questions: Mapping[str, Mapping[str, Any]]
    issuing: Mapping[str, float]
    growth: Growths
    many_lanes: ManyLanes
    sized: Mapping[str, Result]  # the fastest rate as a stage of it is deployed, by way
    flood: Mapping[str, Mapping[str, float]]

    def as_json(self) -> dict[str, Any]:
        results, commits = self.seven.results, self.seven.lane_commits.per_event
        return {
            "seven_meters": {
                "usd_per_million_events": {
                    "batch_1000_60s": {rate: round(results[rate].usd_per_million, 4) for rate in COLUMNS}
                },
                "write_units_per_event": {
                    kind: round(commits[f"write_units.{kind}"], 4) for kind in ("ledger", "pages", "totals", "values")
                },
                "cpu_us_per_event": {name: round(us, 2) for name, us in self.seven_cpu.items()},
                "full_page_bytes": self.seven.page_bytes,
                "batches": {rate: results[rate].facts for rate in COLUMNS},
            },
            "hot_paths": dict(self.hot_paths),
            "questions": dict(self.questions),
            "issuing_five_lines": dict(self.issuing),
            "growth": _growths(self.growth),
            "many_lanes": self.many_lanes.as_json(),
            "sized": {
                way: {
                    "usd_per_million_events": round(result.usd_per_million, 4),
                    "lanes": result.facts["lanes"],
                    "shards": result.facts["shards"],
                }
                for way, result in self.sized.items()
            },
            "flood": dict(self.flood),
        }


@dataclass(frozen=True)
class Figures:
    """Everything measured, in the shape of bench.json."""

    measurements: Measurements
    idle: Mapping[str, float]
    storage: Mapping[str, Mapping[str, float]]  # rate -> kind -> usd
    cpu: Mapping[str, float]
    rating_ms: float
    import_ms: Mapping[str, float | None]
    room_ms: Mapping[str, float | None]
    clicks_ms: Mapping[str, float]  # the authorizer alone, and by room with it
    client_ms: float
    asset_mb: Mapping[str, float]
    further: Further

    def as_json(self) -> dict[str, Any]:
        results, commits = self.measurements.results, self.measurements.lane_commits.per_event
        return {
            "usd_per_million_events": {row: _usd(results[row]) for row in ROWS},
            "usd_idle_per_month": round(sum(self.idle.values()), 2),
            "usd_storage_per_million_events": round(sum(self.storage["1000"].values()), 4),
            "write_units_per_event": {
                "ledger": round(commits["write_units.ledger"], 4),
                "pages": round(commits["write_units.pages"], 4),
                "totals": round(commits["write_units.totals"], 4),
            },
            "cpu_us_per_event": {name: round(self.cpu[name], 2) for name in CPU_BOUNDS},
            "rating_ms": round(self.rating_ms, 3),
            "import_ms": dict(self.import_ms),
            "api_room_ms": dict(self.room_ms),
            "first_click_ms": dict(self.clicks_ms),
            "asset_mb": dict(self.asset_mb),
            **self.further.as_json(),
            "details": self._details(),
        }

    def _details(self) -> dict[str, Any]:
        results = self.measurements.results
        return {
            "python": f"Python {platform.python_version()} ({platform.python_compiler()})",
            "usd_by_service": {row: {rate: by_service(results[row][rate]) for rate in COLUMNS} for row in ROWS},
            "batches": {row: {rate: results[row][rate].facts for rate in COLUMNS} for row in ROWS if row != "naive"},
            "lane_commits": self.measurements.lane_commits.facts,
            "usd_idle_by_line": {name: round(usd, 4) for name, usd in self.idle.items()},
            "usd_storage_by_kind": {
                rate: {kind: round(usd, 5) for kind, usd in kinds.items()} for rate, kinds in self.storage.items()
            },
            "full_page_bytes": self.measurements.page_bytes,
            "cpu_us_other": {name: round(us, 2) for name, us in self.cpu.items() if name not in CPU_BOUNDS},
            "boto3_and_client_ms": self.client_ms,
        }


def by_service(result: Result) -> dict[str, float]:
    """Dollars per million events of each service."""
    bill = Tally(result.usd)
    return {name: round(sum(map(bill.total, parts)) * 1e6, 4) for name, parts in SERVICES.items()}


def table(figures: Figures) -> str:
    shown = figures.as_json()
    lines = [_row("$ per million events", *(f"{int(rate):,}/s" for rate in COLUMNS))]
    lines.append(_row("lanes", *(f"{rate.batch.lanes}" for rate in RATES)))
    lines.append(_row("shards (for single events)", *(f"{rate.batch.shards} ({rate.single.shards})" for rate in RATES)))
    for row, usd in shown["usd_per_million_events"].items():
        lines.append(_row(row, *(f"{usd[rate]:.3f}" for rate in COLUMNS)))
    lines += ["", "of which, batch_1000_5s:"]
    services = shown["details"]["usd_by_service"]["batch_1000_5s"]
    lines += [_row(f"  {name}", *(f"{services[rate][name]:.4f}" for rate in COLUMNS)) for name in SERVICES]
    lines += ["", _row("storage, $ per million events", *_sums(figures.storage))]
    lines += ["", f"idle, $ a month: {shown['usd_idle_per_month']:.2f}"]
    lines += [f"  {name:<28}{usd:>10.3f}" for name, usd in figures.idle.items() if usd]
    units = shown["write_units_per_event"]
    lines += ["", "write units per event at 1,000-event lane commits: " + _pairs(units)]
    lines += [f"CPU, us per event, {shown['details']['python']}: " + _pairs(shown["cpu_us_per_event"])]
    lines += ["  further: " + _pairs(shown["details"]["cpu_us_other"])]
    lines += [f"CPU, ms to rate a subscription of ten rate cards: {shown['rating_ms']}"]
    lines += ["issuing an invoice of five lines: " + _pairs(shown["issuing_five_lines"])]
    lines += ["import, ms: " + _pairs(figures.import_ms), "asset, MB: " + _pairs(figures.asset_mb)]
    lines += ["http_api and the routes of one room, ms: " + _pairs(figures.room_ms)]
    lines += ["first click after idle, ms by the share of a processor: " + _pairs(figures.clicks_ms), ""]
    return "\n".join([*lines, *(verdict(*bound) for bound in bounds(shown))])


def bounds(shown: Mapping[str, Any]) -> Sequence[tuple[str, float | None, float]]:
    """Name, figure and limit of everything that has a limit."""
    usd, cpu = shown["usd_per_million_events"]["batch_1000_5s"], shown["cpu_us_per_event"]
    full = max(shown["details"]["full_page_bytes"].values())
    return [
        *((f"batch_1000_5s at {int(rate):,}/s, $", usd[rate], limit) for rate, limit in USD_BOUNDS.items()),
        ("idle, $ a month", shown["usd_idle_per_month"], IDLE_USD),
        ("ledger, write units per event", shown["write_units_per_event"]["ledger"], LEDGER_UNITS),
        *((f"CPU {name}, us per event", cpu[name], limit) for name, limit in CPU_BOUNDS.items()),
        ("rating ten rate cards, ms", shown["rating_ms"], RATING_MS),
        ("http_ingest import, ms", shown["import_ms"]["http_ingest"], INGEST_IMPORT_MS),
        ("workflow_issue_invoice import, ms", shown["import_ms"]["workflow_issue_invoice"], ISSUE_IMPORT_MS),
        ("http_api, its slowest room, ms", _slowest(shown["api_room_ms"]), ROOM_MS),
        ("authorizer after idle, ms", shown["first_click_ms"]["http_authorize"], AUTHORIZER_MS),
        ("first click after idle, ms", max(shown["first_click_ms"].values()), FIRST_CLICK_MS),
        ("stream asset, MB", shown["asset_mb"]["stream"], STREAM_ASSET_MB),
        ("a full page, bytes", full, 1024),
    ]


def _slowest(rooms: Mapping[str, float | None]) -> float | None:
    """None where one does not import."""
    measured = [figure for figure in rooms.values() if figure is not None]
    return max(measured) if len(measured) == len(rooms) else None


def verdict(name: str, figure: float | None, limit: float) -> str:
    met = figure is not None and figure <= limit
    return f"{name:<40}{'-' if figure is None else figure:>10} <= {limit:<8g}{'met' if met else 'NOT met'}"


def _row(name: str, *cells: str) -> str:
    return f"{name:<32}" + "".join(f"{cell:>12}" for cell in cells)


def _sums(storage: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [f"{sum(storage[rate].values()):.4f}" for rate in COLUMNS]


def _pairs(figures: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'does not import' if figure is None else figure}" for name, figure in figures.items())

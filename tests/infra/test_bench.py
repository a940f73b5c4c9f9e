"""The bench measures the code as it is: it must not lag behind what it calls."""

import json
import subprocess
import sys
from typing import Any

from infra.local.paths import REPOSITORY
from tests.bench.rate import measured_alone
from tests.bench.rates import RATES
from tests.conftest import DynamoDb

README = (REPOSITORY / "README.md").read_text()

CPU = "import json, sys; from tests.bench import cpu; print(json.dumps(cpu.measured_alone(sys.argv[1], 1, 'seven')))"
FURTHER = """
import json, sys
from dataclasses import replace
from tests.bench import flood, hot_paths, idle, questions, rates
from tests.bench.deployed import read_dev
from tests.bench.load import Deployment
from tests.bench.scenario import Way

def say(what): pass

deployed = read_dev()
small = [
    replace(case, deployment=Deployment(100, min(case.deployment.subjects, 50), 8, 1), way=Way("small", 1_000, 10))
    for case in hot_paths.CASES
]
questions.EDGE = Deployment(100, 50, 8, 8)
rows = hot_paths.measure(sys.argv[1], deployed, say, small)
asked = questions.measure(sys.argv[1], deployed, say, days=2, values=1_000, minutes=1)
spent = idle.usd_per_month(sys.argv[1], deployed, rates.SPAN_START)
few = Deployment(20, 50, 4, 1)
rates.RATES, rates.WAYS = (rates.Rate(20, few, few),), (rates.BATCH_5S, rates.BATCH_60S)
many = rates.measure_lanes(sys.argv[1], deployed, 1, say, 8)
rates.measure_sized(sys.argv[1], deployed, 1, say, rates.RATES[0])
grown = rates.growths(many, {"20": 160}, rates.RATES)["batch_1000_5s"]["20"]
flooded = flood.measure(sys.argv[1], deployed)
rest = {"growth": grown.as_json(), "flood": flooded, "idle": sum(spent.values())}
print(json.dumps({"rows": rows, "asked": asked, **rest}))
"""


def told(program: str, dynamodb: DynamoDb) -> dict[str, Any]:
    """In a process of its own, because the bench makes its process the deployment under test."""
    command = [sys.executable, "-c", program, dynamodb.endpoint]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    figures: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return figures


def test_every_cpu_figure_is_measured(dynamodb: DynamoDb) -> None:
    figures = told(CPU, dynamodb)
    assert {"ingest", "aggregate", "aggregate_with_calls"} <= figures.keys()
    assert all(value > 0 for value in figures.values())


def test_rating_is_measured() -> None:
    assert measured_alone(runs=1) > 0


def test_hot_paths_and_questions_are_measured(dynamodb: DynamoDb) -> None:
    figures = told(FURTHER, dynamodb)
    rows, asked = figures["rows"], figures["asked"]
    assert 14 < figures["idle"] < 15, "dollars a month, as README and infra/README.md say"
    assert rows["late"]["read_units_per_event"] > rows["on_time"]["read_units_per_event"]
    for row in rows.values():
        hottest = row["hottest_key_write_units_per_second"]
        assert {"log", "fingerprints", "subject", "totals", "values"} <= hottest.keys()
        assert all(rate["average"] > 0 for rate in hottest.values())
    assert asked["month_by_day"]["bytes_read"] < asked["month_by_day_unique_count"]["bytes_read"]
    assert asked["month_by_day"]["archive_objects"] == 0
    assert asked["edge_by_minute"]["archive_bytes"] > asked["edge_by_minute"]["archive_objects"] > 0
    assert asked["values_query"]["bytes_read"] > asked["values_ingest"]["distinct_values"] * 8
    growth = figures["growth"]
    assert all(usd > 0 for part in ("usd_a_month_more_each_year", "usd_a_month") for usd in growth[part].values())
    # A call of a thousand events makes an object in each of its eight lanes.
    assert 0.9 < growth["archive_objects_a_year"] / (20 * 365 * 86_400 / 1_000 * 8) < 1.1
    flood = figures["flood"]
    assert flood["openapi.json, gzip"]["bytes"] * 8 < flood["openapi.json, plain"]["bytes"]
    assert {row["requests_per_second"] for row in flood.values()} == {5, 10, 200, 2_000}


def test_the_costs_in_the_readme_say_the_lanes_and_shards_they_are_of() -> None:
    table = README.partition("\n## What it costs\n")[2].strip().splitlines()
    columns, deployed = (line.split(" | ")[1:] for line in (table[0], table[2]))
    for rate, column, cell in zip(RATES, columns, deployed, strict=True):
        assert column.startswith(f"{rate.per_second:,} events/s, {rate.batch.subjects:,} subjects")
        assert cell.startswith(f"{rate.batch.lanes} lanes, {rate.batch.shards} shard")
        assert (f"({rate.single.shards} for single events)" in cell) is (rate.single != rate.batch)

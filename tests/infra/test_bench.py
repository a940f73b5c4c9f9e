"""The bench measures the code as it is: it must not lag behind what it calls."""

import json
import subprocess
import sys

from infra.local.paths import REPOSITORY
from tests.conftest import DynamoDb

MEASURE = "import json, sys; from tests.bench import cpu; print(json.dumps(cpu.measure(sys.argv[1], runs=1)))"


def test_every_cpu_figure_is_measured(dynamodb: DynamoDb) -> None:
    # In a process of its own, because the bench makes its process the deployment under test.
    command = [sys.executable, "-c", MEASURE, dynamodb.endpoint]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stderr
    figures = json.loads(told.stdout.splitlines()[-1])
    assert {"ingest", "aggregate", "aggregate_with_calls"} <= figures.keys()
    assert all(value > 0 for value in figures.values())

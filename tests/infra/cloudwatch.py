"""CloudWatch's rule for alarms, as AWS writes it down, on the alarms of a template and on lines of our logs.

"Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data" (Amazon CloudWatch User Guide).
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

# CloudWatch looks at more periods than an alarm evaluates and does not say how many; in AWS's examples at two more.
FURTHER_PERIODS = 2
STATISTICS: Mapping[str, Callable[[list[float]], float]] = {"Sum": sum, "Maximum": max}
OBSERVABILITY = Path(__file__).parent / "snapshots" / "observability.json"  # test_snapshots.py: it is what is deployed
HASH_CHARACTERS = 8  # that CDK puts behind a name
IS_BREACHING_WHEN_MISSING = {"breaching": True, "notBreaching": False}

# A reading a period, the oldest first; None where nothing was told.
Readings = Sequence[float | None]


@dataclass(frozen=True)
class Alarm:
    """What of an alarm decides its state."""

    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    period_seconds: int
    above: float
    periods: int
    datapoints: int
    missing: str

    def state(self, readings: Readings) -> str:
        """The real readings of the range count if there are enough of them; as few as possible are filled in."""
        real = [each for each in readings[-self.periods - FURTHER_PERIODS :] if each is not None]
        breaching = [each > self.above for each in real[-self.periods :]]
        breaching += [IS_BREACHING_WHEN_MISSING[self.missing]] * (self.periods - len(breaching))
        return "ALARM" if sum(breaching) >= self.datapoints else "OK"

    def reading(self, lines: Iterable[Mapping[str, Any]]) -> float | None:
        """Of one period, from embedded metrics: those of exactly this namespace, name and these dimensions."""
        values = [value for line in lines for value in self._values(line)]
        return STATISTICS[self.statistic](values) if values else None

    def _values(self, line: Mapping[str, Any]) -> Iterable[float]:
        for told in line.get("_aws", {}).get("CloudWatchMetrics", []):
            names = {each["Name"] for each in told["Metrics"]}
            found = [tuple((name, line[name]) for name in dimensions) for dimensions in told["Dimensions"]]
            if told["Namespace"] == self.namespace and self.metric in names and self.dimensions in found:
                yield line[self.metric]


@cache
def alarms() -> Mapping[str, Alarm]:
    """Those of prod, by the name they have in the stack, from the template that was reviewed: no synth is needed."""
    resources = json.loads(OBSERVABILITY.read_text())["Resources"]
    found = {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    return {name[:-HASH_CHARACTERS]: _alarm(properties) for name, properties in found.items()}


def _alarm(properties: Mapping[str, Any]) -> Alarm:
    assert properties["ComparisonOperator"] == "GreaterThanThreshold"
    periods = properties["EvaluationPeriods"]
    return Alarm(
        properties["Namespace"],
        properties["MetricName"],
        tuple((each["Name"], json.dumps(each["Value"]).strip('"')) for each in properties.get("Dimensions", [])),
        properties.get("Statistic") or properties["ExtendedStatistic"],
        properties["Period"],
        properties["Threshold"],
        periods,
        properties.get("DatapointsToAlarm", periods),
        properties["TreatMissingData"],
    )


def told(output: str) -> list[dict[str, Any]]:
    """The structured lines a function has printed."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]

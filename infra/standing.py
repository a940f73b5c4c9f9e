"""What a deployment has that costs money while nothing happens, read from its templates, and what that is a month."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.prices import HOURS_PER_MONTH, MONTHLY, PRICES

# A shard keeps a day for its own price.
INCLUDED_RETENTION_HOURS = 24


@dataclass(frozen=True)
class Standing:
    shards: int
    long_lived_shards: int
    secrets: int
    alarm_metrics: int
    dashboards: int


def standing_of(resources: Iterable[Mapping[str, Any]]) -> Standing:
    """`resources` of all templates, each with its Type and Properties."""
    every = list(resources)

    def of(kind: str) -> list[Mapping[str, Any]]:
        return [one.get("Properties", {}) for one in every if one["Type"] == f"AWS::{kind}"]

    streams = of("Kinesis::Stream")
    return Standing(
        shards=sum(one["ShardCount"] for one in streams),
        long_lived_shards=sum(
            one["ShardCount"] for one in streams if one["RetentionPeriodHours"] > INCLUDED_RETENTION_HOURS
        ),
        secrets=len(of("SecretsManager::Secret")),
        alarm_metrics=sum(_metrics_of(alarm) for alarm in of("CloudWatch::Alarm")),
        dashboards=len(of("CloudWatch::Dashboard")),
    )


def usd_per_month(standing: Standing) -> dict[str, float]:
    """By line, with what every account gets for ever taken off."""
    shard_hours = HOURS_PER_MONTH * PRICES["kinesis_shard_hours"].usd
    long_hours = HOURS_PER_MONTH * PRICES["kinesis_long_retention_shard_hours"].usd
    return {
        "shards": standing.shards * shard_hours,
        "shards' long retention": standing.long_lived_shards * long_hours,
        "secrets": MONTHLY["secrets"].idle(standing.secrets),
        "alarm metrics": MONTHLY["alarm_metrics"].idle(standing.alarm_metrics),
        "dashboards": MONTHLY["dashboards"].idle(standing.dashboards),
    }


def _metrics_of(alarm: Mapping[str, Any]) -> int:
    """An alarm on an expression is billed for every metric the expression reads."""
    return sum("MetricStat" in one for one in alarm.get("Metrics", [])) or 1

"""CloudWatch metrics as log lines (embedded metric format), so that a metric costs no request."""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from functions import names
from functions.handlers import settings


def count(**values: int) -> None:
    """Each keyword is a metric of names.METRIC_*: count(**{names.METRIC_WEBHOOK_FAILED: 1})."""
    write("counted", values)


def write(message: str, counts: Mapping[str, int], *, level: str = "INFO", **fields: Any) -> None:
    """One structured line: a message, counts that are also metrics, and fields that only explain."""
    metric = {
        "Namespace": names.METRIC_NAMESPACE,
        "Dimensions": [[names.METRIC_DIMENSION]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in counts],
    }
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metric]},
        names.METRIC_DIMENSION: settings.stage(),
        "level": level,
        "message": message,
        **counts,
        **fields,
    }
    print(json.dumps(line, separators=(",", ":")), file=sys.stdout, flush=True)

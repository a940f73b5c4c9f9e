"""CloudWatch metrics as log lines (embedded metric format), so that a metric costs no request."""

import json
import sys
import time

from functions import names
from functions.handlers import settings


def count(**values: int) -> None:
    """Each keyword is a metric of names.METRIC_*: count(**{names.METRIC_WEBHOOK_FAILED: 1})."""
    metric = {
        "Namespace": names.METRIC_NAMESPACE,
        "Dimensions": [[names.METRIC_DIMENSION]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in values],
    }
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metric]},
        names.METRIC_DIMENSION: settings.stage(),
        **values,
    }
    print(json.dumps(line), file=sys.stdout, flush=True)

"""Asked by a billing run until it is done: how many lanes have counted everything before its close marker?"""

from collections.abc import Mapping
from typing import Any

from functions.application.metering.ledger.close_lanes import count_lanes
from functions.handlers import settings
from functions.handlers.edge.step import step
from functions.handlers.wiring import metering


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{marker, polls} -> the same with what was counted; the workflow bounds the polls."""
    marker, lanes = str(payload["marker"]), settings.lanes()
    counted = len(count_lanes(metering.ledger(), marker, lanes))
    return {
        "marker": marker,
        "lanes": lanes,
        "counted": counted,
        "polls": int(payload["polls"]) + 1,
        "is_done": counted == lanes,
    }

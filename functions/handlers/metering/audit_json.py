"""The audit of a lane and day as JSON; no pydantic, the stream's asset has none."""

from typing import Any

from functions.domain.metering.ledger.audit import LaneDay


def shown_audit(result: LaneDay) -> dict[str, Any]:
    counts = result.counts
    return {
        "lane": result.lane,
        "day": result.day,
        "commits": result.commits,
        "received": counts.received,
        "accepted": counts.accepted,
        "duplicates": counts.duplicates,
        "redelivered": counts.redelivered,
        "rejected": counts.rejected,
        "archived": result.archived,
        "recounted": result.recounted,
        "cells": result.cells,
        "historyCells": result.history_cells,
        "differenceCount": result.difference_count,
        "differences": [
            {"kind": str(each.kind), "place": each.place, "expected": each.expected, "found": each.found}
            for each in result.differences
        ],
    }

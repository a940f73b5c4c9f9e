"""Kinesis deliveries into the ledger; raises only when the stream should deliver again."""

import base64
import binascii
import gc
import time
from collections.abc import Mapping
from typing import Any

from functions import names
from functions.application.metering.ledger.aggregate_usage import Delivered, Report
from functions.handlers import log, metrics
from functions.handlers.wiring import metering

# A batch makes tens of thousands of objects that live until its end and no cycles: look for them seldom.
gc.set_threshold(100_000, 20, 50)


def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    started = time.perf_counter()
    delivered = [_delivered(record) for record in payload["Records"]]
    report = metering.aggregator().aggregate(delivered)
    for rejected in report.rejected:
        log.unexpected(rejected.error, code=rejected.code, record=rejected.identity)
    if report.not_kept:
        log.unexpected(report.not_kept, code="look_back_not_kept")
    if not report.is_of_heartbeats_alone:  # metrics are billed for each hour in which they are told
        _tell(report, time.perf_counter() - started)
    for (tenant, meter_id), percent in report.room_used.items():
        metrics.write(
            "room for groups", {names.METRIC_GROUP_ROOM: percent}, level="WARNING", tenant=tenant, meter_id=meter_id
        )
    _note(report.heartbeats)
    return {"batchItemFailures": []}


def _tell(report: Report, seconds: float) -> None:
    counts = report.counts
    metrics.write(
        "batch aggregated",
        {
            names.METRIC_ACCEPTED: counts.accepted,
            names.METRIC_DUPLICATE: counts.duplicates,
            names.METRIC_REJECTED: counts.rejected + report.rejected_records,
        },
        uncountable=counts.uncountable,
        records=report.records,
        lanes=len(report.lanes),
        surplus=max(report.surplus.values(), default=0),
        surplus_of=max(report.surplus, key=lambda tenant: report.surplus[tenant], default=""),
        milliseconds=round(seconds * 1_000),
    )


def _note(heartbeats: Mapping[int, int]) -> None:
    """Everything is counted already: where this fails nothing is delivered again for it, and the age tells."""
    if heartbeats:
        try:
            metering.heartbeats().note(heartbeats)
        except Exception as error:
            log.unexpected(error, lanes=sorted(heartbeats))


def _delivered(record: Mapping[str, Any]) -> Delivered:
    kinesis = record["kinesis"]
    shard, _, sequence = str(record["eventID"]).partition(":")
    try:
        body = base64.b64decode(kinesis["data"], validate=True)
    except (binascii.Error, ValueError):
        body = str(kinesis["data"]).encode()
    return Delivered(f"{shard}-{sequence}", body, int(float(kinesis["approximateArrivalTimestamp"])))

"""Histories of meters in DynamoDB: parts beside the counter pages, and an item a meter for its backfill."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.codec import decode_item, encode, encode_item
from functions.adapters.dynamo.usage_table import UsageTable, item_key, raise_unless_condition_failed
from functions.domain.metering.ledger.history import Backfill, HistoryPart, Status
from functions.names import PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BODY = "b"
FINISHED = "finished_work"
IS_ALIVE = "run_number = :run AND run_status IN (:running, :queued)"


class DynamoHistories:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._history_table = UsageTable(client, table)

    def history(
        self, tenant: str, lane: int, subject: str | None, meter_id: str, first_span: int, last_span: int
    ) -> Iterator[HistoryPart]:
        found = self._history_table.query(
            _owner(tenant, lane, subject), between=keys.history_range(meter_id, first_span, last_span)
        )
        for item in found:
            span, part = keys.history_place(item[SORT_KEY]["S"])
            yield HistoryPart(tenant, lane, subject, meter_id, span, part, bytes(item[BODY]["B"]))

    def put_history(self, parts: Sequence[HistoryPart]) -> None:
        self._history_table.put_all(
            {
                **item_key(
                    _owner(part.tenant, part.lane, part.subject), keys.history_part(part.meter_id, part.span, part.part)
                ),
                BODY: {"B": part.body},
            }
            for part in parts
        )

    def backfill(self, tenant: str, meter_id: str) -> Backfill | None:
        item = self._history_table.get(keys.backfills(tenant), meter_id)
        return _backfill(tenant, meter_id, decode_item(item)) if item else None

    def begin_backfill(self, backfill: Backfill, before: Backfill | None) -> bool:
        item = {
            PARTITION_KEY: keys.backfills(backfill.tenant),
            SORT_KEY: backfill.meter_id,
            "run_number": backfill.run,
            "run_status": str(backfill.status),
            "event_from": backfill.event_from.isoformat(),
            "started_at": backfill.started_at.isoformat(),
        }
        condition: dict[str, Any] = {"ConditionExpression": f"attribute_not_exists({PARTITION_KEY})"}
        if before is not None:
            condition = {
                "ConditionExpression": "run_number = :run AND run_status = :status",
                "ExpressionAttributeValues": encode_item({":run": before.run, ":status": str(before.status)}),
            }
        table = self._history_table
        try:
            table.client.put_item(TableName=table.name, Item=encode_item(item), **condition)
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True

    def queue_backfill(self, run: Backfill, status: Status, reason: str | None) -> None:
        change = "SET run_status = :status, reason = :reason"
        self._while_alive(run, change, {":status": str(status), ":reason": reason})

    def plan_backfill(self, run: Backfill, total: int) -> None:
        self._while_alive(run, "SET work_total = :total", {":total": total})

    def finish_work(self, run: Backfill, number: int) -> None:
        self._while_alive(run, f"ADD {FINISHED} :numbers", {":numbers": {number}})

    def end_backfill(self, run: Backfill, status: Status, at: datetime, reason: str | None = None) -> None:
        change = "SET run_status = :status, finished_at = :at, reason = :reason"
        self._while_alive(run, change, {":status": str(status), ":at": at.isoformat(), ":reason": reason})

    def _while_alive(self, run: Backfill, change: str, values: Mapping[str, Any]) -> None:
        values = {**values, ":run": run.run, ":running": str(Status.RUNNING), ":queued": str(Status.QUEUED)}
        table = self._history_table
        try:
            table.client.update_item(
                TableName=table.name,
                Key=item_key(keys.backfills(run.tenant), run.meter_id),
                UpdateExpression=change,
                ConditionExpression=IS_ALIVE,
                ExpressionAttributeValues={name: encode(value) for name, value in values.items()},
            )
        except ClientError as error:
            raise_unless_condition_failed(error)


def _owner(tenant: str, lane: int, subject: str | None) -> str:
    return keys.lane_pages(tenant, lane) if subject is None else keys.subject_pages(tenant, subject)


def _backfill(tenant: str, meter_id: str, item: Mapping[str, Any]) -> Backfill:
    finished_at = item.get("finished_at")
    return Backfill(
        tenant=tenant,
        meter_id=meter_id,
        event_from=datetime.fromisoformat(item["event_from"]),
        run=item["run_number"],
        status=Status(item["run_status"]),
        started_at=datetime.fromisoformat(item["started_at"]),
        finished_at=datetime.fromisoformat(finished_at) if finished_at else None,
        total=item.get("work_total", 0),
        done=len(item.get(FINISHED, ())),
        reason=item.get("reason"),
    )

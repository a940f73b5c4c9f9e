"""Histories of meters in a dict; see `memory`."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from functions.domain.metering.ledger.history import Backfill, HistoryPart, Status


class MemoryHistories:
    table: Any
    request: Callable[[str], None]

    def history(
        self, tenant: str, lane: int, subject: str | None, meter_id: str, first_span: int, last_span: int
    ) -> Iterator[HistoryPart]:
        self.request("history")
        for key in self.table.keys("history", tenant, lane, subject or "", meter_id):
            if first_span <= key[5] <= last_span:
                yield HistoryPart(tenant, lane, subject, key[4], key[5], key[6], self.table.get(key))

    def put_history(self, parts: Sequence[HistoryPart]) -> None:
        for part in parts:
            self.request("put_history")
            key = ("history", part.tenant, part.lane, part.subject or "", part.meter_id, part.span, part.part)
            self.table.put(key, part.body)

    def backfill(self, tenant: str, meter_id: str) -> Backfill | None:
        self.request("backfill")
        stored = self._stored(tenant, meter_id)
        if stored is None:
            return None
        backfill, finished = stored
        return msgspec.structs.replace(backfill, done=len(finished))

    def begin_backfill(self, backfill: Backfill, before: Backfill | None) -> bool:
        self.request("begin_backfill")
        stored = self._stored(backfill.tenant, backfill.meter_id)
        now = (stored[0].run, stored[0].status) if stored else None
        if now != ((before.run, before.status) if before else None):
            return False
        self.table.put(("backfill", backfill.tenant, backfill.meter_id), (backfill, frozenset[int]()))
        return True

    def queue_backfill(self, run: Backfill, status: Status, reason: str | None) -> None:
        self._while_alive("queue_backfill", run, status=status, reason=reason)

    def plan_backfill(self, run: Backfill, total: int) -> None:
        self._while_alive("plan_backfill", run, total=total)

    def finish_work(self, run: Backfill, number: int) -> None:
        self._while_alive("finish_work", run, number)

    def end_backfill(self, run: Backfill, status: Status, at: datetime, reason: str | None = None) -> None:
        self._while_alive("end_backfill", run, status=status, finished_at=at, reason=reason)

    def _stored(self, tenant: str, meter_id: str) -> tuple[Backfill, frozenset[int]] | None:
        stored: tuple[Backfill, frozenset[int]] | None = self.table.get(("backfill", tenant, meter_id))
        return stored

    def _while_alive(self, request: str, run: Backfill, *finished: int, **changes: Any) -> None:
        self.request(request)
        stored = self._stored(run.tenant, run.meter_id)
        if stored is not None and stored[0].run == run.run and stored[0].status.is_alive:
            changed = msgspec.structs.replace(stored[0], **changes)
            self.table.put(("backfill", run.tenant, run.meter_id), (changed, stored[1].union(finished)))

"""Histories of meters in an audit: what backfills counted of a lane and six hours, held against the archive."""

from collections.abc import Iterator, Mapping, Sequence

from functions.application.metering.audit.audit_cells import agree, merged, shown
from functions.application.ports.ledger import ArchivedEvent, LedgerReader
from functions.domain.metering.cells.aggregation import Cell, Keep
from functions.domain.metering.cells.pages import WINDOW_SECONDS
from functions.domain.metering.ledger.audit import Kind, LaneDay
from functions.domain.metering.ledger.counting import FingerprintOf
from functions.domain.metering.ledger.history import SPAN_SECONDS, Status, decode_rows, voided_windows
from functions.domain.metering.ledger.history_count import OpenHistory
from functions.domain.metering.meters.compiled_meter import CompiledMeter
from functions.domain.metering.meters.meter import Meter, MeterSet

Owner = str | None  # a subject; None for the whole lane
Row = tuple[int, tuple[tuple[str, str], ...]]  # window, groups
Rows = Mapping[Row, Sequence[Cell]]


class HistoryAudit:
    """The histories of a tenant's meters in a lane and span. Voided events must not be given to it.

    Only histories that are counted to the end are audited: until then answers say that they are partial.
    """

    def __init__(
        self,
        ledger: LedgerReader,
        tenant: str,
        lane: int,
        span: int,
        meter_set: MeterSet,
        fingerprint: FingerprintOf,
        ahead_seconds: int,
    ) -> None:
        """`ahead_seconds` is how far events may lie in the future."""
        self._ledger = ledger
        self._ahead = ahead_seconds
        self._tenant = tenant
        self._lane = lane
        self._span = span
        self._meters = {meter.id: meter for meter in meter_set.meters if self._is_counted(meter)}
        self._open = {each.id: OpenHistory(CompiledMeter(each), fingerprint) for each in self._meters.values()}
        self._expected: dict[str, dict[Owner, Rows]] = {}

    def _is_counted(self, meter: Meter) -> bool:
        if meter.event_from is None or meter.event_from >= (self._span + 1) * SPAN_SECONDS:
            return False
        backfill = self._ledger.backfill(self._tenant, meter.id)
        if backfill is None or backfill.status is not Status.DONE:
            return False
        return self._span * SPAN_SECONDS <= int(backfill.started_at.timestamp()) + self._ahead

    def add(self, line: ArchivedEvent) -> None:
        for meter in self._meters.values():
            if meter.event_type == line.type and meter.is_history(line.meter_version, line.time_seconds):
                opened = self._open[meter.id]
                opened.add(line.subject, line.time_seconds, line.micros, line.raw_data, line.meter_version)

    def subjects(self) -> set[str]:
        """Those with something to be found."""
        return {owner for meter in self._meters.values() for owner in self._rows(meter) if owner is not None}

    def compare(self, found: LaneDay, owner: Owner) -> None:
        """Adds the owner's cells and every difference to what was found; to be asked once everything was added."""
        for meter in self._meters.values():
            self._compare(found, owner, meter)

    def _compare(self, found: LaneDay, owner: Owner, meter: Meter) -> None:
        keeps = meter.aggregation.parts
        stored, outdated = self._stored(owner, meter)
        expected = self._rows(meter).get(owner, {})
        for row in sorted(expected.keys() | stored.keys()):
            if row[0] in outdated:
                continue
            nothing: Sequence[None] = (None,) * len(keeps)
            wanted, seen = expected.get(row, nothing), stored.get(row, nothing)
            found.history_cells += len(keeps) if row in expected else 0
            for keep, one, other in zip(keeps, wanted, seen, strict=True):
                if not agree(keep, one, other):
                    found.differ(Kind.HISTORY, self._name(owner, meter, row), shown(one), shown(other))

    def _stored(self, owner: Owner, meter: Meter) -> tuple[Rows, set[int]]:
        """The rows of all parts, merged, and the half hours that readers take from the log."""
        rows: dict[Row, list[Cell]] = {}
        outdated: set[int] = set()
        for part in self._ledger.history(self._tenant, self._lane, owner, meter.id, self._span, self._span):
            voided = voided_windows(part)
            if voided is not None:
                outdated.update(voided)
                continue
            for window, groups, cells in decode_rows(meter.aggregation, part.body):
                row = (window, tuple(sorted(groups.items())))
                rows[row] = list(_merged(meter.aggregation.parts, rows.get(row), cells))
        return rows, outdated

    def _rows(self, meter: Meter) -> Mapping[Owner, Rows]:
        if meter.id not in self._expected:
            counted = self._open.pop(meter.id)
            names = counted.dimensions
            self._expected[meter.id] = {
                owner: {(row.window, tuple(sorted(zip(names, row.groups, strict=True)))): row.cells for row in rows}
                for owner, rows in counted.rows()
            }
        return self._expected[meter.id]

    def _name(self, owner: Owner, meter: Meter, row: Row) -> str:
        window, groups = row
        whose = "the lane's total" if owner is None else f"subject {owner}"
        texts = " ".join(f"{name}={text}" for name, text in groups)
        return f"{self._tenant}, {whose}, half hour from {window * WINDOW_SECONDS}, meter {meter.slug} {texts}".rstrip()


def _merged(keeps: Sequence[Keep], present: Sequence[Cell] | None, cells: Sequence[Cell]) -> Iterator[Cell]:
    for part, (keep, cell) in enumerate(zip(keeps, cells, strict=True)):
        yield merged(keep, present[part] if present else None, cell)

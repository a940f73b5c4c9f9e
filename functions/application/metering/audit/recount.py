"""Counting archived events anew, as the aggregator did when they came: which cells must stand in the counters."""

from collections.abc import Iterable, Iterator

from functions.application.metering.usage.current_pages import CurrentPages
from functions.application.ports.ledger import ArchivedEvent
from functions.domain.metering.cells.aggregation import Aggregation, Cell, Keep, moment
from functions.domain.metering.cells.cells import ADD, CellId, OpenCells
from functions.domain.metering.cells.pages import FIRST_WINDOW, PAGE_SECONDS, WINDOW_SECONDS, parse_cell
from functions.domain.metering.ledger.counting import FingerprintOf
from functions.domain.metering.ledger.history import SPAN_SECONDS
from functions.domain.metering.ledger.ledger import Code, Directory
from functions.domain.metering.meters.compiled_meter import CompiledMeter
from functions.domain.metering.meters.groupings import compile_meters
from functions.domain.metering.meters.meter import MeterSet, code_family
from functions.domain.metering.meters.values import Data, Uncountable, decode_data

Owner = str | None  # a subject; None for the totals of the lane


class TenantRecount:
    """The recount of a tenant's events in a lane and some hours. Voided events must not be given to it."""

    def __init__(self, codes: Iterable[Code], meter_set: MeterSet, value_fingerprint: FingerprintOf) -> None:
        self._directory = Directory()
        self._by_type = compile_meters(meter_set)
        self._value_fingerprint = value_fingerprint
        meters = {meter.id: meter for meter in meter_set.meters}
        self.keeps: dict[int, Keep] = {}
        self.numbers: set[int] = set()
        self.levels: set[int] = set()  # the cells that hold by how much a level changed
        for code in codes:
            self._directory.learn(code)
            self.numbers.update(range(code.number, code.number + code.parts))
            if code.meter_id in meters:
                if meters[code.meter_id].aggregation.is_level:
                    self.levels.add(code.number)
                for part, keep in enumerate(meters[code.meter_id].aggregation.parts):
                    self.keeps[code.number + part] = keep
        self._cells: dict[str, OpenCells] = {}
        self.without_code: set[str] = set()

    def add(self, line: ArchivedEvent) -> None:
        meters = [meter for meter in self._by_type.get(line.type, ()) if line.meter_version >= meter.meter.since]
        if not meters:
            return
        try:
            data = decode_data(line.raw_data)
        except Uncountable:
            return
        second = line.time_seconds
        for meter in meters:
            try:
                value = meter.value(data)
            except Uncountable:
                continue
            if value is None:
                continue
            number = self._number(meter, data, line)
            if number is None:
                self.without_code.add(meter.id)
                continue
            if meter.aggregation is Aggregation.UNIQUE_COUNT:
                value = self._value_fingerprint(str(value))
            cells = self._cells.setdefault(line.subject, OpenCells())
            at = moment(meter.aggregation, second, line.micros)
            ADD[meter.aggregation](cells, (second // WINDOW_SECONDS, number), value, at, 0)

    def _number(self, meter: CompiledMeter, data: Data, line: ArchivedEvent) -> int | None:
        """The code the event was counted under."""
        if not meter.meter.former:
            return self._directory.number_at(meter.family, meter.groups(data), line.commit)
        named = meter.groups_at(data, line.meter_version)
        groups = tuple(value for _, value in sorted(named.items()))
        return self._directory.number_at(code_family(meter.id, named), groups, line.commit)

    def subjects(self) -> set[str]:
        return set(self._cells)

    def cells(self, subject: str) -> dict[CellId, Cell]:
        return _merged(self._cells[subject]) if subject in self._cells else {}

    def totals(self) -> dict[CellId, Cell]:
        total = OpenCells()
        for cells in self._cells.values():
            total.merge(cells)
        return _merged(total)


def stored_cells(
    current: CurrentPages, lane: int, subject: Owner, span: int, has_values: bool
) -> Iterator[tuple[CellId, Cell]]:
    """Every cell of an audit's span as readers see it; distinct values may come in several pieces."""
    pages = (span * SPAN_SECONDS // PAGE_SECONDS, (span + 1) * SPAN_SECONDS // PAGE_SECONDS - 1)
    for page in current.pages(lane, subject, *pages):
        for name, cell in page.cells.items():
            yield parse_cell(name, page.key.span), cell
    if has_values:
        for key, name, values in current.value_chunks(lane, subject, *pages):
            yield parse_cell(name, key.span), values


def _merged(cells: OpenCells) -> dict[CellId, Cell]:
    """The half hours alone: a coarse window holds more than was recounted."""
    every = (each for _, found in cells.packed() for each in found.items())
    return {cell_id: cell for cell_id, cell in every if cell_id[0] >= FIRST_WINDOW}

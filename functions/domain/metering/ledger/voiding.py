"""Taking an event that was counted off its counters, and leaving voided events out of what is read from the log."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from functions.domain.metering.cells import sketch
from functions.domain.metering.cells.aggregation import Aggregation, Number, add, negative, times
from functions.domain.metering.cells.cells import CellId
from functions.domain.metering.cells.pages import (
    COARSE_SECONDS,
    CODES_PER_PAGE,
    WINDOW_SECONDS,
    WINDOWS_PER_PAGE,
    PageDelta,
    PageKey,
    cell_name,
)
from functions.domain.metering.ledger.counting import CELL_BYTES, PAGE_BYTES
from functions.domain.metering.ledger.ledger import Directory, VoidedHistory
from functions.domain.metering.meters.compiled_meter import CompiledMeter
from functions.domain.metering.meters.meter import code_family
from functions.domain.metering.meters.values import Data, Uncountable, decode_data

LOST_BYTES = 128  # a cell's contribution on the subject's page and on the lane's


class Line(Protocol):
    """A line of the archive: an accepted event, or, with `voids` (the correction's id), the voiding of one."""

    @property
    def tenant(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def voids(self) -> str: ...
    @property
    def time_seconds(self) -> int: ...


class CountedLine(Line, Protocol):
    @property
    def meter_version(self) -> int: ...
    @property
    def commit(self) -> int: ...
    @property
    def micros(self) -> int: ...
    @property
    def raw_data(self) -> bytes: ...


Identity = tuple[str, str, str, str, int]
SomeLine = TypeVar("SomeLine", bound=Line)


def identity(line: Line) -> Identity:
    """What an accepted event and the line that voids it have in common, and no other event."""
    return line.tenant, line.subject, line.source, line.id, line.time_seconds


def countable(lines: Iterable[SomeLine], voided: Collection[Identity] = ()) -> Iterator[SomeLine]:
    """The events among lines of one lane that were not voided; lines of later commits must come first.

    An event is voided by a later commit than its own, so by then its voiding has been seen. `voided` are further ones.
    """
    seen = set(voided)
    for line in lines:
        if line.voids:
            seen.add(identity(line))
        elif not seen or identity(line) not in seen:
            yield line


@dataclass
class Lost:
    """What voided events had contributed, as page deltas of their subjects and of the lane, and histories of theirs."""

    lane: int
    pages: dict[PageKey, PageDelta] = field(default_factory=dict)
    history: list[VoidedHistory] = field(default_factory=list)
    size: int = 0

    def add(self, event: CountedLine, meters: Iterable[CompiledMeter], directory: Directory) -> None:
        """Take off what each meter had counted that there was when the event came and still is."""
        try:
            data = decode_data(event.raw_data)
        except Uncountable:
            return
        for meter in meters:
            if meter.meter.since > event.meter_version:
                self._add_history(event, meter)
                continue
            try:
                value = meter.value(data)
            except Uncountable:
                continue
            number = None if value is None else _number(directory, meter, data, event)
            if number is not None:
                cell_id = (event.time_seconds // WINDOW_SECONDS, number)
                for owner in (event.subject, None):
                    self._deduct(event, owner, cell_id, meter.aggregation, value)

    def _add_history(self, event: CountedLine, meter: CompiledMeter) -> None:
        """A history is never written twice: what was voided since it began is left to the log."""
        if meter.meter.is_history(event.meter_version, event.time_seconds):
            window = event.time_seconds // WINDOW_SECONDS
            self.history.append(VoidedHistory(event.tenant, meter.id, event.subject, window))
            self.size += CELL_BYTES + PAGE_BYTES + len(event.subject) * 4

    def _deduct(
        self, event: CountedLine, owner: str | None, cell_id: CellId, aggregation: Aggregation, value: Any
    ) -> None:
        tenant, second = event.tenant, event.time_seconds
        page, name = self._cell(tenant, owner, cell_id)
        window, number = cell_id
        match aggregation:
            case Aggregation.SUM | Aggregation.COUNT:
                self._subtract(tenant, owner, cell_id, value)
            case Aggregation.AVG:
                self._subtract(tenant, owner, cell_id, value)
                self._subtract(tenant, owner, (window, number + 1), 1)
            case Aggregation.TIME_WEIGHTED_SUM:
                self._subtract(tenant, owner, cell_id, value)
                self._subtract(tenant, owner, (window, number + 1), times(value, second % WINDOW_SECONDS))
                self._subtract(tenant, owner, (second // COARSE_SECONDS, number), value)
            case Aggregation.PERCENTILE:
                counts = sketch.unpack(page.sketch[name]) if name in page.sketch else {}
                bucket = sketch.bucket_of(value)
                page.sketch[name] = sketch.pack(counts | {bucket: counts.get(bucket, 0) - 1})
            case Aggregation.MAX:
                page.lost_highest[name] = max(value, page.lost_highest.get(name, value))
            case Aggregation.MIN:
                page.lost_lowest[name] = min(value, page.lost_lowest.get(name, value))
            case Aggregation.LATEST:
                latest = (second, event.micros, value)
                page.lost_latest[name] = max(latest, page.lost_latest.get(name, latest))
            case Aggregation.UNIQUE_COUNT:
                if name not in page.dirty:
                    page.dirty.append(name)

    def _subtract(self, tenant: str, owner: str | None, cell_id: CellId, value: Number) -> None:
        page, name = self._cell(tenant, owner, cell_id)
        page.sum[name] = add(page.sum.get(name, 0), negative(value))

    def _cell(self, tenant: str, owner: str | None, cell_id: CellId) -> tuple[PageDelta, str]:
        window, number = cell_id
        key = PageKey(tenant, self.lane, owner, window // WINDOWS_PER_PAGE, number // CODES_PER_PAGE)
        page = self.pages.get(key)
        if page is None:
            page = self.pages[key] = PageDelta(key)
            self.size += PAGE_BYTES + len(owner or "") * 4
        self.size += CELL_BYTES + LOST_BYTES
        return page, cell_name(window, number)


def _number(directory: Directory, meter: CompiledMeter, data: Data, event: CountedLine) -> int | None:
    groups = meter.groups_at(data, event.meter_version)
    values = tuple(value for _, value in sorted(groups.items()))
    return directory.number_at(code_family(meter.id, groups), values, event.commit)

"""The simulated deployment with events that our own code cannot take, and with faults right after a commit was put.

What an event does is in its data: its line cannot be read, a meter takes no value from it, counting it raises, it
cannot be listed. After any crash beside it, every accepted event is counted or listed once, and none is rejected too.
"""

from collections.abc import Sequence

import pytest

from functions.adapters.memory.ledger import MemoryArchive
from functions.application.metering.ledger.aggregate_usage import Aggregator, Delivered
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.domain.metering.ledger import counting
from functions.domain.metering.ledger.ledger import Commit, Reject
from functions.domain.metering.meters.groupings import MetersByType
from functions.domain.metering.meters.rows import Rows, sort_events
from functions.domain.metering.meters.values import Uncountable
from functions.domain.metering.values.event import Event, Pack
from tests.simulation.world import SUM_METERS, SimulatedLedger, World, play

NO_TEXT = b'{"n":7,"model":"a","x":"\xff"}'
DEEP = b'{"n":7,"model":"a","x":' + b"[" * 1_500 + b"]" * 1_500 + b"}"
NO_NUMBER = b'{"n":"many","model":"a"}'
UNCOUNTABLE = b'{"n":7,"model":"a","raises":1}'
UNLISTABLE = b'{"n":"unlistable","model":"a"}'  # as what a meter could not take; as a reject it can be listed
UNSPEAKABLE = b'{"n":"unspeakable","model":"a"}'
ODD = {1: NO_TEXT, 3: DEEP, 5: NO_NUMBER, 7: UNCOUNTABLE, 9: UNLISTABLE, 11: UNSPEAKABLE}
KINDS = 32  # by an event's number and the world's; the others are as usual
REJECTED = (UNCOUNTABLE, UNLISTABLE, UNSPEAKABLE)
FAULTS = 0.03  # of the chances there are right after a commit


def make_counting_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    def sort(events: list[Event], by_type: MetersByType) -> tuple[list[Rows], list[tuple[Event, Uncountable]]]:
        if any(event.data == UNCOUNTABLE for event in events):
            raise RecursionError("a path nobody thought of")
        return sort_events(events, by_type)

    monkeypatch.setattr(counting, "sort_events", sort)


class TroubledLedger(SimulatedLedger):
    """Some rejects cannot be built, and our code breaks now and then when a commit is put and not applied."""

    is_broken = True

    def put_rejects(self, rejects: Sequence[Reject]) -> None:
        for reject in rejects:
            data = reject.event.data if reject.event else b""
            if data == UNSPEAKABLE or (data == UNLISTABLE and reject.is_counted_elsewhere):
                raise ValueError("an event that nobody can list")
        super().put_rejects(rejects)

    def put_index(self, commits: Sequence[Commit]) -> None:
        self._break()
        super().put_index(commits)

    def put_markers(self, commits: Sequence[Commit]) -> None:
        self._break()
        super().put_markers(commits)

    def _break(self) -> None:
        if self.is_broken and self.chance.random() < FAULTS:
            raise ValueError("an error after the commit")


class TroubledWorld(World):
    def __init__(
        self,
        seed: int,
        writer_class: type[LaneWriter] = LaneWriter,
        aggregator_class: type[Aggregator] = Aggregator,
        archive_class: type[MemoryArchive] = MemoryArchive,
    ) -> None:
        self._seed = seed
        self.archive_class = archive_class
        self._aggregator_class = aggregator_class
        super().__init__(seed, SUM_METERS, writer_class, lambda: self._troubled)

    @property
    def _troubled(self) -> TroubledLedger:
        ledger = self.__dict__.get("_made")
        if ledger is None:
            ledger = self._made = TroubledLedger()
        return ledger

    def _data(self, number: int) -> bytes:
        return ODD.get((number + self._seed) % KINDS) or super()._data(number)

    def _count(self, writer: LaneWriter, packs: list[Pack]) -> bool:
        delivered = [
            Delivered(f"{pack.pack_id}-{pack.lane}", str(place).encode(), pack.received_at)
            for place, pack in enumerate(packs)
        ]
        lanes = max(self.lanes) + 1
        aggregator = self._aggregator_class(
            writer, self.ledger, self.archive, lambda body: packs[int(body)], lambda _: 0, lanes, "operator"
        )
        try:
            counts = aggregator.aggregate(delivered).counts
        except (ValueError, RuntimeError):
            return False
        assert counts.received == counts.accepted + counts.duplicates + counts.rejected, counts
        return True

    def _help(self, writer: LaneWriter, lane: int) -> None:
        try:
            super()._help(writer, lane)
        except (ValueError, RuntimeError):
            return

    def settle(self) -> None:
        self._troubled.is_broken = False
        super().settle()

    def is_accepted(self, event: Event) -> bool:
        return event.data not in REJECTED

    def is_counted(self, event: Event) -> bool:
        return event.data not in ODD.values()

    def wrong(self) -> list[str]:
        return [*super().wrong(), *self._wrongly_listed()]

    def _wrongly_listed(self) -> list[str]:
        """Events that were voided before they came are told nowhere; of the others each is told once."""
        rejects = self._troubled.rejects(self.tenant)
        rejected = {each.event.id for each in rejects if each.event and not each.is_counted_elsewhere}
        elsewhere = {each.event.id for each in rejects if each.event and each.is_counted_elsewhere}
        whole = bool(self._troubled.rejects("operator"))
        sent = {event.id: event for event in self.sent.values()}
        remaining = [event for key, event in self.sent.items() if key not in self.voided]
        problems = []
        expected = {each.id for each in remaining if each.data in (UNCOUNTABLE, UNLISTABLE)}
        if not expected <= rejected or any(self.is_accepted(sent[each]) for each in rejected):
            problems.append(f"{rejected} are listed as rejected instead of {expected}")
        told = {each.id for each in remaining if self.is_accepted(each) and not self.is_counted(each)}
        if not told <= elsewhere or any(self.is_counted(sent[each]) for each in elsewhere) or rejected & elsewhere:
            problems.append(f"{elsewhere} are listed as accepted and not counted instead of {told}")
        if any(each.data == UNSPEAKABLE for each in remaining) and not whole:
            problems.append("what nobody can list is not kept whole")
        return problems


def simulate_trouble(
    seed: int,
    writer_class: type[LaneWriter] = LaneWriter,
    aggregator_class: type[Aggregator] = Aggregator,
    archive_class: type[MemoryArchive] = MemoryArchive,
) -> list[str]:
    """One schedule; returns what is wrong at its end."""
    return play(TroubledWorld(seed, writer_class, aggregator_class, archive_class), can_expire=True)

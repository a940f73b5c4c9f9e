"""A simulated deployment: the production writer on memory ports, pre-empted, killed and redelivered at every request.

Each invocation writes the lanes of its batch, of which there are two, runs in a greenlet and yields before every
request. The scheduler chooses who goes on, who dies, who stays behind as a zombie, how the stream cuts its batches, and
when old commits expire.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from greenlet import GreenletExit, getcurrent, greenlet

from functions.adapters.archive import ArchivedEvent, decode_lines
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.memory.ledger import MemoryArchive, MemoryLedger
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.adapters.records import decode_commit
from functions.application.metering.ledger import apply_pages, recall_lane
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.ledger.running_lanes import Batch
from functions.application.metering.usage.current_pages import CurrentPages
from functions.domain.metering.cells import cells as open_cells
from functions.domain.metering.cells import pages, sketch
from functions.domain.metering.cells.aggregation import (
    DIRTY,
    VALUE_BYTES,
    Aggregation,
    Cell,
    Keep,
    contribution,
    merge,
    pack_values,
    unpack_values,
)
from functions.domain.metering.cells.pages import COARSE_SECONDS, PageDelta, PageKey, parse_cell
from functions.domain.metering.ledger.ledger import BUCKET_SECONDS, Commit, Counts
from functions.domain.metering.ledger.voiding import countable
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack, Void

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
LOOK_BACK = 3_600
SKEW_SECONDS = 250  # by which a writer's clock may be off
SUBJECTS = {"x": 0, "y": 0, "z": 1}  # and whether they are in the first lane or the second
# So small that cells overflow in these small worlds.
WINDOW_BYTES, MAX_BUCKETS, UNITED_PARTS, UNITED_VALUES = 22, 3, 3, 4
UNKEPT_COMMITS, LOOK_BACK_PARTS = 2, 2
BEHIND_SECONDS = (0, 60, 3_600)  # a writer's; between two batches pass up to two hours
READ_SHARE = 0.01  # of the steps
MANY_FINGERPRINTS, FEW_FINGERPRINTS = 1_000, 6


def meters_of(*aggregations: Aggregation) -> MeterSet:
    """A meter of each aggregation over the same events."""
    groups = {"model": "$.model"}
    return MeterSet(
        1,
        tuple(
            Meter(f"m{number}", each.lower(), "call", each, "$.n" if each.needs_value else None, groups)
            for number, each in enumerate(aggregations)
        ),
    )


SUM_METERS = meters_of(Aggregation.SUM)
MAX_METERS = meters_of(Aggregation.MAX)
UNIQUE_METERS = meters_of(Aggregation.UNIQUE_COUNT)
ALL_METERS = meters_of(*Aggregation)


def make_cells_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall_lane, "MAX_FINGERPRINTS", MANY_FINGERPRINTS)
    monkeypatch.setattr(recall_lane, "MAX_UNKEPT_COMMITS", UNKEPT_COMMITS)
    monkeypatch.setattr(recall_lane, "MAX_PARTS", LOOK_BACK_PARTS)
    monkeypatch.setattr(pages, "WINDOW_BYTES", WINDOW_BYTES)
    monkeypatch.setattr(apply_pages, "UNITED_PARTS", UNITED_PARTS)
    monkeypatch.setattr(apply_pages, "UNITED_VALUES", UNITED_VALUES)
    for module in (pages, open_cells):
        monkeypatch.setattr(module, "MAX_BUCKETS", MAX_BUCKETS)


def pre_empt(_name: str = "") -> None:
    """Called before every request: inside an invocation the scheduler decides who goes on."""
    scheduler = getcurrent().parent
    if scheduler is not None:
        scheduler.switch("request")


class SimulatedClock:
    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def forward(self, **span: int) -> None:
        self.time += timedelta(**span)


class SkewedClock:
    """A writer's own, some minutes off."""

    def __init__(self, clock: SimulatedClock, seconds: int) -> None:
        self._clock = clock
        self._off = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return self._clock.now() + self._off


class SimulatedLedger(MemoryLedger):
    """Now and then the answer to a commit's put is lost, and the client's library sends it again."""

    chance: random.Random

    def put_commit(self, commit: Commit) -> Commit | None:
        holder = super().put_commit(commit)
        return super().put_commit(commit) if self.chance.random() < 0.1 else holder

    def last_committed(self, lane: int) -> int:
        return max((key[2] for key in self.table.versions if key[:2] == ("commit", lane)), default=0)

    def states_of(self, tenant: str, lane: int, subject: str | None) -> "list[dict[PageKey, PageCells]]":
        """The pages of an owner as they are to be after each commit, none of which has to be stored any more."""
        states: list[dict[PageKey, PageCells]] = [{}]
        for n in range(1, self.last_committed(lane) + 1):
            pages = dict(states[-1])
            body = next(body for body in self.table.versions["commit", lane, n] if body)
            for delta in decode_commit(body).pages:
                if (delta.key.tenant, delta.key.subject) == (tenant, subject):
                    cells = pages.get(delta.key, {})
                    pages[delta.key] = cells | delta.applied_to(cells) | _with_values(cells, delta)
            states.append(pages)
        return states


PageCells = dict[str, Cell]


def _with_values(cells: PageCells, delta: PageDelta) -> PageCells:
    def united(name: str, packed: bytes) -> bytes:
        present = cells.get(name, b"")
        assert isinstance(present, bytes)
        return pack_values({*unpack_values(packed), *unpack_values(present)})

    values = delta.values.items()
    return {name: united(name, packed) for name, packed in values if name not in cells or cells[name] != DIRTY}


class World:
    archive_class: type[MemoryArchive] = MemoryArchive

    def __init__(
        self,
        seed: int,
        meters: MeterSet,
        writer_class: type[LaneWriter] = LaneWriter,
        new_ledger: "Callable[[], SimulatedLedger | DynamoLedger] | None" = None,
        tenant: str = "t",
        lane: int = 0,
        reader_class: type[CurrentPages] = CurrentPages,
    ) -> None:
        self.chance = random.Random(seed)
        # Apart, so that a world is the same with or without.
        self.skew = random.Random(-seed)
        self.skews = self.skew.choice(((0,), (0,), (0, -SKEW_SECONDS, SKEW_SECONDS)))
        self.clock = SimulatedClock()
        self.meters = meters
        self.tenant, self.lanes = tenant, (lane, lane + 1)
        self.ledger = new_ledger() if new_ledger else SimulatedLedger()
        self.new_ledger = new_ledger
        self.archive = self.archive_class(request=pre_empt)
        self.look_backs = MemoryLookBacks(pre_empt)
        # Then the fingerprints of buckets have to be read, and an id with a new time may be another event.
        self.is_forgetful = self.chance.random() < 0.4
        recall_lane.MAX_FINGERPRINTS = FEW_FINGERPRINTS if self.is_forgetful else MANY_FINGERPRINTS
        if isinstance(self.ledger, SimulatedLedger):
            self.ledger.request = pre_empt
            self.ledger.chance = self.chance
            self.ledger.put_meter_set(tenant, meters)
        self.writer_class = writer_class
        self.reader_class = reader_class
        self.habits = random.Random(f"habits of {seed}")  # apart, too
        self.misread: list[str] = []
        self.attempts = 0
        self.containers = [self._new_writer() for _ in range(2)]
        self.sent: dict[tuple[int, int], Event] = {}
        self.sent_at: dict[int, datetime] = {}
        self.voided: dict[tuple[int, int], Event] = {}
        self.held_back: list[Event] = []  # voided before they came
        self.stream: list[Pack] = []
        self.zombies: list[greenlet] = []
        self.sweeper = self._new_writer()
        self.sweep: greenlet | None = None
        self.sweep_share = self.chance.choice((0, 0, 0.2))  # of the steps; helpers also heal, so not in every world

    def _new_writer(self) -> LaneWriter:
        # A process has its own memory of DynamoDB's pages; the memory ledger remembers nothing itself.
        ledger = self.new_ledger() if self.new_ledger and isinstance(self.ledger, DynamoLedger) else self.ledger
        window = AcceptanceWindow()
        clock = SkewedClock(self.clock, self.skew.choice(self.skews))
        behind = self.habits.choice(BEHIND_SECONDS)
        return self.writer_class(
            ledger, self.archive, clock, self._attempt, window, self.look_backs, int, behind_seconds=behind
        )

    def _attempt(self) -> str:
        self.attempts += 1
        return f"a{self.attempts}"

    def send(self) -> None:
        """Clients send packs; some of their events were sent before, with the same or (soon after) a new time."""
        chance, now = self.chance, int(self.clock.now().timestamp())
        events = []
        for _ in range(chance.randint(1, 4)):
            if self.sent and chance.random() < 0.4:
                again = chance.choice(list(self.sent.values()))
                events.append(again)
                continue
            fingerprint = len(self.sent) + 1
            time = now - chance.choice((0, 60, BUCKET_SECONDS, 3 * BUCKET_SECONDS))
            data = self._data(fingerprint)
            event = Event(fingerprint, time, str(fingerprint), "s", "call", chance.choice([*SUBJECTS]), data)
            event.micros = fingerprint * 7_919 % 3 * 400_000  # in another order than they were sent, some in none
            self.sent[(fingerprint, time)] = event
            self.sent_at[fingerprint] = self.clock.now()
            events.append(event)
        for pack in self._packs("p", events, []):
            self.stream.append(pack)
            if chance.random() < 0.2:  # PutRecords may write a record twice
                self.stream.append(pack)

    def _data(self, number: int) -> bytes:
        return msgspec.json.encode({"n": self.chance.randint(1, 99), "model": self.chance.choice("ab")})

    def _packs(self, name: str, events: list[Event], voids: list[Void]) -> list[Pack]:
        """Those of one call: one for each lane of which it has something."""
        now = int(self.clock.now().timestamp())
        packs = []
        for place, lane in enumerate(self.lanes):
            mine = [each for each in events if SUBJECTS[each.subject] == place]
            its_voids = [each for each in voids if SUBJECTS[each.subject] == place]
            if mine or its_voids:
                packs.append(Pack(self.tenant, lane, f"{name}{len(self.stream)}", now, mine, its_voids))
        return packs

    def void(self) -> None:
        """Events of any age are voided, some twice, and some that have not come yet."""
        chance, now = self.chance, int(self.clock.now().timestamp())
        events = chance.sample(list(self.sent.values()), min(len(self.sent), chance.randint(1, 2)))
        if chance.random() < 0.5:
            number = 1_000 + len(self.voided)
            data = self._data(number)
            unseen = Event(number, now, str(number), "s", "call", chance.choice([*SUBJECTS]), data)
            events.append(unseen)
            self.held_back.append(unseen)
        for event in events:
            self.voided[(event.fingerprint, event.time)] = event
        if chance.random() < 0.3:
            events.append(chance.choice(list(self.voided.values())))
        voids = [Void(each.fingerprint, each.time, each.id, "s", each.subject, f"v{each.id}") for each in events]
        self.stream += self._packs("v", [], voids)
        if chance.random() < 0.3:
            self.stream.append(self.stream[-1])

    def send_held_back(self) -> None:
        self.stream += self._packs("h", self.held_back, [])
        for event in self.held_back:
            self.sent[(event.fingerprint, event.time)] = event
        self.held_back = []

    def resend_with_new_times(self) -> None:
        """A producer that stamps a new time on every resend, within the look-back."""
        look_back_start = self.clock.now() - timedelta(seconds=LOOK_BACK)
        recent = [
            event
            for event in self.sent.values()
            if event.fingerprint in self.sent_at and self.sent_at[event.fingerprint] > look_back_start
        ]
        events = [
            msgspec.structs.replace(event, time=event.time + 2 * BUCKET_SECONDS)
            for event in self.chance.sample(recent, min(2, len(recent)))
        ]
        self.stream += self._packs("r", events, [])

    def run(self, steps: int) -> None:
        position = 0
        running: dict[greenlet, tuple[int, int]] = {}
        while position < len(self.stream) or running:
            if not running and position < len(self.stream):
                end = min(len(self.stream), position + self.chance.randint(1, 3))
                running[self._invoke(self.stream[position:end])] = (position, end)
            if self.chance.random() < self.sweep_share:
                self._sweep()
            if self.habits.random() < READ_SHARE:
                self._read()
            worker = self.chance.choice([*running, *self.zombies])
            fate = self.chance.random()
            if fate < 0.02 and worker in running:
                _kill(worker)
                del running[worker]
                continue
            if fate < 0.03 and worker in running and len(self.zombies) < 2:
                # The invocation timed out, but its process runs on; the stream redelivers meanwhile.
                self.zombies.append(worker)
                del running[worker]
                continue
            worker.switch()
            if worker.dead:
                if worker in running:
                    end = running.pop(worker)[1]
                    position = position if worker.has_failed else max(position, end)
                else:
                    self.zombies.remove(worker)
            steps -= 1
            assert steps > 0, "the schedule does not end"
        for zombie in self.zombies:
            while not zombie.dead:
                zombie.switch()
        self.zombies = []

    def _sweep(self) -> None:
        """Now and then a process that lives long helps lanes that are behind, with any writer."""
        if self.sweep is None or self.sweep.dead:
            lane = self.chance.choice(self.lanes)
            self.sweep = Invocation(lambda *_: self._help(self.sweeper, lane))
            self.zombies.append(self.sweep)

    def _read(self) -> None:
        """Somebody asks for counters while they are written."""
        if isinstance(self.ledger, SimulatedLedger):
            place, subject = self.habits.choice(owners())
            self.zombies.append(Invocation(lambda *_: self._ask(self.lanes[place], subject)))

    def _ask(self, lane: int, subject: str | None) -> None:
        """What is found of a page must be what all commits up to one have made of it, none older than the question."""
        assert isinstance(self.ledger, SimulatedLedger)
        least = self.ledger.last_committed(lane)
        reader = self.reader_class(self.ledger, self.tenant)
        place = (lane, subject, 0, 999_999)
        values: dict[tuple[PageKey, str], set[int]] = {}
        pages = {page.key: page.cells for page in reader.pages(*place)}
        for key, name, packed in reader.value_chunks(*place):
            values.setdefault((key, name), set()).update(unpack_values(packed))
        states = self.ledger.states_of(self.tenant, lane, subject)
        for key in states[-1].keys() | pages.keys():
            seen = _read_cells(pages.get(key, {}), {name: some for (page, name), some in values.items() if page == key})
            possible = [state.get(key, {}) for state in states[least:]]
            if not any(_says(seen, each) for each in possible):
                self.misread.append(f"page {key} is read as {seen}, not one of {possible}")

    def _invoke(self, packs: list[Pack]) -> greenlet:
        slot = self.chance.randrange(len(self.containers))
        busy = [zombie for zombie in self.zombies if getattr(zombie, "slot", None) == slot]
        if self.chance.random() < 0.3 or busy:
            self.containers[slot] = self._new_writer()
        writer = self.containers[slot]

        def invocation(*_: object) -> None:
            worker.has_failed = not self._count(writer, packs)

        worker = Invocation(invocation)
        worker.slot = slot
        return worker

    def _count(self, writer: LaneWriter, packs: list[Pack]) -> bool:
        """Is it done, or does the stream deliver them again?"""
        writer.begin_invocation()
        lanes = {pack.lane for pack in packs}
        batches = {lane: Batch([pack for pack in packs if pack.lane == lane]) for lane in sorted(lanes)}
        for outcome in writer.write(batches).values():
            assert isinstance(outcome, Counts), outcome
        writer.end_invocation()
        return True

    def _help(self, writer: LaneWriter, lane: int) -> None:
        writer.help(lane)

    def expire_commits(self) -> None:
        """An idle lane: the commits that are applied expire, the head does not."""
        assert isinstance(self.ledger, SimulatedLedger)
        for lane in self.lanes:
            done = self.ledger.table.get(("head", lane), 0)
            for key in self.ledger.table.keys("commit", lane):
                if key[2] <= done:
                    self.ledger.table.put(key, None)

    def settle(self) -> None:
        for lane in self.lanes:
            self._new_writer().help(lane)

    def wrong(self) -> list[str]:
        """How counters, lane totals and archive differ from a recount of the distinct events sent."""
        remaining = [event for key, event in self.sent.items() if key not in self.voided]
        voided = [event for key, event in self.sent.items() if key in self.voided]
        expected, touched = (recount(filter(self.is_counted, each), self.meters) for each in (remaining, voided))
        problems = self.misread
        for owner in owners():
            cells = {place: cell for place, cell in self._cells(owner).items() if cell not in EMPTY}
            # The log answers in place of a dirty cell, which only a voided event may make.
            dirty = {place for place, cell in cells.items() if cell == DIRTY and place in touched[owner]}
            found = {place: cell for place, cell in cells.items() if place not in dirty}
            wanted = {
                place: cell for place, cell in expected[owner].items() if place not in dirty and cell not in EMPTY
            }
            wanted |= {place: _as_coarse_as(found[place], cell) for place, cell in wanted.items() if place in found}
            if found != wanted:
                problems.append(f"{owner}: {found} instead of {wanted}")
        archived = Counter((line.id, line.time_seconds) for lane in self.lanes for line in self._archived(lane))
        sent = {(event.id, event.time) for event in remaining if self.is_accepted(event)}
        if archived.keys() != sent or any(count != 1 for count in archived.values()):
            problems.append(f"archive holds {sum(archived.values())} of {len(remaining)} events")
        return problems

    def is_counted(self, event: Event) -> bool:
        """Do meters take something from it?"""
        return self.is_accepted(event)

    def is_accepted(self, event: Event) -> bool:
        return True

    def _archived(self, lane: int) -> Iterable[ArchivedEvent]:
        prefix = f"archive/{lane}/"
        commits = sorted((int(key.split("/")[-1]), key) for key in self.archive.objects if key.startswith(prefix))
        lines = [line for n, key in reversed(commits) for line in decode_lines(self.archive.objects[key], n)]
        return countable(lines)

    def _cells(self, owner: "Owner") -> "Cells":
        place, subject = owner
        lane = self.lanes[place]
        aggregations = {meter.id: meter.aggregation for meter in self.meters.meters}
        names = {
            code.number + part: (code.meter_id, part, code.groups["model"])
            for code in self.ledger.codes(self.tenant, lane)
            for part in range(code.parts)
        }
        cells: Cells = {}
        for key, name, cell in self._stored(lane, subject):
            window, number = parse_cell(name, key.span)
            meter, part, model = names[number]
            _put(cells, aggregations[meter].parts[part], (meter, part, window, model), cell)
        return cells

    def _stored(self, lane: int, subject: str | None) -> Iterator[tuple[PageKey, str, Cell]]:
        place = (self.tenant, lane, subject, 0, 999_999)
        for page in self.ledger.pages(*place):
            yield from ((page.key, name, cell) for name, cell in page.cells.items())
        yield from self.ledger.value_chunks(*place)


class Invocation(greenlet):  # type: ignore[misc]
    slot: int = -1
    has_failed = False


def _kill(worker: greenlet) -> None:
    if worker:
        worker.throw(GreenletExit)


Owner = tuple[int, str | None]  # one of the lanes, and a subject of it or None for its totals
Cells = dict[tuple[str, int, int, str], Cell]  # by meter, part, window and model


def owners() -> list[Owner]:
    return [(place, subject) for subject, place in SUBJECTS.items()] + [(0, None), (1, None)]


def owners_of(event: Event) -> list[Owner]:
    place = SUBJECTS[event.subject]
    return [(place, event.subject), (place, None)]


def _put(cells: Cells, keep: Keep, place: tuple[str, int, int, str], cell: Cell) -> None:
    present = cells.get(place)
    if DIRTY in (present, cell):
        cells[place] = DIRTY
    else:
        cells[place] = cell if present is None else merge(keep, present, cell)


def recount(events: Iterable[Event], meters: MeterSet) -> dict[Owner, Cells]:
    counted: dict[Owner, Cells] = {owner: {} for owner in owners()}
    for event in events:
        data = msgspec.json.decode(event.data)
        for meter in meters.meters:
            aggregation = meter.aggregation
            number = data["n"] if aggregation.needs_value else 1
            for part, cell in enumerate(contribution(aggregation, number, event.time, number, event.micros)):
                place = (meter.id, part, event.time // 1_800, data["model"])
                for owner in owners_of(event):
                    _put(counted[owner], aggregation.parts[part], place, cell)
            if aggregation.is_level:
                for owner in owners_of(event):
                    place = (meter.id, 0, event.time // COARSE_SECONDS, data["model"])
                    _put(counted[owner], Keep.SUM, place, number)
    sketches = {meter.id for meter in meters.meters if Keep.SKETCH in meter.aggregation.parts}
    for cells in counted.values():
        cells |= {place: _coarse(cell) for place, cell in cells.items() if place[0] in sketches}
    return counted


NO_VALUES = sketch.pack({})
# A sketch stays as coarse as it was when everything in it was voided.
EMPTY: tuple[Cell, ...] = (0, *(msgspec.msgpack.encode((level, {})) for level in range(sketch.COARSEST + 1)))


def _as_coarse_as(found: Cell, cell: Cell) -> Cell:
    """A sketch stays as coarse as it was before values were deducted."""
    if not isinstance(found, bytes) or found == DIRTY or found[0] != NO_VALUES[0]:
        return cell
    level, _ = msgspec.msgpack.decode(found)
    assert isinstance(cell, bytes)
    return sketch.merge(cell, msgspec.msgpack.encode((level, {})))


def _coarse(cell: Cell) -> Cell:
    """As coarse as a sketch on a page is."""
    assert isinstance(cell, bytes)
    return sketch.merge(cell, sketch.pack({}), MAX_BUCKETS)


def _read_cells(cells: "PageCells", values: "dict[str, set[int]]") -> "PageCells":
    """Distinct values as they are united, from the page and from beside it."""
    found = dict(cells)
    for name, some in values.items():
        present = found.get(name, b"")
        if present != DIRTY or name not in found:
            assert isinstance(present, bytes)
            found[name] = pack_values(some.union(unpack_values(present)))
    return found


def _says(seen: "PageCells", state: "PageCells") -> bool:
    """Values of a later commit may be there before the rest of it; what is empty may be left out."""
    for name in seen.keys() | state.keys():
        found, expected = seen.get(name, 0), state.get(name, 0)
        if found != expected and not (found in EMPTY and expected in EMPTY) and not _are_more(found, expected):
            return False
    return True


def _are_more(found: Cell, expected: Cell) -> bool:
    """Distinct values, and among them all that are expected?"""
    if not isinstance(found, bytes) or DIRTY in (found, expected) or len(found) % VALUE_BYTES:
        return False
    if expected == 0:
        return True
    if not isinstance(expected, bytes) or len(expected) % VALUE_BYTES:
        return False
    return {*unpack_values(expected)} <= {*unpack_values(found)}


def simulate(
    seed: int,
    meters: MeterSet = SUM_METERS,
    writer_class: type[LaneWriter] = LaneWriter,
    ledger_class: type[SimulatedLedger] = SimulatedLedger,
    reader_class: type[CurrentPages] = CurrentPages,
) -> list[str]:
    """One schedule on memory ports; returns what is wrong at its end."""
    return play(World(seed, meters, writer_class, ledger_class, reader_class=reader_class), can_expire=True)


def play(world: World, *, can_expire: bool) -> list[str]:
    for _ in range(world.chance.randint(2, 4)):
        for _ in range(world.chance.randint(1, 4)):
            world.send()
        if world.chance.random() < 0.5 and not world.is_forgetful:
            world.resend_with_new_times()
        if world.chance.random() < 0.4:
            world.void()
        world.run(steps=20_000)
        if world.chance.random() < 0.15 and can_expire:
            world.expire_commits()
            world.clock.forward(days=9)
        else:
            world.clock.forward(seconds=world.chance.choice((1, 60, 400, 2 * LOOK_BACK)))
        world.stream = []
        if world.held_back:
            world.send_held_back()
    if world.stream:
        world.run(steps=20_000)
    world.settle()
    return world.wrong()

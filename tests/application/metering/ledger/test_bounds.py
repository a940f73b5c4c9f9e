"""What must stay bounded for any events sent: requests, memory, items; with one hot subject and with very many."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec
import pytest

from functions.adapters.memory.ledger import MemoryArchive, MemoryLedger
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.adapters.records import encode_commit
from functions.application.metering.ledger import apply_pages, lane_memory
from functions.application.metering.ledger.apply_pages import PageApplier
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.usage.query_usage import UsageReader
from functions.application.metering.usage.usage_bounds import Bounds
from functions.domain.errors import TooLarge
from functions.domain.metering.cells import sketch
from functions.domain.metering.cells.aggregation import Aggregation, pack_values, unpack_values
from functions.domain.metering.cells.pages import CODES_PER_PAGE, MAX_BUCKETS, WINDOWS_PER_PAGE, PageDelta, PageKey
from functions.domain.metering.ledger import counting
from functions.domain.metering.ledger.ledger import Commit
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack
from functions.domain.metering.values.lanes import Lanes
from tests.writing import write

# At the sizes of production.
pytestmark = pytest.mark.large

NOW = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())
LANES = Lanes(1, b"a key of the test")
ITEM_BYTES = 400_000


class Clock:
    def now(self) -> datetime:
        return datetime.fromtimestamp(NOW, UTC)


def meter(aggregation: Aggregation, **group_by: str) -> Meter:
    value = "$.n" if aggregation.needs_value else None
    return Meter(f"m{aggregation}", aggregation.lower(), "call", aggregation, value, group_by, since=1)


class Lane:
    """One writer on memory ports, counting what it asks for."""

    def __init__(self, *meters: Meter, tenants: Sequence[str] = ("t",)) -> None:
        self.requests: Counter[str] = Counter()
        self.ledger = MemoryLedger(request=lambda name: self.requests.update([name]))
        for tenant in tenants:
            self.ledger.put_meter_set(tenant, MeterSet(1, meters))
        self.archive = MemoryArchive()
        self.ids = 0
        self.writer = self.new_writer()

    def new_writer(self) -> LaneWriter:
        window, fingerprint = AcceptanceWindow(), LANES.value_fingerprint
        look_backs = MemoryLookBacks()
        return LaneWriter(
            self.ledger, self.archive, Clock(), self.new_id, window, look_backs, fingerprint, behind_seconds=0
        )

    def new_id(self) -> str:
        self.ids += 1
        return f"a{self.ids}"

    def write(self, events: list[tuple[str, dict[str, Any]]], tenant: str = "t") -> Counter[str]:
        """Returns the requests it took."""
        self.requests.clear()
        new = []
        for subject, data in events:
            self.ids += 1
            new.append(Event(self.ids, NOW, str(self.ids), "s", "call", subject, msgspec.json.encode(data)))
        write(self.writer, [Pack(tenant, 0, "p", NOW, new)])
        return Counter(self.requests)

    def largest_commit(self) -> int:
        return max(len(encode_commit(self.commit(n))) for n in range(1, self.ledger.last_commit_number(0) + 1))

    def commit(self, n: int) -> Commit:
        found = self.ledger.commit(0, n)
        assert found is not None
        return found


def test_ten_thousand_events_of_one_subject_are_one_commit_and_two_pages() -> None:
    """Of the subject and of the lane; levels have a coarse one of each as well."""
    others = [each for each in Aggregation if not each.is_level]
    _is_written_to(Lane(*[meter(each) for each in others]), 2)
    _is_written_to(Lane(*[meter(each) for each in Aggregation]), 4)


def _is_written_to(lane: "Lane", pages: int) -> None:
    for number in range(2):
        requests = lane.write([("hot", {"n": n % 50 + number}) for n in range(10_000)])
        assert requests["put_commit"] == 1
        assert requests["write_page"] == pages
    assert requests["read_pages"] == 0


def test_many_subjects_cost_no_read_once_their_pages_are_known() -> None:
    lane = Lane(meter(Aggregation.SUM))
    events = [(f"s{number}", {"n": 1}) for number in range(1_500)]
    assert lane.write(events)["read_pages"] > 0
    assert lane.write(events)["read_pages"] == 0


def test_pages_are_forgotten_when_they_take_too_much_memory_and_counted_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apply_pages, "PAGES_AT_A_TIME", 10)
    ledger = MemoryLedger()
    applier = PageApplier(ledger, max_bytes=50_000)
    keys = [PageKey("t", 0, f"s{number}", 1, 0) for number in range(500)]
    for n in (1, 2, 3):
        pages = [PageDelta(key, {"A0": 1}) for key in keys]
        applier.apply([Commit(0, n, "a", 0, 0, {}, pages, [], [], [], [], "", b"", None, {})])  # type: ignore[arg-type]
        assert applier.known_bytes <= 50_000
    assert {page.cells["A0"] for page in ledger.read_pages(keys)} == {3}


def test_a_remembered_page_weighs_at_any_time_what_it_would_weigh_anew() -> None:
    chance, applier = Random(3), PageApplier(MemoryLedger())
    keys = [PageKey("t", 0, f"s{number}", 1, 0) for number in range(5)]

    def cells(letter: str) -> list[str]:
        return [f"{window}{letter}" for window in chance.sample("ABCDEF", 3)]

    def delta(key: PageKey) -> PageDelta:
        values = {name: pack_values(chance.sample(range(40), 4)) for name in cells("1")}
        sketches = {name: sketch.of(chance.randrange(1, 10_000)) for name in cells("2")}
        return PageDelta(key, dict.fromkeys(cells("0"), 1), values=values, sketch=sketches)

    for n in range(1, 200):
        pages = [delta(key) for key in keys]
        pages[0].dirty.extend(cells("1")[:1] if n % 20 == 0 else [])
        applier.apply([Commit(0, n, "a", 0, 0, {}, pages, [], [], [], [], "", b"", None, {})])  # type: ignore[arg-type]
        assert applier.known_bytes == sum(known.weight for known in applier._known.values())
        assert [known.weigh() for known in applier._known.values()] == [0] * len(keys)


def test_what_a_process_knows_of_subjects_and_codes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_memory, "MAX_CACHED_SUBJECTS", 300)
    monkeypatch.setattr(lane_memory, "MAX_CACHED_CODES", 300)
    tenants = [f"t{number}" for number in range(10)]
    lane = Lane(meter(Aggregation.SUM, model="$.model"), tenants=tenants)
    for tenant in tenants:
        lane.write([(f"s{number}", {"n": 1, "model": str(number)}) for number in range(200)], tenant)
    (state,) = lane.writer._memory._states.values()
    assert len(state.subjects) <= 500
    assert sum(len(directory.numbers) for directory in state.directories.values()) <= 500
    lane.write([("s0", {"n": 1, "model": "0"})], "t0")
    assert [code.number for code in lane.ledger.codes("t0", 0)] == list(range(200))


def test_groups_are_bounded_by_meter_and_by_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_SUBJECT_CODES", 50)
    monkeypatch.setattr(counting, "MAX_LANE_CODES", 70)
    monkeypatch.setattr(counting, "SURE_CODES", 0)
    by_model, by_region = meter(Aggregation.AVG, model="$.model"), meter(Aggregation.COUNT, region="$.region")
    lane = Lane(by_model, by_region)
    for start in (0, 500):
        numbers = range(start, start + 500)
        lane.write([(f"s{n % 7}", {"n": 2, "model": str(n), "region": str(n % 100)}) for n in numbers])
        lane.writer = lane.new_writer()
    codes = list(lane.ledger.codes("t", 0))
    held = Counter(code.meter_id for code in codes)
    assert held[by_model.id] <= 51
    assert len(codes) <= 72
    taken = sorted(number for code in codes for number in range(code.number - code.skipped, code.number + code.parts))
    assert taken == list(range(len(taken)))
    assert {code.meter_id for code in codes if "__other__" in code.groups.values()} == {by_model.id, by_region.id}


def test_a_hundred_thousand_values_are_stored_once_however_often_they_come() -> None:
    lane = Lane(meter(Aggregation.UNIQUE_COUNT))
    for start in range(0, 100_000, 10_000):
        lane.write([("hot", {"n": f"user-{n}"}) for n in range(start, start + 10_000)])
    for owner in ("hot", None):
        stored = [values for _, _, values in lane.ledger.value_chunks("t", 0, owner, 0, 999_999)]
        assert sum(map(len, stored)) == 8 * 100_000
        assert max(map(len, stored)) < ITEM_BYTES / 2
        assert len({value for values in stored for value in unpack_values(values)}) == 100_000
    again = lane.write([("hot", {"n": f"user-{n}"}) for n in range(10_000)])
    assert again["put_value_chunk"] == again["write_page"] == 0
    assert lane.largest_commit() < ITEM_BYTES


def test_values_beside_the_pages_are_in_the_answer() -> None:
    users = meter(Aggregation.UNIQUE_COUNT)
    lane = Lane(users)
    for start in (0, 5, 100):
        lane.write([("hot", {"n": f"user-{n}"}) for n in range(start, 10 * start + 20)])
    reader = UsageReader(lane.ledger, lane.archive, LANES)
    for subjects in ((), ("hot",)):
        (row,) = reader.rows(UsageQuery("t", users, subjects=subjects), Clock().now())
        assert row.value == 990, subjects


def test_a_maximum_that_stays_writes_nothing() -> None:
    lane = Lane(meter(Aggregation.MAX))
    assert lane.write([("hot", {"n": 9})])["write_page"] == 2
    assert lane.write([("hot", {"n": 5})])["write_page"] == 0


@pytest.mark.parametrize("aggregation", [Aggregation.PERCENTILE, Aggregation.UNIQUE_COUNT, Aggregation.LATEST])
def test_hostile_values_fit_into_commits_and_pages(aggregation: Aggregation) -> None:
    lane = Lane(meter(aggregation, model="$.model"))
    for start in range(0, 8_000, 4_000):
        numbers = range(start, start + 4_000)
        lane.write(
            [("\U0001f600" * 200 + str(n % 40), {"n": f"{n}e{n % 20 - 15}", "model": str(n % 2)}) for n in numbers]
        )
        assert lane.largest_commit() < ITEM_BYTES
        for page in lane.ledger.pages("t", 0, None, 0, 999_999):
            cells = [cell for cell in page.cells.values() if isinstance(cell, bytes)]
            assert all(len(cell) <= 8 * MAX_BUCKETS + 10 for cell in cells)
            assert WINDOWS_PER_PAGE * CODES_PER_PAGE * max(map(len, cells), default=0) < ITEM_BYTES * 0.8


@pytest.mark.parametrize("digits", ["{}", "{}.{}", "0.{}"])
def test_values_of_31_digits_fit_into_commits(digits: str) -> None:
    kinds = (Aggregation.AVG, Aggregation.MAX, Aggregation.LATEST, Aggregation.TIME_WEIGHTED_SUM)
    lane, chance = Lane(*[meter(each, model="$.model") for each in kinds]), Random(2)
    numbers = [[str(chance.randrange(10**30, 10**31)) for _ in range(2)] for _ in range(4_000)]
    lane.write([("hot", {"n": digits.format(*both), "model": str(n % 900)}) for n, both in enumerate(numbers)])
    assert lane.ledger.last_commit_number(0) > 1
    assert lane.largest_commit() < ITEM_BYTES * 0.8


def test_subjects_seen_before_take_their_place_in_a_commit_too() -> None:
    lane = Lane(meter(Aggregation.COUNT))
    chance = Random(1)
    subjects = ["".join(map(chr, chance.choices(range(0x4E00, 0x9E00), k=250))) for _ in range(1_500)]
    for _ in range(2):
        lane.write([(subject, {}) for subject in subjects])
    assert lane.largest_commit() < ITEM_BYTES


def test_questions_that_share_a_budget_read_together_what_one_of_them_may() -> None:
    count = meter(Aggregation.COUNT)
    lane = Lane(count)
    lane.write([("s", {"n": 1})])
    now = datetime.fromtimestamp(NOW + 3_600, UTC)
    query = UsageQuery("t", count, None, now, subjects=("s",))
    reader = UsageReader(lane.ledger, lane.archive, LANES, Bounds(pages=3))
    assert [reader.total(query, now) for _ in range(5)] == [1] * 5
    shared = reader.sharing("ask for fewer customers")
    with pytest.raises(TooLarge, match=r"more than 3 counter pages .*; ask for fewer customers\.$"):
        [shared.total(query, now) for _ in range(5)]
    assert reader.sharing("again").total(query, now) == 1

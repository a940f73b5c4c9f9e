"""One contract for every ledger: the memory one the simulation runs on, and DynamoDB (on DynamoDB Local)."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from functions.adapters.dynamo.metering import hour_items
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.dynamo.metering.packed_windows import packed_windows, stored_cells
from functions.adapters.memory.ledger import MemoryLedger
from functions.application.metering.ledger.apply_pages import PageApplier
from functions.domain.metering.cells import sketch
from functions.domain.metering.cells.aggregation import DIRTY, pack_values, unpack_values
from functions.domain.metering.cells.pages import (
    WINDOW_LETTERS,
    WINDOWS_PER_PAGE,
    Page,
    PageDelta,
    PageKey,
    PageWrite,
    UnitedChunks,
    ValueChunk,
    as_bytes,
)
from functions.domain.metering.ledger.hour_index import marks_of, subject_mark, time_bounds
from functions.domain.metering.ledger.ledger import Code, Commit, Counts, Reject, VoidOutcome
from functions.domain.metering.values.event import AcceptanceWindow, Event
from tests.conftest import DynamoDb

NOW = 1_790_000_000
KEY = PageKey("acme", 3, "customer-1", 82_870, 0)
TOTAL = PageKey("acme", 3, None, 82_870, 0)


@pytest.fixture(params=["memory", "dynamodb"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    database: DynamoDb = request.getfixturevalue("dynamodb")
    yield DynamoLedger(database.client, database.usage_table, AcceptanceWindow())


def commit(n: int, attempt: str = "a1", **fields: Any) -> Commit:
    defaults: dict[str, Any] = {
        "fingerprints": {5: b"12345678"},
        "pages": [],
        "hours": [497_222],
        "codes": [],
        "subjects": [],
        "markers": [],
        "staged_key": "",
        "inline_archive": b"x",
        "counts": Counts(1),
        "meter_versions": {"acme": 2},
    }
    return Commit(3, n, attempt, NOW + n, NOW + n, **(defaults | fields))


def test_a_free_number_takes_the_commit_and_a_taken_one_shows_its_holder(ledger: Any) -> None:
    assert ledger.last_commit_number(3) == 0
    assert ledger.put_commit(commit(1)) is None
    holder = ledger.put_commit(commit(1, "a2"))
    assert holder is not None
    assert holder.attempt == "a1"
    assert ledger.put_commit(commit(2)) is None
    assert ledger.last_commit_number(3) == 2
    assert ledger.last_commit_number(4) == 0
    assert ledger.commit(3, 2) == commit(2)
    assert ledger.commit(3, 9) is None


def test_commits_of_many_lanes_are_put_together_and_none_takes_anothers_number(ledger: Any) -> None:
    def of(lane: int, attempt: str) -> Commit:
        return msgspec.structs.replace(commit(1, attempt), lane=lane)

    for lane in (4, 27):
        ledger.put_commit(of(lane, "before"))
    holders = ledger.put_commits([of(lane, "mine") for lane in range(30)])
    assert {lane: holder.attempt for lane, holder in enumerate(holders) if holder} == {4: "before", 27: "before"}
    again = ledger.put_commits([of(lane, "again") for lane in range(30)])
    assert [holder.attempt for holder in again] == ["before" if lane in (4, 27) else "mine" for lane in range(30)]
    assert [ledger.commit(lane, 1) for lane in (3, 4)] == [of(3, "mine"), of(4, "before")]
    assert ledger.put_commits([]) == []


def test_sums_beyond_64_bits_keep_every_digit(ledger: Any) -> None:
    sums: dict[str, int | Decimal] = {"A0": 2**64, "A1": -(2**63) - 1, "A2": 7}
    written = commit(1, pages=[PageDelta(KEY, sums)])
    ledger.put_commit(written)
    PageApplier(ledger).apply([ledger.commit(3, 1)])
    (page,) = ledger.read_pages([KEY])
    assert page.cells == sums


def test_the_head_only_rises(ledger: Any) -> None:
    assert ledger.head(3) == 0
    ledger.advance_heads({3: 5})
    ledger.advance_heads({3: 4})
    assert ledger.head(3) == 5


def test_heads_of_many_lanes_rise_together_made_or_not(ledger: Any) -> None:
    ledger.advance_heads({3: 5})
    ledger.advance_heads({lane: lane + 1 for lane in range(30)})
    assert [ledger.head(lane) for lane in range(30)] == [1, 2, 3, 5, *range(5, 31)]
    ledger.advance_heads(dict.fromkeys(range(30), 100))
    assert {ledger.head(lane) for lane in range(30)} == {100}
    assert ledger.heads([*range(28, 32)]) == {28: 100, 29: 100, 30: 0, 31: 0}


def test_the_look_back_ends_with_the_first_older_commit(ledger: Any) -> None:
    for n in range(1, 61):
        ledger.put_commit(commit(n))
    assert [c.n for c in ledger.commits_before(3, 60, NOW + 20)] == list(range(60, 19, -1))
    assert list(ledger.commits_before(3, 0, 0)) == []


def test_chunks_of_a_bucket_are_joined(ledger: Any) -> None:
    ledger.put_index([commit(1, fingerprints={7: b"aaaaaaaa", 8: b"bbbbbbbb"})])
    ledger.put_index([commit(2, fingerprints={7: b"cccccccc"})])
    ledger.put_index([commit(2, fingerprints={7: b"cccccccc"})])
    assert ledger.chunk(3, 7) == b"aaaaaaaacccccccc"
    assert ledger.chunk(3, 9) == b""


def test_a_bucket_tells_which_commit_accepted_what(ledger: Any) -> None:
    ledger.put_index([commit(1, fingerprints={7: b"aaaaaaaa"})])
    ledger.put_index([commit(2, fingerprints={7: b"cccccccc"})])
    assert list(ledger.commits_of_bucket(3, 7)) == [(1, b"aaaaaaaa"), (2, b"cccccccc")]
    assert list(ledger.commits_of_bucket(3, 9)) == []


def test_what_cannot_be_deducted_makes_its_cell_dirty_for_good(ledger: Any) -> None:
    counted = PageDelta(
        KEY, highest={"A0": 7, "B0": 7}, lowest={"A1": 2, "B1": 2}, latest={"A2": (5, 0, 1), "B2": (5, 0, 1)}
    )
    counted.values["A3"] = pack_values([1])
    PageApplier(ledger).apply([commit(1, pages=[counted])])
    lost = PageDelta(KEY, lost_highest={"A0": 7, "B0": 6}, lost_lowest={"A1": 2, "B1": 3}, dirty=["A3"])
    lost.lost_latest.update({"A2": (5, 0, 1), "B2": (4, 9, 9)})
    PageApplier(ledger).apply([commit(2, pages=[lost])])
    later = PageDelta(
        KEY, highest={"A0": 9}, lowest={"A1": 1}, latest={"A2": (9, 0, 9)}, values={"A3": pack_values([3])}
    )
    PageApplier(ledger).apply([commit(3, pages=[later])])
    (page,) = ledger.pages(KEY.tenant, KEY.lane, KEY.subject, KEY.span, KEY.span)
    dirty = dict.fromkeys(("A0", "A1", "A2", "A3"), DIRTY)
    assert page.cells == {"B0": 7, "B1": 2, "B2": (5, 0, 1), **dirty}
    assert list(ledger.value_chunks(KEY.tenant, KEY.lane, KEY.subject, KEY.span, KEY.span)) == []


def test_hours_list_their_commits_however_many(ledger: Any) -> None:
    for n in (1, 2, 2, 49, 50, 51, 120):
        ledger.put_index([commit(n, hours=[497_222, 497_223])])
    assert ledger.commits_in_hour(3, 497_222) == [(n, (NOW + n) // 3_600) for n in (1, 2, 49, 50, 51, 120)]
    assert ledger.commits_in_hour(3, 497_224) == []


def places(ledger: Any, lane: int, newest_hour: int, oldest_hour: int) -> list[tuple[int, int, int]]:
    return [(entry.hour, entry.n, entry.decided_hour) for entry in ledger.hour_index(lane, newest_hour, oldest_hour)]


def test_commits_are_listed_by_hour_the_newest_first(ledger: Any) -> None:
    hours = {1: [99_999], 2: [497_222, 497_223], 3: [497_221], 4: [497_223, 100_000], 5: [497_224]}
    for n, its_hours in hours.items():
        ledger.put_index([commit(n, hours=its_hours)])
    decided = NOW // 3_600
    listed = [(497_223, 4), (497_223, 2), (497_222, 2), (497_221, 3), (100_000, 4)]
    assert places(ledger, 3, 497_223, 100_000) == [(hour, n, decided) for hour, n in listed]
    assert places(ledger, 3, 497_223, 497_223) == [(497_223, 4, decided), (497_223, 2, decided)]
    assert places(ledger, 4, 497_223, 0) == []


def test_the_index_knows_when_events_happened_and_whose_they_are(ledger: Any) -> None:
    start = 497_222 * 3_600
    buckets = {(start + second) // 300: b"12345678" for second in (10, 1_000, 3_700, 7_300)}
    events = [Event(1, start + 10, "e1", "s", "t", "ada"), Event(2, start + 7_300, "e2", "s", "t", "ada")]
    groups = [("acme", "ada", events)]
    oldest, newest = time_bounds(groups)
    hours = [497_222, 497_223, 497_224]
    written = commit(1, fingerprints=buckets, hours=hours, oldest=oldest, newest=newest, marks=marks_of(groups))
    ledger.put_index([written])
    ledger.put_index([written])
    found = list(ledger.hour_index(3, 497_224, 497_222))
    bounds = [(entry.first - start, entry.last - start) for entry in found]
    assert bounds == [(7_200, 7_300), (3_600, 3_899), (10, 1_199)]
    for entry in found:
        assert (entry.n, entry.decided_at) == (1, NOW + 1)
        assert entry.may_hold("acme")
        assert entry.may_hold("acme", [subject_mark("acme", "ada"), subject_mark("acme", "bob")])
        assert not entry.may_hold("acme", [subject_mark("acme", "bob")])
        assert not entry.may_hold("other")


def test_the_index_is_read_from_a_commit_on_and_for_its_voids_alone(ledger: Any) -> None:
    for n in range(1, 6):
        voids = [VoidOutcome("acme", "c", was_counted=True)] if n % 2 else []
        ledger.put_index([commit(n, hours=[497_222, 497_223], voids=voids)])

    def numbers(newest: int, oldest: int, **how: Any) -> list[tuple[int, int]]:
        return [(entry.hour - 497_220, entry.n) for entry in ledger.hour_index(3, newest, oldest, **how)]

    assert numbers(497_223, 497_223, below=3) == [(3, 2), (3, 1)]
    assert numbers(497_223, 497_222, below=2) == [(3, 1), *((2, n) for n in (5, 4, 3, 2, 1))]
    assert numbers(497_223, 497_223, below=1) == []
    assert numbers(497_223, 497_223, below=6) == numbers(497_223, 497_223)
    assert numbers(497_223, 497_223, only_voids=True) == [(3, 5), (3, 3), (3, 1)]


def test_a_long_index_is_read_page_by_page(ledger: Any) -> None:
    for n in range(1, 451):
        ledger.put_index([commit(n, hours=[497_000 + n % 3])])
    found = places(ledger, 3, 497_001, 497_000)
    assert found == sorted(found, reverse=True)
    assert len(found) == 300


@pytest.mark.parametrize("most", [1, 2, 7, 500])
@pytest.mark.parametrize("passed", [0, 3, 100])
def test_hours_that_lie_apart_are_read_as_if_each_were_asked_for(
    ledger: Any, most: int, passed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hour_items, "HOUR_INDEX_PAGE", most)
    monkeypatch.setattr(hour_items, "PASSED_ENTRIES", passed)
    chance = Random(most + passed)
    for n in range(1, 16):
        ledger.put_index([commit(n, hours=sorted(chance.sample(range(497_000, 497_020), 4)))])
    for count in (0, 1, 2, 5, 12, 20):
        hours = set(chance.sample(range(496_998, 497_022), count))
        each = [entry for hour in sorted(hours, reverse=True) for entry in ledger.hour_index(3, hour, hour)]
        assert list(ledger.index_of_hours(3, hours)) == each


def test_the_directory_gives_back_codes_and_subjects(ledger: Any) -> None:
    codes = [Code("acme", number, "m1", {"model": f"é{number}"}) for number in range(30)]
    codes.append(Code("acme", 30, "m2", {}, parts=2))
    codes.append(Code("acme", 48, "m2", {"model": "a"}, parts=2, skipped=1))
    ledger.put_index([commit(1, codes=codes, subjects=[("acme", "b"), ("acme", "ü"), ("other", "c")])])
    assert list(ledger.codes("acme", 3)) == codes
    assert list(ledger.codes("acme", 3, 28)) == codes[28:]
    assert list(ledger.codes("acme", 3, 49)) == []
    assert ledger.subjects("acme", 3, 10) == ["b", "ü"]
    assert ledger.subjects("acme", 3, 1) == ["b"]
    assert ledger.subjects("acme", 3, 10, "b") == ["ü"]
    assert ledger.subjects("acme", 3, 10, "a") == ["b", "ü"]
    assert ledger.subjects("acme", 3, 10, "ü") == []
    assert ledger.known_subjects("acme", 3, ["ü", "c", "z"]) == {"ü"}
    assert list(ledger.codes("acme", 4)) == []


def page_of(ledger: Any, key: PageKey) -> Page:
    (page,) = ledger.read_pages([key])
    return page  # type: ignore[no-any-return]


def apply(ledger: Any, n: int, *pages: PageDelta) -> None:
    """As a process that knows nothing of the pages yet."""
    PageApplier(ledger).apply([commit(n, pages=list(pages))])


def test_a_page_takes_each_commit_once(ledger: Any) -> None:
    deltas = [PageDelta(KEY, {"A0": 5, "Add": Decimal("0.25")}), PageDelta(TOTAL, {"A0": 5})]
    for n in (1, 2, 2, 1, 3):
        apply(ledger, n, *deltas)
    assert page_of(ledger, KEY) == Page(KEY, 3, {"A0": 15, "Add": Decimal("0.75")})
    assert page_of(ledger, TOTAL).cells == {"A0": 15}


def test_new_cells_join_a_known_page(ledger: Any) -> None:
    applier = PageApplier(ledger)
    added: list[dict[str, int | Decimal]] = [{"A0": 1}, {"B0": 2}, {"A0": 3, "B0": 4, "C1": 5}]
    for n, cells in enumerate(added, 1):
        applier.apply([commit(n, pages=[PageDelta(KEY, cells)])])
    assert page_of(ledger, KEY).cells == {"A0": 4, "B0": 6, "C1": 5}


def test_many_pages_of_one_commit_are_all_written(ledger: Any) -> None:
    keys = [PageKey("acme", 3, f"s{number}", 82_870, 0) for number in range(130)]
    applier = PageApplier(ledger)
    for n in (1, 2):
        applier.apply([commit(n, pages=[PageDelta(key, {"A0": n}) for key in keys])])
    apply(ledger, 3, *[PageDelta(key, {"A0": 3}) for key in keys])
    assert {page.key: page.cells["A0"] for page in ledger.read_pages(keys)} == dict.fromkeys(keys, 6)


def test_a_page_is_written_only_as_it_was_seen(ledger: Any) -> None:
    absent, other = Page(KEY, 0, {}), PageKey("acme", 3, "customer-2", 82_870, 0)
    assert list(ledger.write_pages([PageWrite(1, absent, {"A0": 5})])) == [True]
    writes = [PageWrite(2, absent, {"A0": 9}), PageWrite(2, Page(other, 0, {}), {"A0": 1})]
    assert list(ledger.write_pages(writes)) == [False, True]
    seen = page_of(ledger, KEY)
    assert list(ledger.write_pages([PageWrite(2, seen, {"A0": 7, "B0": 1})])) == [True]
    assert list(ledger.write_pages([PageWrite(3, seen, {"A0": 8})])) == [False]
    assert page_of(ledger, KEY) == Page(KEY, 2, {"A0": 7, "B0": 1})


def test_a_page_of_many_cells_is_written_whole(ledger: Any) -> None:
    cells: dict[str, int | Decimal] = {f"{letter}{code}": 1 for letter in WINDOW_LETTERS for code in range(10, 26)}
    for n in (1, 2):
        apply(ledger, n, PageDelta(KEY, cells))
    apply(ledger, 3, PageDelta(KEY, {"A10": 1}))
    assert page_of(ledger, KEY).cells == {**dict.fromkeys(cells, 2), "A10": 3}


def test_a_page_that_is_not_there_has_no_stamp_and_no_cells(ledger: Any) -> None:
    apply(ledger, 1, PageDelta(KEY, {"A0": 1}))
    found = {page.key: page for page in ledger.read_pages([KEY, TOTAL])}
    assert found == {KEY: Page(KEY, 1, {"A0": 1}), TOTAL: Page(TOTAL, 0, {})}


def test_every_kind_of_cell_keeps_what_it_says(ledger: Any) -> None:
    for n, value in ((1, 5), (2, Decimal("9.5")), (3, 7), (3, 7)):
        single = {"A0": value}
        apply(
            ledger,
            n,
            PageDelta(
                KEY,
                sum=single,
                highest={"A1": value},
                lowest={"A2": value},
                latest={"A3": (NOW, n, value)},
                values={"B4": pack_values([n, 2**64 - 1])},
                sketch={"A5": sketch.of(value)},
            ),
        )
    cells = page_of(ledger, KEY).cells
    assert {name: cells[name] for name in ("A0", "A1", "A2", "A3")} == {
        "A0": Decimal("21.5"),
        "A1": Decimal("9.5"),
        "A2": 5,
        "A3": (NOW, 3, 7),
    }
    assert cells["B4"] == pack_values([1, 2, 3, 2**64 - 1])
    assert sketch.unpack(as_bytes(cells["A5"])) == {sketch.bucket_of(value): 1 for value in (5, Decimal("9.5"), 7)}


def test_of_one_microsecond_the_larger_value_is_the_latest(ledger: Any) -> None:
    came = ((NOW, 7, 3), (NOW, 7, 2), (NOW, 6, 9), (NOW, 0, 9), (NOW - 1, 999_999, 9))
    for n, latest in enumerate(came, 1):
        apply(ledger, n, PageDelta(KEY, latest={"A0": latest}))
        assert page_of(ledger, KEY).cells == {"A0": came[0]}
    later = (NOW, 8, Decimal("-1.5"))
    written = commit(9, pages=[PageDelta(KEY, latest={"A0": later})])
    ledger.put_commit(written)
    assert ledger.commit(3, 9) == written
    apply(ledger, 9, *written.pages)
    assert page_of(ledger, KEY).cells == {"A0": later}


def test_a_lost_latest_value_makes_dirty_what_is_not_later_to_the_microsecond(ledger: Any) -> None:
    apply(ledger, 1, PageDelta(KEY, latest={"A0": (NOW, 5, 1), "A1": (NOW, 5, 1), "A2": (NOW, 5, 1)}))
    lost = PageDelta(KEY, lost_latest={"A0": (NOW, 5, 1), "A1": (NOW, 4, 9), "A2": (NOW, 6, 0)})
    apply(ledger, 2, lost)
    assert page_of(ledger, KEY).cells == {"A0": DIRTY, "A1": (NOW, 5, 1), "A2": DIRTY}


def test_values_that_do_not_fit_into_the_page_lie_beside_it(ledger: Any) -> None:
    applier = PageApplier(ledger)
    for key in (KEY, TOTAL):
        applier.apply([commit(1, pages=[PageDelta(key, values={"A0": pack_values(range(4))})])])
        applier.apply([commit(2, pages=[PageDelta(key, values={"A0": pack_values(range(10, 60))})])])
        applier.apply([commit(3, pages=[PageDelta(key, values={"A0": pack_values(range(50, 55))})])])
        apply(ledger, 2, PageDelta(key, values={"A0": pack_values(range(10, 60))}))
        assert page_of(ledger, key).cells == {"A0": pack_values(range(4))}
        place = (key.tenant, key.lane, key.subject)
        assert list(ledger.value_chunks(*place, key.span, key.span)) == [(key, "A0", pack_values(range(10, 60)))]
        assert list(ledger.value_chunks(*place, 0, key.span - 1)) == []
        assert list(ledger.value_chunks(*place, key.span + 1, 999_999)) == []


@pytest.mark.parametrize("subject", ["ü", None])
def test_united_values_take_the_place_of_their_parts_and_are_read_behind_all_others(
    ledger: Any, subject: str | None
) -> None:
    key = msgspec.structs.replace(KEY, subject=subject)
    other = msgspec.structs.replace(key, number=1)
    place = (key.tenant, key.lane, key.subject, key.span, key.span)

    def read() -> list[tuple[int, str, bytes]]:
        return [(page.number, cell, values) for page, cell, values in ledger.value_chunks(*place)]

    def part(n: int) -> tuple[int, str, bytes]:
        return (0, "A0", pack_values([n]))

    for n in range(1, 41):
        ledger.put_value_chunks([ValueChunk(n, key, "A0", pack_values([n]))])
    ledger.put_value_chunks([ValueChunk(2, other, "B17", pack_values([5]))])
    beyond = (1, "B17", pack_values([5]))
    first = UnitedChunks(key, {"A0": pack_values(range(1, 31)), "B1": pack_values([9])}, tuple(range(1, 31)))
    whole = [(0, "A0", first.cells["A0"]), (0, "B1", first.cells["B1"])]
    for _ in range(2):  # a second time changes nothing
        ledger.unite_value_chunks([first])
        assert read() == [*map(part, range(31, 41)), *whole, beyond]
    ledger.put_value_chunks([ValueChunk(7, key, "A0", pack_values([7]))])  # by a writer who is late
    assert read() == [part(7), *map(part, range(31, 41)), *whole, beyond]
    ledger.unite_value_chunks([UnitedChunks(key, {"A0": pack_values(range(31, 41))}, tuple(range(31, 41)))])
    assert read() == [part(7), *whole, (0, "A0", pack_values(range(31, 41))), beyond]


def test_pages_are_found_by_span(ledger: Any) -> None:
    for span in (82_869, 82_870, 82_871, 182_870):
        for number in (0, 11):
            apply(ledger, 1, PageDelta(PageKey("acme", 3, "customer-1", span, number), {"A0": 1}))
    found = list(ledger.pages("acme", 3, "customer-1", 82_869, 82_870))
    places = [(page.key.span, page.key.number) for page in found]
    assert places == [(82_869, 0), (82_869, 11), (82_870, 0), (82_870, 11)]
    assert list(ledger.pages("acme", 3, None, 0, 999_999)) == []


def test_a_stretch_that_ends_before_it_begins_holds_nothing(ledger: Any) -> None:
    apply(ledger, 1, PageDelta(KEY, {"A0": 1}))
    ledger.put_index([commit(1, hours=[497_222])])
    assert list(ledger.pages("acme", 3, "customer-1", KEY.span, KEY.span - 1)) == []
    assert list(ledger.value_chunks("acme", 3, None, KEY.span, KEY.span - 1)) == []
    assert list(ledger.history("acme", 3, None, "m1", KEY.span, KEY.span - 1)) == []
    assert list(ledger.hour_index(3, 497_221, 497_222)) == []


def test_markers_tell_which_lanes_are_counted(ledger: Any) -> None:
    ledger.put_markers([commit(4, markers=["run-1", "run-1"])])  # as stored by writers of before
    assert ledger.marked_lanes("run-1") == {3: 4}
    assert ledger.marked_lanes("run-2") == {}


def test_sums_keep_38_digits(ledger: Any) -> None:
    largest = Decimal("9999999999999.999999999999999999")
    for n in (1, 2, 3):
        apply(ledger, n, PageDelta(KEY, {"A0": largest}))
    assert page_of(ledger, KEY).cells == {"A0": Decimal("29999999999999.999999999999999997")}


def test_a_page_changed_by_another_writer_is_still_counted_once(ledger: Any) -> None:
    ours, other = PageApplier(ledger), PageApplier(ledger)
    commits = {n: commit(n, pages=[PageDelta(KEY, {"A0": 10**n, "B0": 10**n})]) for n in (1, 2, 3)}
    for applier, n in ((ours, 1), (other, 2), (ours, 3), (ours, 2), (other, 3)):
        applier.apply([commits[n]])
    assert page_of(ledger, KEY) == Page(KEY, 3, {"A0": 1_110, "B0": 1_110})


def test_a_statement_that_can_never_succeed_is_not_tried_again(dynamodb: DynamoDb) -> None:
    ledger = DynamoLedger(dynamodb.client, dynamodb.usage_table, AcceptanceWindow())
    with pytest.raises(RuntimeError, match="cannot be written"):
        apply(ledger, 1, PageDelta(KEY, sketch={"A0": bytes(410_000)}))


def test_cells_of_any_size_come_back_to_the_digit(ledger: Any) -> None:
    numbers: list[int | Decimal] = [
        0,
        -1,
        2**63 - 1,
        2**63,
        2**64,
        -(2**63),
        -(2**64),
        10**30,
        Decimal("0.000000000000000001"),
    ]
    numbers += [Decimal("123456789012345678901.123456789012345678"), Decimal("-1E-18")]
    sums = {f"F{number}": value for number, value in enumerate(numbers)}
    start = (KEY.span * WINDOWS_PER_PAGE + 5) * 1_800
    latest: dict[str, tuple[int | Decimal, ...]] = {
        f"Fz{n}": (start + 1_799, n % 2 * 999_999, value) for n, value in enumerate(numbers)
    }
    apply(ledger, 1, PageDelta(KEY, sums, latest=latest, dirty=["Azz"]))
    assert page_of(ledger, KEY).cells == {**sums, **latest, "Azz": DIRTY}


def test_a_window_of_before_microseconds_is_read_and_written_as_it_was() -> None:
    start = (KEY.span * WINDOWS_PER_PAGE + 5) * 1_800
    former = {"F": {"B": msgspec.msgpack.encode({0: [1_799, 7], 1: [0, str(10**30)]})}}
    cells = stored_cells(KEY, former)
    assert cells == {"F0": (start + 1_799, 0, 7), "F1": (start, 0, 10**30)}
    assert packed_windows(KEY, {}, cells) == {"F": former["F"]["B"]}
    changed = PageDelta(KEY, latest={"F0": (start + 1_799, 1, 5)}).applied_to(cells)
    (window,) = packed_windows(KEY, cells, changed).values()
    assert msgspec.msgpack.decode(window) == {0: [1_799, 5, 1], 1: [0, str(10**30)]}


def test_who_knows_less_of_the_values_beside_a_page_takes_none_away(ledger: Any) -> None:
    known, unknown = pack_values(range(100, 120)), pack_values(range(200, 220))
    knowing = PageApplier(ledger)
    knowing.apply([commit(1, pages=[PageDelta(KEY, values={"A0": known})])])
    second = commit(2, pages=[PageDelta(KEY, values={"A0": known[:16], "A1": unknown, "A2": pack_values(range(5))})])
    PageApplier(ledger).apply([second])
    ledger.put_value_chunks(knowing._known[KEY].after([(second.n, second.pages[0])])[1])
    values: dict[str, set[int]] = {}
    for name, cell in page_of(ledger, KEY).cells.items():
        values.setdefault(name, set()).update(unpack_values(as_bytes(cell)))
    for _, name, packed in ledger.value_chunks(KEY.tenant, KEY.lane, KEY.subject, KEY.span, KEY.span):
        values.setdefault(name, set()).update(unpack_values(packed))
    assert values == {"A0": set(range(100, 120)), "A1": set(range(200, 220)), "A2": set(range(5))}


def test_the_same_reject_twice_is_one_and_keeps_the_event(dynamodb: DynamoDb) -> None:
    ledger = DynamoLedger(dynamodb.client, dynamodb.usage_table, AcceptanceWindow())
    event = Event(1, NOW, "e1", "s", "t", "c", b'{"n":"NaN"}')
    reject = Reject("acme", "x", "nan_value", "not a number", NOW + 5, event)
    ledger.put_rejects([reject, reject])
    ledger.put_rejects([reject])
    items = dynamodb.client.query(
        TableName=dynamodb.usage_table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "R#acme#2026-09-21"}},
    )["Items"]
    assert len(items) == 1
    assert '"data":{"n":"NaN"}' in items[0]["event"]["S"]

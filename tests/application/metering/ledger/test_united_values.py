"""Chunks of distinct values are united once there are many: fewer items, and the same values for a reader meanwhile."""

from itertools import islice
from typing import Any

import pytest

from functions.adapters.memory import ledger as memory
from functions.adapters.memory.ledger import MemoryLedger
from functions.application.metering.ledger import apply_pages
from functions.application.metering.ledger.apply_pages import PageApplier
from functions.domain.metering.cells.aggregation import pack_values, unpack_values
from functions.domain.metering.cells.pages import PageDelta, PageKey, as_bytes
from functions.domain.metering.ledger.ledger import Commit, Counts

SUBJECT, TOTAL = PageKey("t", 0, "hot", 9, 0), PageKey("t", 0, None, 9, 0)
COUNT = 100
REQUESTS = 40  # of the writer, at least, while he is read


def commit(n: int, values: list[int], cell: str = "A0") -> Commit:
    pages = [PageDelta(key, values={cell: pack_values(values)}) for key in (SUBJECT, TOTAL)]
    return Commit(0, n, "a", 0, 0, {}, pages, [], [], [], [], "", b"", Counts(), {})


def fifty(n: int) -> list[int]:
    """Ten values of the commit before, and forty new ones."""
    return list(range(n * 40 - 10, n * 40 + 40))


def chunks(ledger: Any, key: PageKey = SUBJECT) -> list[bytes]:
    return [values for _, _, values in ledger.value_chunks("t", 0, key.subject, 9, 9)]


def united(found: list[bytes]) -> set[int]:
    return {value for values in found for value in unpack_values(values)}


def test_many_chunks_become_few_and_hold_the_same() -> None:
    ledger = MemoryLedger()
    applier = PageApplier(ledger)
    for n in range(1, COUNT + 1):
        applier.apply([commit(n, fifty(n))])
        for key in (SUBJECT, TOTAL):
            assert united(chunks(ledger, key)) == set(range(30, n * 40 + 40))
    assert len(chunks(ledger)) == COUNT // apply_pages.UNITED_PARTS + COUNT % apply_pages.UNITED_PARTS
    assert sum(map(len, chunks(ledger))) == 8 * (COUNT * 40 + 10)


def test_a_united_chunk_stays_far_below_an_item() -> None:
    ledger = MemoryLedger()
    applier = PageApplier(ledger)
    for n, size in enumerate((3_999, 3_999, 3_999, 3_999, 3_999, 4_001, 15_000, 3_000, 3_999), 1):
        applier.apply([commit(n, list(range(n * 20_000, n * 20_000 + size)))])
    sizes = [len(values) // 8 for values in chunks(ledger)]
    assert max(sizes) == 5 * 3_999
    assert sorted(sizes) == [3_000, 3_999, 4_001, 15_000, 5 * 3_999]


def test_the_cells_of_a_page_are_united_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_pages, "UNITED_PARTS", 6)
    ledger = MemoryLedger()
    applier = PageApplier(ledger)
    for n in range(1, 7):
        applier.apply([commit(n, fifty(n), "AB"[n % 2] + "0")])
    found = [(name, len(values) // 8) for _, name, values in ledger.value_chunks("t", 0, "hot", 9, 9)]
    assert sorted(found) == [("A0", 150), ("B0", 150)]
    (key,) = ledger.table.keys("values", "t", 0, "hot")
    assert key[:-1] == ("values", "t", 0, "hot", 9, 0, memory.IS_UNITED)
    assert key[-1].startswith("000000000006.")


def test_who_unites_up_to_the_same_commit_takes_no_values_of_others_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that died before its head was raised had united more; the next one knows less and writes larger."""
    monkeypatch.setattr(apply_pages, "UNITED_PARTS", 4)
    monkeypatch.setattr(apply_pages, "UNITED_VALUES", 100)
    filling, many = [[value] for value in range(2_000, 2_020)], list(range(100))
    commits = [*filling, many, [1_000], [1_001], [*many[:60], 1_002], [*many[40:], 1_003]]
    ledger = MemoryLedger()
    dead = PageApplier(ledger)
    for n, values in enumerate(commits, 1):
        dead.apply([commit(n, values)])
    helper = PageApplier(ledger)
    for n in (len(commits) - 1, len(commits)):
        helper.apply([commit(n, commits[n - 1])])
    for key in (SUBJECT, TOTAL):
        (page,) = ledger.read_pages([key])
        in_page = united([as_bytes(page.cells["A0"])])
        assert in_page | united(chunks(ledger, key)) == {value for values in commits for value in values}


def test_what_is_beside_a_page_is_counted_as_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    applier = PageApplier(MemoryLedger())
    for n in range(1, COUNT):
        applier.apply([commit(n, fifty(n))])
        assert applier.known_bytes == sum(known.weight for known in applier._known.values())
    applier.forget(0)
    assert applier.known_bytes == 0


@pytest.mark.parametrize("begin", range(REQUESTS))
@pytest.mark.parametrize("pace", [1, 3, 8])
def test_a_reader_misses_nothing_while_chunks_are_united(
    begin: int, pace: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He begins at any request of the writer and goes on by a chunk at each of the writer's next, or not so often."""
    monkeypatch.setattr(apply_pages, "UNITED_PARTS", 4)
    assert reads(begin, pace)


def test_a_reader_who_came_to_united_chunks_first_would_miss_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_pages, "UNITED_PARTS", 4)
    monkeypatch.setattr(memory, "IS_UNITED", -1)
    assert not all(reads(begin, 3) for begin in range(REQUESTS))


def reads(begin: int, pace: int) -> bool:
    """Is all that was applied when the reader began among what he read?"""
    ledger = MemoryLedger()
    applier = PageApplier(ledger)
    state: dict[str, Any] = {"requests": 0, "applied": set(), "reader": None, "found": [], "wanted": set()}

    def request(_name: str) -> None:
        ledger.request = lambda _name: None
        if state["requests"] == begin:
            state["reader"] = iter(ledger.value_chunks("t", 0, "hot", 9, 9))
            state["wanted"] = set(state["applied"])
        state["requests"] += 1
        if state["reader"] is not None and (state["requests"] - begin) % pace == 0:
            state["found"] += [values for _, _, values in islice(state["reader"], 1)]
        ledger.request = request

    ledger.request = request
    for n in range(1, 12):
        applier.apply([commit(n, fifty(n))])
        state["applied"].update(fifty(n))
    ledger.request = lambda _name: None
    assert state["requests"] > begin
    state["found"] += [values for _, _, values in state["reader"]]
    return state["wanted"] <= united(state["found"])  # type: ignore[no-any-return]

"""Listing from the log: however the commits lie and however little one call may read, nothing is lost or twice."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.adapters.archive import ArchivedEvent
from functions.adapters.memory.ledger import MemoryArchive, MemoryLedger
from functions.application.metering.events import list_by_batch, list_events, search_events
from functions.application.metering.events.list_events import EventReader
from functions.application.metering.events.search_events import Listed
from functions.domain.errors import TooLarge
from functions.domain.metering.ledger.hour_index import marks_of, time_bounds
from functions.domain.metering.ledger.ledger import (
    Commit,
    Counts,
    Group,
    VoidOutcome,
    bucket_of,
    fingerprints_by_bucket,
    hours_of,
)
from functions.domain.metering.usage.event_filter import Bookmark, EventFilter, Position
from functions.domain.metering.values.event import Event, Void
from functions.domain.metering.values.lanes import Lanes

LANES = Lanes(3, b"a key of the test")
START = 497_222 * 3_600


class Log:
    """Commits written straight into the ledger and its archive."""

    def __init__(self) -> None:
        self.ledger, self.archive = MemoryLedger(), MemoryArchive()
        self.numbers: dict[int, int] = {}
        self.opened: list[tuple[int, int]] = []
        self.fingerprint = 0
        open_object = self.archive.events

        def counted(lane: int, n: int, _decided_hour: int) -> Iterator[ArchivedEvent]:
            self.opened.append((lane, n))
            return open_object(lane, n, _decided_hour)

        self.archive.events = counted  # type: ignore[method-assign]
        self.reader = EventReader(self.ledger, self.archive, LANES)

    def commit(self, received_at: int, *events: tuple[str, str, int, str]) -> None:
        """Events as (tenant, subject, time, id); one commit per lane."""
        by_lane: dict[int, dict[tuple[str, str], list[Event]]] = {}
        for tenant, subject, time, event_id in events:
            self.fingerprint += 1
            event = Event(self.fingerprint, time, event_id, "s", "t", subject, b'{"n":1.50}')
            by_lane.setdefault(LANES.lane_of(tenant, subject), {}).setdefault((tenant, subject), []).append(event)
        for lane, subjects in by_lane.items():
            self._put(lane, received_at, [(*key, events) for key, events in subjects.items()])

    def _put(self, lane: int, received_at: int, groups: list[Group]) -> None:
        n = self.numbers[lane] = self.numbers.get(lane, 0) + 1
        fingerprints = fingerprints_by_bucket(groups)
        oldest, newest = time_bounds(groups)
        commit = Commit(
            lane=lane,
            n=n,
            attempt="a",
            decided_at=received_at + 2,
            received_at=received_at,
            fingerprints=fingerprints,
            pages=[],
            hours=hours_of(fingerprints),
            codes=[],
            subjects=[],
            markers=[],
            staged_key="",
            inline_archive=self.archive.encode(groups, received_at, dict.fromkeys([g[0] for g in groups], 1)),
            counts=Counts(1),
            meter_versions={},
            oldest=oldest,
            newest=newest,
            marks=marks_of(groups),
        )
        self.archive.publish(commit)
        self.ledger.put_index([commit])

    def void(self, subject: str, time: int, event_id: str) -> None:
        lane = LANES.lane_of("acme", subject)
        n = self.numbers[lane] = self.numbers.get(lane, 0) + 1
        void = Void(0, time, event_id, "s", subject, f"correction of {event_id}")
        chunks = {bucket_of(time): b"12345678"}
        commit = Commit(
            lane=lane,
            n=n,
            attempt="a",
            decided_at=START + 10_000,
            received_at=START + 9_999,
            fingerprints=chunks,
            pages=[],
            hours=hours_of(chunks),
            codes=[],
            subjects=[],
            markers=[],
            staged_key="",
            inline_archive=self.archive.encode_voids([("acme", void)], START + 9_999, {"acme": 1}),
            counts=Counts(),
            meter_versions={},
            oldest=time,
            newest=time,
            marks=marks_of([("acme", subject, [])]),
            voids=[VoidOutcome("acme", void.correction_id, was_counted=True)],
        )
        self.archive.publish(commit)
        self.ledger.put_index([commit])

    def all(self, wanted: EventFilter, limit: int = 100) -> list[str]:
        return [event.id for page in self.pages(wanted, limit) for event in page]

    def pages(self, wanted: EventFilter, limit: int) -> list[list[Listed]]:
        pages, after = [], None
        for _ in range(500):
            page = self.reader.newest(wanted, limit, after)
            assert len(page.events) <= limit
            pages.append(page.events)
            after = page.after
            if after is None:
                return pages
        raise AssertionError("The pages do not end.")


SECONDS = st.one_of(st.integers(0, 20), st.sampled_from(range(0, 3 * 3_600, 97)))
EVENTS = st.tuples(st.sampled_from(["acme", "acme", "other"]), st.sampled_from(["ada", "bob", "eve", "zoe"]), SECONDS)
BATCHES = st.lists(st.lists(EVENTS, min_size=1, max_size=6), min_size=1, max_size=12)
RANGES = st.one_of(st.just((-10, 3 * 3_600)), st.tuples(SECONDS, SECONDS).map(sorted))
LIMITS = st.sampled_from([100, 7, 3, 2, 1])
BUDGETS = st.sampled_from([400, 5, 2, 1])  # objects a call may open
SUBJECTS = st.sampled_from([None, {"ada"}, {"ada", "zoe"}])


@settings(max_examples=150)
@given(BATCHES, RANGES, LIMITS, BUDGETS, SUBJECTS)
def test_the_pages_are_all_matching_events_newest_first(
    batches: list[Any], seconds: tuple[int, int], limit: int, budget: int, subjects: set[str] | None
) -> None:
    log, expected = Log(), []
    first, last = START + seconds[0], START + seconds[1]
    wanted = EventFilter("acme", first, last, named=frozenset(subjects) if subjects else None)
    for number, batch in enumerate(batches):
        received = START + number * 700
        events = [(tenant, subject, START + at, f"{number}-{i}") for i, (tenant, subject, at) in enumerate(batch)]
        log.commit(received, *events)
        for tenant, subject, time, event_id in events:
            is_asked = tenant == "acme" and first <= time <= last
            if is_asked and (not subjects or subject in subjects):
                expected.append((time, received, event_id))
    with pytest.MonkeyPatch.context() as patch:
        small(patch, budget, 2_000, 50 * budget)
        pages = log.pages(wanted, limit)
    listed = [(event.time, event.received_at, event.id) for page in pages for event in page]
    assert listed == sorted(expected, reverse=True)


def test_new_events_between_pages_neither_repeat_nor_hide_old_ones() -> None:
    log = Log()
    for number in range(20):
        log.commit(START + number, ("acme", "ada", START + number % 5, f"old-{number:02}"))
    seen, after = [], None
    for number in range(20):
        page = log.reader.newest(EventFilter("acme"), 3, after)
        seen += [event.id for event in page.events]
        after = page.after
        if after is None:
            break
        log.commit(START + 100 + number, ("acme", "ada", START + number % 7, f"new-{number}"))
    old = [event_id for event_id in seen if event_id.startswith("old")]
    assert len(seen) == len(set(seen))
    assert old == sorted(old, key=lambda name: (int(name[4:]) % 5, int(name[4:])), reverse=True)
    assert len(old) == 20


def test_the_newest_page_opens_only_the_newest_objects() -> None:
    log = Log()
    for number in range(300):
        log.commit(START + number * 5, *(("acme", "ada", START + number * 5 + n, f"{number}-{n}") for n in range(7)))
    page = log.reader.newest(EventFilter("acme"), 10)
    assert [event.id for event in page.events[:3]] == ["299-6", "299-5", "299-4"]
    assert len(log.opened) <= 7
    log.opened.clear()
    assert page.after is not None
    log.reader.newest(EventFilter("acme"), 10, page.after)
    assert len(log.opened) <= 7


def test_one_subject_opens_one_lane_and_only_commits_that_may_hold_it() -> None:
    log = Log()
    for number in range(100):
        log.commit(START + number, ("acme", f"subject-{number % 50}", START + number, str(number)))
        log.commit(START + number, ("other", "subject-7", START + number, f"other-{number}"))
    found = log.all(EventFilter("acme", named=frozenset({"subject-7"})))
    assert found == ["57", "7"]
    assert len(log.opened) <= 4


def test_another_tenants_commits_are_not_opened() -> None:
    log = Log()
    for number in range(100):
        log.commit(START + number, ("other", "ada", START + number, str(number)))
    assert log.all(EventFilter("acme")) == []
    assert len(log.opened) <= 2


def test_what_came_before_the_asked_arrival_is_not_opened() -> None:
    log = Log()
    for number in range(50):
        log.commit(START + number * 10, ("acme", "ada", START, str(number)))
    assert log.all(EventFilter("acme", received_first=START + 480)) == ["49", "48"]
    assert len(log.opened) <= 3


def test_a_search_for_something_rare_goes_on_from_call_to_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_events, "MAX_OBJECTS", 10)
    log = Log()
    for number in range(60):
        log.commit(START + number * 60, ("acme", "ada", START + number * 60, str(number)))
    wanted = EventFilter("acme", texts=(("id", "3".__eq__),))
    first = log.reader.newest(wanted, 10)
    assert (first.events, first.is_cut) == ([], True)
    assert log.all(wanted) == ["3"]


def small(patch: pytest.MonkeyPatch, objects: int, of_a_moment: int, entries: int = 100_000) -> None:
    patch.setattr(list_events, "MAX_OBJECTS", objects)
    patch.setattr(list_events, "MAX_OBJECTS_OF_A_MOMENT", of_a_moment)
    patch.setattr(list_events, "MAX_ENTRIES", entries)


FULL_BATCHES = st.lists(st.lists(EVENTS, min_size=1, max_size=6), min_size=4, max_size=14)
NEEDLES = st.sampled_from(["", "1", "-2", "x"])  # what an id contains


@settings(max_examples=60)
@given(FULL_BATCHES, RANGES, LIMITS, BUDGETS, SUBJECTS, NEEDLES, st.sampled_from([1, 3]), st.sampled_from([2, 9, 99]))
def test_the_pages_are_all_matching_events_even_of_moments_larger_than_a_call(
    batches: list[Any],
    seconds: tuple[int, int],
    limit: int,
    budget: int,
    subjects: set[str] | None,
    needle: str,
    of_a_moment: int,
    entries: int,
) -> None:
    log, expected = Log(), {}
    first, last = START + seconds[0], START + seconds[1]
    texts = (("id", lambda text: needle in text),)
    wanted = EventFilter("acme", first, last, named=frozenset(subjects) if subjects else None, texts=texts)
    for number, batch in enumerate(batches):
        events = [(tenant, subject, START + at, f"{number}-{i}") for i, (tenant, subject, at) in enumerate(batch)]
        log.commit(START + number * 700, *events)
        for tenant, subject, time, event_id in events:
            is_asked = tenant == "acme" and first <= time <= last and needle in event_id
            if is_asked and (not subjects or subject in subjects):
                expected[event_id] = time
    voided = {event_id for event_id in expected if event_id.endswith("0")}
    for event_id in voided:
        number, i = map(int, event_id.split("-"))
        log.void(batches[number][i][1], expected[event_id], event_id)
    with pytest.MonkeyPatch.context() as patch:
        small(patch, budget, of_a_moment, entries)
        listed = [event for page in log.pages(wanted, limit) for event in page]
    assert sorted(event.id for event in listed) == sorted(expected)
    assert {event.id for event in listed if event.correction_id == f"correction of {event.id}"} == voided
    assert {event.id: event.time for event in listed} == expected


def test_a_moment_larger_than_a_call_is_listed_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, 10, 20)
    log = Log()
    for number in range(60):
        log.commit(START + number, *(("acme", "ada", START, f"{number:02}-{n}") for n in range(3)))
    pages = log.pages(EventFilter("acme"), limit=5)
    ids = [event.id for page in pages for event in page]
    assert [event.id for event in pages[0]] == ["59-2", "59-1", "59-0", "58-2", "58-1"], "the newest batches first"
    assert sorted(ids) == sorted(f"{number:02}-{n}" for number in range(60) for n in range(3))
    assert [len(page) for page in pages if page] == 36 * [5]


def test_one_call_reads_no_more_than_it_may_of_any_log(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, 10, 20, entries=30)
    log = Log()
    for number in range(100):
        log.commit(START + number, ("acme", "ada", START + number % 2, str(number)))
    wanted = EventFilter("acme", texts=(("id", "5".__eq__),))
    found, mark, calls = [], None, 0
    while calls == 0 or mark is not None:
        log.opened.clear()
        page = log.reader.newest(wanted, 10, mark)
        assert len(log.opened) <= 10 + search_events.FETCHERS
        found += [event.id for event in page.events]
        mark, calls = page.after, calls + 1
        assert calls < 30
    assert found == ["5"]


def test_new_events_between_batches_neither_repeat_nor_hide_old_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, 3, 1)
    log = Log()
    for number in range(20):
        log.commit(
            START + number, ("acme", "ada", START, f"old-{number}"), ("acme", "bob", START + 1, f"old-b{number}")
        )
    seen, mark = [], None
    for number in range(60):
        page = log.reader.newest(EventFilter("acme"), 3, mark)
        seen += [event.id for event in page.events]
        mark = page.after
        if mark is None:
            break
        log.commit(START + 100 + number, ("acme", "ada", START + number % 2, f"new-{number}"))
    assert len(seen) == len(set(seen))
    assert len([event_id for event_id in seen if event_id.startswith("old")]) == 40


def test_a_page_that_was_in_order_goes_on_in_a_moment_that_has_become_too_full(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    for number in range(12):
        log.commit(START + number, *(("acme", "ada", START, f"{number}-{n}") for n in range(2)))
    first = log.reader.newest(EventFilter("acme"), 5)
    assert first.after is not None and first.after.batches is None
    small(monkeypatch, 2, 3)
    rest: list[str] = []
    mark: Bookmark | None = first.after
    while mark is not None:
        page = log.reader.newest(EventFilter("acme"), 5, mark)
        rest += [event.id for event in page.events]
        mark = page.after
    ids = [event.id for event in first.events] + rest
    assert sorted(ids) == sorted(f"{number}-{n}" for number in range(12) for n in range(2))


def test_a_page_by_batch_ends_where_an_answer_would_become_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, 10, 1)
    monkeypatch.setattr(search_events, "MAX_PAGE_BYTES", 2_500)
    log = Log()
    for number in range(4):
        log.commit(START + number, *(("acme", "ada", START, f"{number}-{n}") for n in range(3)))
    sizes = [len(page) for page in log.pages(EventFilter("acme"), 100)]
    assert max(sizes) == 2
    assert len(log.all(EventFilter("acme"))) == 12


def test_too_many_corrections_of_one_page_are_refused_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, 10, 1)
    monkeypatch.setattr(list_by_batch, "MAX_VOIDING_OBJECTS", 2)
    log = Log()
    log.commit(START, *(("acme", "ada", START, str(n)) for n in range(3)))
    for n in range(3):
        log.void("ada", START, str(n))
    with pytest.raises(TooLarge, match="name subjects"):
        log.all(EventFilter("acme"))


def test_one_event_is_found_however_many_lie_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, 5, 6)
    log = Log()
    for number in range(40):
        log.commit(START + number, ("acme", "ada", START, str(number)))
    for wanted, found in (("0", "0"), ("39", "39"), ("40", None)):
        event = log.reader.first(EventFilter("acme", texts=(("id", wanted.__eq__),)))
        assert (event.id if event else None) == found
    small(monkeypatch, 2, 6)
    with pytest.raises(TooLarge, match="20 stored batches"):
        log.reader.first(EventFilter("acme", texts=(("id", "0".__eq__),)))


@pytest.mark.parametrize("of_a_moment", [100, 1], ids=["in order", "by batch"])
def test_what_is_gone_from_the_archive_is_named_and_the_rest_is_listed(
    of_a_moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch, 100, of_a_moment)
    log = Log()
    for number in range(5):
        log.commit(START + number, ("acme", "ada", START + number, str(number)))
    lane = LANES.lane_of("acme", "ada")
    del log.archive.objects[f"archive/{lane}/2"]
    log.archive.objects[f"archive/{lane}/4"] = b"nonsense"
    page = log.reader.newest(EventFilter("acme"), 100)
    assert [event.id for event in page.events] == ["4", "2", "0"]
    assert sorted(entry.n for entry in page.missing) == [2, 4]


def test_a_page_ends_where_an_answer_would_become_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_events, "MAX_PAGE_BYTES", 2_500)
    log = Log()
    log.commit(START, *(("acme", "ada", START + n, str(n)) for n in range(5)))
    page = log.reader.newest(EventFilter("acme"), 100)
    assert ([event.id for event in page.events], page.is_cut) == (["4", "3"], True)
    assert log.all(EventFilter("acme")) == ["4", "3", "2", "1", "0"]


def test_positions_of_different_events_differ() -> None:
    log = Log()
    log.commit(START, ("acme", "ada", START, "1"), ("acme", "bob", START, "1"))
    (page,) = log.pages(EventFilter("acme"), 5)
    assert len(page) == 2
    assert log.all(EventFilter("acme"), limit=1) == ["1", "1"]
    assert Position.after_second(START).newest_second == START
    assert log.all(EventFilter("acme", named=frozenset())) == []


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_voided_events_are_listed_with_their_correction_and_voids_are_no_events(limit: int) -> None:
    log = Log()
    events = [("acme", "ada", START + number % 3, f"{number}") for number in range(7)]
    log.commit(START + 5, *events[:4])
    log.commit(START + 6, *events[4:])
    for _, subject, time, event_id in (events[1], events[6]):
        log.void(subject, time, event_id)
    log.void("ada", START + 1, "never came")
    listed = [event for page in log.pages(EventFilter("acme"), limit) for event in page]
    assert {event.id for event in listed} == {str(number) for number in range(7)}
    assert {event.id: event.correction_id for event in listed if event.correction_id} == {
        "1": "correction of 1",
        "6": "correction of 6",
    }
    assert {event.voided_at for event in listed} == {None, START + 10_000}

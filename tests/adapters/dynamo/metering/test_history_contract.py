"""One contract for every store of histories: the memory one, and DynamoDB (on DynamoDB Local)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.memory.ledger import MemoryLedger
from functions.domain.metering.cells.aggregation import Aggregation, pack_values
from functions.domain.metering.cells.pages import Page, PageKey, PageWrite
from functions.domain.metering.ledger.history import Backfill, HistoryPart, HistoryRow, Status, decode_rows, encode_rows
from functions.domain.metering.ledger.ledger import Commit, Counts, VoidOutcome
from functions.domain.metering.values.event import AcceptanceWindow
from tests.conftest import DynamoDb

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RUN = Backfill(
    tenant="acme",
    meter_id="m1",
    event_from=NOW - timedelta(days=9),
    run=1,
    status=Status.RUNNING,
    started_at=NOW,
)
NEXT = Backfill(tenant="acme", meter_id="m1", event_from=RUN.event_from, run=2, status=Status.RUNNING, started_at=NOW)


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    database: DynamoDb = request.getfixturevalue("dynamodb")
    yield DynamoLedger(database.client, database.usage_table, AcceptanceWindow())


def part(span: int = 82_870, name: str = "1", subject: str | None = "ü", meter: str = "m1", body: bytes = b"x") -> Any:
    return HistoryPart("acme", 3, subject, meter, span, name, body)


def test_parts_come_back_by_owner_meter_and_span(store: Any) -> None:
    kept = [part(span, name) for span in (82_869, 82_870, 82_871) for name in ("1", "2")]
    store.put_history([*kept, part(subject=None, body=b"total"), part(meter="m10"), part(meter="m")])
    assert list(store.history("acme", 3, "ü", "m1", 82_870, 82_871)) == kept[2:]
    assert list(store.history("acme", 3, None, "m1", 0, 99_999)) == [part(subject=None, body=b"total")]
    assert list(store.history("acme", 3, "u", "m1", 0, 99_999)) == []


def test_a_part_written_again_is_one_part_with_the_last_body(store: Any) -> None:
    store.put_history([part(body=b"old")])
    store.put_history([part(body=b"new")])
    assert [each.body for each in store.history("acme", 3, "ü", "m1", 82_870, 82_870)] == [b"new"]


def test_history_does_not_show_among_counter_pages(store: Any) -> None:
    key = PageKey("acme", 3, "ü", 82_870, 0)
    store.put_history([part()])
    store.write_pages([PageWrite(1, Page(key), {"A0": 5})])
    assert [(page.key, page.cells) for page in store.pages("acme", 3, "ü", 0, 999_999)] == [(key, {"A0": 5})]


def test_a_run_begins_once_and_the_next_only_after_what_was_seen(store: Any) -> None:
    assert store.backfill("acme", "m1") is None
    assert store.begin_backfill(RUN, None)
    assert not store.begin_backfill(NEXT, None)
    assert store.backfill("acme", "m1") == RUN
    assert store.backfill("acme", "m2") is None
    assert store.backfill("other", "m1") is None
    store.end_backfill(RUN, Status.FAILED, NOW, "Boom")
    assert not store.begin_backfill(NEXT, RUN)
    failed = store.backfill("acme", "m1")
    assert (failed.status, failed.finished_at, failed.reason) == (Status.FAILED, NOW, "Boom")
    assert store.begin_backfill(NEXT, failed)
    assert store.backfill("acme", "m1") == NEXT


def test_work_is_counted_once_however_often_it_is_done(store: Any) -> None:
    store.begin_backfill(RUN, None)
    store.plan_backfill(RUN, 40)
    for number in (0, 7, 7, 39, 0):
        store.finish_work(RUN, number)
    found = store.backfill("acme", "m1")
    assert (found.done, found.total) == (3, 40)


def test_an_older_or_ended_run_changes_nothing(store: Any) -> None:
    store.plan_backfill(RUN, 40)
    assert store.backfill("acme", "m1") is None
    store.begin_backfill(RUN, None)
    store.plan_backfill(NEXT, 50)
    store.finish_work(NEXT, 1)
    store.end_backfill(NEXT, Status.FAILED, NOW)
    assert store.backfill("acme", "m1") == RUN
    store.end_backfill(RUN, Status.DONE, NOW)
    ended = store.backfill("acme", "m1")
    store.finish_work(RUN, 1)
    store.end_backfill(RUN, Status.FAILED, NOW, "late")
    assert store.backfill("acme", "m1") == ended
    assert (ended.status, ended.reason) == (Status.DONE, None)


def test_a_run_waits_and_says_for_what_until_it_runs_or_fails(store: Any) -> None:
    store.begin_backfill(RUN, None)
    store.queue_backfill(RUN, Status.QUEUED, "another one runs")
    waits = store.backfill("acme", "m1")
    assert (waits.status, waits.reason) == (Status.QUEUED, "another one runs")
    store.queue_backfill(NEXT, Status.RUNNING, None)
    assert store.backfill("acme", "m1") == waits
    assert not store.begin_backfill(NEXT, RUN), "it is queued, not running"
    store.queue_backfill(RUN, Status.RUNNING, None)
    assert store.backfill("acme", "m1") == RUN
    store.queue_backfill(RUN, Status.QUEUED, "again")
    store.end_backfill(RUN, Status.FAILED, NOW, "nobody had time")
    store.queue_backfill(RUN, Status.RUNNING, None)
    assert store.backfill("acme", "m1").status is Status.FAILED


def test_the_oldest_hour_of_a_lane_is_known(store: Any) -> None:
    assert store.oldest_hour(3) is None
    for n, hours in ((1, [497_222, 99_999]), (2, [497_223])):
        fingerprints = {5: b"12345678"}
        store.put_index([Commit(3, n, "a", 9, 9, fingerprints, [], hours, [], [], [], "", b"x", Counts(1), {})])
    assert store.oldest_hour(3) == 99_999
    assert store.oldest_hour(2) is None


def test_the_index_knows_commits_that_void_events(store: Any) -> None:
    fingerprints = {497_222 * 12: b"12345678"}
    for n, voids in ((1, []), (2, [VoidOutcome("acme", "c1", True)])):
        commit = Commit(3, n, "a", 9, 9, fingerprints, [], [497_222], [], [], [], "", b"x", Counts(1), {}, voids=voids)
        store.put_index([commit])
    assert [(each.n, each.has_voids) for each in store.hour_index(3, 497_222, 497_222)] == [(2, True), (1, False)]


ROWS = {
    Aggregation.SUM: (Decimal("12345678901234567890.000000000000000001"),),
    Aggregation.AVG: (-7, 3),
    Aggregation.LATEST: ((1_790_000_000, 250_000, Decimal("0.5")),),
    Aggregation.UNIQUE_COUNT: (pack_values(range(25_000)),),
    Aggregation.MIN: (2**70,),
}


@pytest.mark.parametrize("aggregation", ROWS)
def test_rows_come_back_exactly_in_bodies_far_below_an_item(aggregation: Aggregation) -> None:
    cells: Any = ROWS[aggregation]
    rows = [HistoryRow(994_440 + n, ("é" * 500, f"{n}"), cells) for n in range(150)]
    bodies = list(encode_rows(("model", "team"), rows))
    assert all(len(body) < 200_000 for body in bodies)
    found = [row for body in bodies for row in decode_rows(aggregation, body)]
    assert {(window, groups["team"]) for window, groups, _ in found} == {(994_440 + n, f"{n}") for n in range(150)}
    if aggregation is Aggregation.UNIQUE_COUNT:
        first = b"".join(bytes(cells[0]) for window, _, cells in found if window == 994_440)  # type: ignore[arg-type]
        assert first == cells[0]
    else:
        assert {tuple(each) for _, _, each in found} == {cells}


def test_rows_of_before_microseconds_are_read_and_written_as_they_were() -> None:
    cells: Any = ((1_790_000_000, 0, 2**70),)
    (body,) = encode_rows(("model",), [HistoryRow(994_440, ("m",), cells)])
    assert msgspec.msgpack.decode(body) == [["model"], [[994_440, ["m"], [[1_790_000_000, str(2**70)]]]]]
    ((_, _, found),) = decode_rows(Aggregation.LATEST, body)
    assert tuple(found) == cells

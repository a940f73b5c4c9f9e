"""What came late is told by hour and tenant until it was looked at: in memory and in DynamoDB alike."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.adapters.dynamo.metering.late_store import DynamoLateIndex
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.memory.ledger import MemoryLedger
from functions.domain.metering.cells.pages import WINDOW_SECONDS, WINDOWS_PER_PAGE, PageDelta, PageKey, cell_name
from functions.domain.metering.ledger.late import LateUsage
from functions.domain.metering.ledger.ledger import Commit, Counts, VoidedHistory
from functions.domain.metering.values.event import AcceptanceWindow
from tests.conftest import DynamoDb

NOW = 1_790_000_000
SLOT = NOW // 3_600
LONG = "🚀" * 250


@pytest.fixture(params=["memory", "dynamodb"])
def stores(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Any]]:
    """The ledger that is written, and the index that is read."""
    if request.param == "memory":
        ledger = MemoryLedger()
        yield ledger, ledger
        return
    database: DynamoDb = request.getfixturevalue("dynamodb")
    yield (
        DynamoLedger(database.client, database.usage_table, AcceptanceWindow()),
        DynamoLateIndex(database.client, database.usage_table),
    )


def commit(*counted: tuple[str, str | None, int], decided_at: int = NOW, **more: Any) -> Commit:
    """A commit that counted something for (tenant, subject) in the half hour that contains a second."""
    pages = []
    for tenant, subject, second in counted:
        window = second // WINDOW_SECONDS
        key = PageKey(tenant, 3, subject, window // WINDOWS_PER_PAGE, 0)
        pages.append(PageDelta(key, {cell_name(window, 0): 1}))
    oldest = min((second for _, _, second in counted), default=0)
    fields: Any = {"fingerprints": {}, "pages": pages, "hours": [], "codes": [], "subjects": [], "markers": []}
    fields |= {"staged_key": "", "inline_archive": b"x", "counts": Counts(1), "meter_versions": {}, "oldest": oldest}
    return Commit(3, 1, "a", decided_at, decided_at, **(fields | more))


def test_what_was_counted_half_an_hour_after_its_half_hour_is_late(stores: tuple[Any, Any]) -> None:
    ledger, index = stores
    end = NOW // WINDOW_SECONDS * WINDOW_SECONDS
    for n, (second, decided_at) in enumerate(
        [(end - 1, end + 1_799), (end - 1, end + 1_800), (end - 1_800, end + 1_800), (end, end + 1_800)]
    ):
        ledger.put_late([commit(("acme", f"subject-{n}", second), decided_at=decided_at)])
    found = [late.subject for slot, tenant in index.tenants(SLOT + 9, 100) for late in index.late(slot, tenant, 100)]
    assert found == ["subject-1", "subject-2"]


def test_it_is_told_by_hour_tenant_day_and_subject_each_once(stores: tuple[Any, Any]) -> None:
    ledger, index = stores
    day = 86_400
    written = commit(
        ("acme", "b", NOW - day), ("acme", "b", NOW - day + 1), ("acme", LONG, NOW - 2 * day), ("other", "b", NOW - day)
    )
    for _ in range(2):
        ledger.put_late([written, commit(("acme", None, NOW - day))])
    ledger.put_late([commit(("acme", "b", NOW - day), decided_at=NOW + 7_200)])
    assert index.tenants(SLOT, 100) == []
    assert index.tenants(SLOT + 1, 100) == [(SLOT, "acme"), (SLOT, "other")]
    assert index.tenants(SLOT + 3, 100) == [(SLOT, "acme"), (SLOT, "other"), (SLOT + 2, "acme")]
    assert index.tenants(SLOT + 3, 1) == [(SLOT, "acme")]
    assert index.tenants(SLOT + 3, 100, (SLOT, "acme")) == [(SLOT, "other"), (SLOT + 2, "acme")]
    today = NOW // day
    first, second = LateUsage(SLOT, "acme", today - 2, LONG), LateUsage(SLOT, "acme", today - 1, "b")
    assert index.late(SLOT, "acme", 100) == [first, second]
    assert index.late(SLOT, "acme", 1) == [first]
    assert index.late(SLOT, "acme", 100, first) == [second]
    assert index.late(SLOT, "other", 100) == [LateUsage(SLOT, "other", today - 1, "b")]


def test_what_was_looked_at_is_forgotten_and_told_again_when_more_comes(stores: tuple[Any, Any]) -> None:
    ledger, index = stores
    ledger.put_late([commit(("acme", "b", NOW - 86_400))])
    found = index.late(SLOT, "acme", 100)
    index.forget(found)
    index.forget_tenant(SLOT, "acme")
    assert (index.tenants(SLOT + 1, 100), index.late(SLOT, "acme", 100)) == ([], [])
    ledger.put_late([commit(("acme", "b", NOW - 86_400), decided_at=NOW + 3_600)])
    assert index.tenants(SLOT + 2, 100) == [(SLOT + 1, "acme")]


def test_what_is_applied_once_more_after_it_was_looked_at_is_told_again(stores: tuple[Any, Any]) -> None:
    """By a process that remembers having put it: who looked at it may have done so before it was counted."""
    ledger, index = stores
    late = commit(("acme", "b", NOW - 86_400))
    ledger.put_late([late])
    index.forget(index.late(SLOT, "acme", 100))
    index.forget_tenant(SLOT, "acme")
    ledger.put_late([late])
    assert (index.tenants(SLOT + 1, 100), len(index.late(SLOT, "acme", 100))) == ([(SLOT, "acme")], 1)


def test_a_voided_event_and_a_voided_history_are_late_too(stores: tuple[Any, Any]) -> None:
    ledger, index = stores
    window = NOW // WINDOW_SECONDS - 100
    key = PageKey("acme", 3, "b", window // WINDOWS_PER_PAGE, 0)
    page = PageDelta(key, lost_highest={cell_name(window, 0): 5})
    history = VoidedHistory("acme", "m", "c", window)
    ledger.put_late([commit(pages=[page], voided_history=[history])])
    assert [late.subject for late in index.late(SLOT, "acme", 100)] == ["b", "c"]


def test_a_very_busy_hour_is_put_in_small_requests(stores: tuple[Any, Any]) -> None:
    ledger, index = stores
    ledger.put_late([commit(*(("acme", f"subject-{n:03}", NOW - 86_400) for n in range(300)))])
    assert len(index.late(SLOT, "acme", 1_000)) == 300

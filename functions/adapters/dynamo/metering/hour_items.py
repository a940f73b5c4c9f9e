"""The hour index of a lane: its items, and reading those of hours that lie apart."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import UsageTable, item_key
from functions.domain.metering.ledger.hour_index import HourEntry
from functions.domain.metering.ledger.ledger import HOUR_SECONDS
from functions.names import SORT_KEY

HOUR_INDEX_PAGE = 500  # entries per query, about 50 KB: a reader of the newest hour seldom wants more
# Reading past so many entries that nobody wants costs as much time as a request of its own.
PASSED_ENTRIES = 100

# Seconds into the hour of the events and of the decision, and whose events they are.
FIRST, LAST, DECIDED, MARKS = "f", "l", "d", "m"
VOIDS = "v"  # the commit voids events; absent otherwise


def hour_item(lane: int, entry: HourEntry) -> dict[str, Any]:
    key = item_key(keys.hours(lane), keys.hour_entry(entry.hour, entry.n, entry.decided_hour))
    start = entry.hour * HOUR_SECONDS
    seconds = {FIRST: entry.first - start, LAST: entry.last - start, DECIDED: entry.decided_at % HOUR_SECONDS}
    voids: dict[str, Any] = {VOIDS: {"BOOL": True}} if entry.has_voids else {}
    numbers = {name: {"N": str(second)} for name, second in seconds.items()}
    return {**key, **numbers, MARKS: {"B": entry.marks}, **voids}


def hour_entry(item: Mapping[str, Any]) -> HourEntry:
    hour, n, decided_hour = keys.hour_place(item[SORT_KEY]["S"])
    first, last = (hour * HOUR_SECONDS + int(item[name]["N"]) for name in (FIRST, LAST))
    decided_at = decided_hour * HOUR_SECONDS + int(item[DECIDED]["N"])
    return HourEntry(hour, n, decided_at, first, last, bytes(item[MARKS]["B"]), VOIDS in item)


def entries_of_hours(table: UsageTable, lane: int, hours: Collection[int]) -> Iterator[HourEntry]:
    """What those hours hold, newest first, as far as it is consumed.

    One request takes many hours where little lies between them, as the entries of the last request let expect, and
    none begins at an hour nobody asked for: their number follows from what is stored, and never is above that of the
    separate stretches and full pages.
    """
    left, wanted = sorted(hours), frozenset(hours)
    below: int | None = None
    passed_hours = left[-1] - left[0] if left else 0
    while left:
        newest, oldest = left[-1], _end_of_stretch(left, passed_hours)
        bounds = keys.hour_range(oldest, newest, below)
        found = table.query(keys.hours(lane), between=bounds, backwards=True, limit=HOUR_INDEX_PAGE)
        entries = list(map(hour_entry, found))
        yield from (entry for entry in entries if entry.hour in wanted)
        below = None
        if len(entries) == HOUR_INDEX_PAGE:
            oldest = entries[-1].hour
            below = entries[-1].n if oldest in wanted else None
        while left and (left[-1] > oldest or (left[-1] == oldest and below is None)):
            left.pop()
        passed_hours = PASSED_ENTRIES * (newest - oldest + 1) // max(1, len(entries))


def _end_of_stretch(hours: list[int], passed_hours: int) -> int:
    """The oldest of the ascending hours to which no gap from the newest on is longer."""
    at = len(hours) - 1
    while at and hours[at] - hours[at - 1] - 1 <= passed_hours:
        at -= 1
    return hours[at]

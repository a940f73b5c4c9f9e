"""What an audit of a lane and day found: what was received, what became of it, and every difference."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from enum import StrEnum

import msgspec

from functions.domain.metering.ledger.ledger import Counts

DAY_SECONDS = 86_400
MAX_LISTED = 20  # differences of a kind that are kept of a lane and day; all are counted
MAX_TEXT = 200


class Kind(StrEnum):
    """What is wrong; `place` of a difference says where."""

    COMMIT_MISSING = "commit_missing"
    COUNTS = "received_is_not_accepted_duplicates_and_rejected"
    OBJECT_MISSING = "archive_object_missing"
    LINES = "archive_lines_are_not_the_accepted_events"
    NO_FINGERPRINT = "archive_line_without_fingerprint"
    NO_LINE = "fingerprint_without_archive_line"
    TWICE = "event_accepted_twice"
    NO_CODE = "counted_without_a_code"
    COUNTER = "counter_is_not_the_recount"
    HISTORY = "history_is_not_the_recount"
    UNFINISHED = "commit_not_applied"


class Difference(msgspec.Struct, frozen=True):
    kind: Kind
    place: str
    expected: str
    found: str


class LaneDay(msgspec.Struct):
    """The audit of what a lane decided on a UTC day, and of the counters of the events that happened on it.

    `counts` and `archived` (lines of the archive) are of the day's commits, `recounted` (events), `cells` (of counters)
    and `history_cells` (of what backfills counted) of the events of the day, whenever they came. `last_commit` is the
    lane's newest commit at the end of the day, or at the audit where the day goes on; 0 where the log was gone already.
    """

    lane: int
    day: str
    audited_at: int
    commits: int = 0
    counts: Counts = msgspec.field(default_factory=Counts)
    archived: int = 0
    recounted: int = 0
    cells: int = 0
    difference_count: int = 0
    differences: list[Difference] = []
    history_cells: int = 0
    last_commit: int = 0
    going_on: "GoingOn | None" = None

    def differ(self, kind: Kind, place: str, expected: object = "", found: object = "") -> None:
        self.difference_count += 1
        if sum(each.kind is kind for each in self.differences) < MAX_LISTED:
            self.differences.append(Difference(kind, place[:MAX_TEXT], _short(expected), _short(found)))


class GoingOn(msgspec.Struct):
    """How far an audit is that had no time to end: the parts of the day that are done, the numbers of the commits they
    named as ranges (first, last), and whose levels are to be looked at: tenant, subject or None, and cells' numbers.
    """

    parts: int
    commits: list[tuple[int, int]]
    levels: list[tuple[str, str | None, list[int]]]


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."


def day_start(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())

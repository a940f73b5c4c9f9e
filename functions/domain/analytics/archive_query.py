"""A question to the archive: what is counted again, of which events, and in which partitions these may lie."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from functions.domain.analytics.archive_budget import Requests
from functions.domain.errors import FieldError, InvalidInput

DIMENSIONS = 3  # of one question, grouped by and filtered together
MAX_NAME = 128

Path = tuple[str | int, ...]  # names and indexes below the event's data

_STEP = re.compile(
    r"\.([A-Za-z_][A-Za-z0-9_-]{0,127})|\['([\w .:/@#-]{1,128})'\]|\[\"([\w .:/@#-]{1,128})\"\]|\[(\d{1,4})\]", re.ASCII
)


class Kind(StrEnum):
    USAGE = "usage"
    RECOUNT = "recount"
    PERCENTILES = "percentiles"
    SUBJECTS = "subjects"
    INVOICE_LINE_EVENTS = "invoice-line-events"


class Window(StrEnum):
    """Windows of UTC."""

    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"


class Counts(StrEnum):
    """What of an event makes it count: being there, a number, any text."""

    EVENTS = "events"
    NUMBERS = "numbers"
    TEXTS = "texts"


class Progress(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_over(self) -> bool:
        return self in (Progress.SUCCEEDED, Progress.FAILED, Progress.CANCELLED)


@dataclass(frozen=True)
class Dimension:
    """`values` keeps only these groups; empty keeps all."""

    name: str
    path: Path
    is_shown: bool = True
    values: tuple[str, ...] = ()


NO_HISTORY = "9999-12-31T23:59:59Z"  # later than any event


@dataclass(frozen=True)
class ArchiveQuestion:
    """`start` and `end` bound event times (RFC 3339, UTC), `first_day` and `last_day` partitions, inclusive.

    Counted are events decided under the meter sets from version `since` on, and any from `history_from` on.
    """

    kind: Kind
    tenant: str
    event_type: str
    start: str
    end: str
    first_day: str
    last_day: str
    value: Path | None = None
    counts: Counts = Counts.EVENTS
    since: int = 0
    history_from: str = NO_HISTORY
    subjects: tuple[str, ...] = ()
    by_subject: bool = False
    window: Window | None = None
    dimensions: tuple[Dimension, ...] = ()

    def padded_dimensions(self) -> tuple[Dimension | None, ...]:
        return (*self.dimensions, *(None,) * (DIMENSIONS - len(self.dimensions)))


@dataclass(frozen=True)
class AskedQuery:
    """A question on its way: `columns` renames what the SQL calls dimension_1 to what the caller asked for.

    `requests` are the most it makes of S3. `reserved_bytes` were taken from the day's budget for these and for what it
    may read, until it is known what was read; 0 afterwards.
    """

    id: str
    tenant: str
    kind: Kind
    execution_id: str
    asked_at: datetime
    columns: Mapping[str, str] = field(default_factory=dict)
    reserved_bytes: int = 0
    requests: Requests = field(default_factory=Requests)


def parse_path(text: str, parameter: str) -> Path:
    """Names and indexes of a JSONPath below the event's data; raises InvalidInput for any other path."""
    steps: list[str | int] = []
    at = 1
    while text.startswith("$") and at < len(text) and (match := _STEP.match(text, at)):
        plain, single, double, index = match.groups()
        steps.append(int(index) if index else plain or single or double)
        at = match.end()
    if not steps or at != len(text):
        message = (
            f"{text[:MAX_NAME]!r} cannot be asked of the archive; it takes names and indexes such as $.model or "
            "$['a b'][0]."
        )
        raise InvalidInput(message, fields=[FieldError(parameter, "invalid_json_path", message)])
    return tuple(steps)


def partitions(start: datetime, end: datetime, now: datetime, *, past: timedelta, ahead: timedelta) -> tuple[str, str]:
    """The first and last day whose partitions may hold events of [start, end).

    An event lies in the hour its commit was decided: at most `ahead` before its time and `past` after it.
    """
    first = (start - ahead).astimezone(UTC).date()
    last = min(end + past, max(now, start)).astimezone(UTC).date()
    return first.isoformat(), max(first, last).isoformat()

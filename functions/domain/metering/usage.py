"""Questions about usage and their answers: which windows a range has, and what is asked of which subjects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from functions.domain.metering.meter import Meter


class WindowSize(StrEnum):
    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"


@dataclass(frozen=True)
class UsageQuery:
    """What is asked of a meter; `customers` maps a customer id to its subjects, `filters` a dimension to its values.

    The range is [period_from, period_to), at second precision; None leaves that side open.
    """

    tenant: str
    meter: Meter
    period_from: datetime | None = None
    period_to: datetime | None = None
    window: str | None = None
    time_zone: str = "UTC"
    subjects: tuple[str, ...] = ()
    customers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_by_subject(self) -> bool:
        return bool(self.subjects) or "subject" in self.group_by

    @property
    def is_by_customer(self) -> bool:
        return bool(self.customers) or "customer_id" in self.group_by

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(name for name in self.group_by if name not in ("subject", "customer_id"))


@dataclass(frozen=True)
class UsageRow:
    value: Decimal
    window_start: datetime
    window_end: datetime
    subject: str | None = None
    customer_id: str | None = None
    group_by: Mapping[str, str | None] = field(default_factory=dict)


class Windows:
    """The windows of a size in a time zone, as epoch seconds; hours, days and months follow its DST changes."""

    def __init__(self, size: WindowSize, time_zone: str) -> None:
        self._size = size
        self._zone = ZoneInfo(time_zone)
        self.containing = lru_cache(maxsize=10_000)(self._containing)

    def _containing(self, second: int) -> tuple[int, int]:
        local = datetime.fromtimestamp(second, self._zone)
        if self._size is WindowSize.HOUR:
            offset = local.utcoffset() or timedelta(0)
            start = second - (second + int(offset.total_seconds())) % 3_600
            return start, start + 3_600
        midnight = datetime(local.year, local.month, local.day)  # noqa: DTZ001
        if self._size is WindowSize.DAY:
            return self._instant(midnight), self._instant(midnight + timedelta(days=1))
        first = midnight.replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
        return self._instant(first), self._instant(following)

    def _instant(self, wall: datetime) -> int:
        return int(wall.replace(tzinfo=self._zone).astimezone(UTC).timestamp())

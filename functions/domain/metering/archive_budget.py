"""How many bytes of the archive the questions of a tenant may read on one UTC day.

Objects hold events of all tenants, so a question pays for what it reads of others too: that is what Athena charges.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

GIGABYTE = 10**9
LEAST_BILLED = 10_000_000  # Athena's own minimum for a query


@dataclass(frozen=True)
class ArchiveBudget:
    """`question` is the most that one may read, and what it is charged until it is known what it did read."""

    question: int
    day: int


def charged(scanned: int) -> int:
    return max(LEAST_BILLED, scanned)


def day_of(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()


def begin_of_day(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def next_day(at: datetime) -> datetime:
    return begin_of_day(at) + timedelta(days=1)

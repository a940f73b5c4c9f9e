"""How much the questions of a tenant may cost on one UTC day, in bytes that Athena reads for the same money.

Objects hold events of all tenants, so a question pays for what it reads of others too: that is what Athena charges. S3
charges beside that for every object it gives and every thousand names it lists, however small the objects are.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

GIGABYTE = 10**9
LEAST_BILLED = 10_000_000  # Athena's own minimum for a query
# us-east-1, aws.amazon.com/athena/pricing and aws.amazon.com/s3/pricing: 10^12 bytes read are $5.00, a million GETs
# $0.40, a million LISTs $5.00.
OBJECT_BYTES = 80_000
LISTING_BYTES = 1_000_000
NAMES_OF_A_LISTING = 1_000
HOURS_OF_A_DAY = 24


@dataclass(frozen=True)
class ArchiveBudget:
    """`question` is how many bytes one may read; `day` is what all of a day may cost, requests included."""

    question: int
    day: int


@dataclass(frozen=True)
class Requests:
    """The most that a question asks of S3: every object once, and the names of every hour."""

    objects: int = 0
    listings: int = 0

    @property
    def as_bytes(self) -> int:
        return self.objects * OBJECT_BYTES + self.listings * LISTING_BYTES


def requests_of(first_day: str, last_day: str, objects: int) -> Requests:
    """Of partitions, both days included; Athena lists each, empty or not."""
    days = (date.fromisoformat(last_day) - date.fromisoformat(first_day)).days + 1
    return Requests(objects, days * HOURS_OF_A_DAY + objects // NAMES_OF_A_LISTING)


def charged(scanned: int, requests: Requests) -> int:
    """Of a question that has ended. What read no byte opened no object, but its hours were listed."""
    opened = requests.objects if scanned else 0
    return max(LEAST_BILLED, scanned) + Requests(opened, requests.listings).as_bytes


def day_of(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()


def begin_of_day(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def next_day(at: datetime) -> datetime:
    return begin_of_day(at) + timedelta(days=1)

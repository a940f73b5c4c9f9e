"""A month of LLM calls of one customer: the same events every time, so that their figures are known beforehand."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

CALLS = 600
BATCH_SIZE = 250
SUBJECTS = ("acme", "acme-research")
MODELS = ("small", "large", "embedding")
SOURCE = "demo"
EVENT_TYPE = "prompt"


@dataclass(frozen=True)
class Month:
    """[start, end): the first period of the demo's subscription, which has just ended."""

    start: datetime
    end: datetime

    @classmethod
    def that_ended_at(cls, end: datetime) -> "Month":
        """The longest period of one calendar month that is over at `end`."""
        end = end.replace(minute=0, second=0, microsecond=0)
        year, month = (end.year, end.month - 1) if end.month > 1 else (end.year - 1, 12)
        # On the 29th to 31st a shorter month before would clamp the day and end the period elsewhere.
        start = end.replace(year=year, month=month, day=min(end.day, 28))
        return cls(start, end.replace(day=start.day))


def events(month: Month) -> Iterator[dict[str, Any]]:
    """Two CloudEvents for each call, one for what was read and one for what was written."""
    gap = (month.end - month.start) / CALLS
    for call in range(CALLS):
        at = month.start + gap * call + timedelta(seconds=call % 50)
        model = MODELS[call % len(MODELS)]
        subject = SUBJECTS[call % len(SUBJECTS)]
        for direction, tokens in (("input", 900 + 37 * call % 5000), ("output", 150 + 53 * call % 1700)):
            yield {
                "specversion": "1.0",
                "id": f"call-{call}-{direction}",
                "source": SOURCE,
                "type": EVENT_TYPE,
                "subject": subject,
                "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "data": {"tokens": tokens, "model": model, "direction": direction},
            }


def tokens(month: Month, direction: str | None = None) -> Decimal:
    """What the events add up to."""
    wanted = (event["data"] for event in events(month))
    return sum((Decimal(data["tokens"]) for data in wanted if direction in (None, data["direction"])), Decimal(0))

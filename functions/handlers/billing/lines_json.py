"""A page of an invoice's lines: bounded in number and, since a price may be very long, in bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from functions.domain.billing.invoice import InvoiceRecord
from functions.domain.billing.line import InvoiceLine
from functions.handlers.billing.invoice_line_json import line_shown
from functions.handlers.edge import json_body
from functions.handlers.edge.answer_size import MAX_ANSWER_BYTES, carried_bytes

# An invoice shows so many of its lines itself: about 0.1 s of CPU. Those behind are read page by page.
MAX_SHOWN_LINES = 1_000
# What an answer holds beside lines is small.
MAX_SHOWN_BYTES = MAX_ANSWER_BYTES - 400_000

UnreadLines = Sequence[Callable[[], InvoiceLine]]


@dataclass(frozen=True)
class LinesPage:
    """`end` is the position to go on behind, None where there are no more."""

    shown: list[dict[str, Any]]
    end: str | None


def lines_behind(record: InvoiceRecord, lines: UnreadLines, after: str | None, most: int, most_bytes: int) -> LinesPage:
    """A position is how many lines lie up to there. There is at least one line, however long it is."""
    start = int(after) if after is not None and after.isdecimal() else 0
    found: list[dict[str, Any]] = []
    size = 0
    for read in lines[start : start + most]:
        line = line_shown(record, read())
        size += carried_bytes(json_body.encode(line))
        if found and size > most_bytes:
            break
        found.append(line)
    end = start + len(found)
    return LinesPage(found, str(end) if end < len(lines) else None)


def read_lines(lines: Sequence[InvoiceLine]) -> UnreadLines:
    """Lines that were read already."""
    return [lambda line=line: line for line in lines]  # type: ignore[misc]

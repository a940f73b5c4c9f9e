"""The answer to a meter query as CSV."""

import csv
from collections.abc import Sequence
from decimal import Context, Decimal
from io import StringIO

from functions.domain.metering.usage import UsageQuery
from functions.domain.metering.usage_rows import UsageRow
from functions.handlers.http import Answer, text_answer
from functions.handlers.usage_request import instant

# A spreadsheet runs what begins like this; an apostrophe in front makes it text.
SIX_DECIMALS, WIDE = Decimal("0.000001"), Context(prec=100)
PARTIAL = "Tollbooth-Partial"
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def usage_csv(query: UsageQuery, rows: Sequence[UsageRow], *, is_partial: bool) -> Answer:
    """Window, subject, customer and dimensions as asked for, then the value; a header says that it is partial."""
    columns = ["window_start", "window_end"]
    columns += ["subject"] if query.is_by_subject else []
    columns += ["customer_id"] if query.is_by_customer else []
    columns += query.dimensions
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, "value"])
    for row in rows:
        known = {
            "window_start": instant(row.window_start),
            "window_end": instant(row.window_end),
            "subject": _harmless(row.subject or ""),
            "customer_id": row.customer_id or "",
        }
        named = {name: _harmless(value or "") for name, value in row.group_by.items()}
        cells = [named[name] if name in query.dimensions else known[name] for name in columns]
        writer.writerow([*cells, _number(row.value)])
    headers = {"Content-Disposition": f"attachment; filename={query.meter.slug}.csv"}
    headers |= {PARTIAL: "true"} if is_partial else {}
    return text_answer(200, "text/csv", text.getvalue(), headers)


def _number(value: Decimal) -> str:
    """Six decimals as OpenMeter prints them, or all digits where six would lose some."""
    six = value.quantize(SIX_DECIMALS, context=WIDE)
    return f"{six if six == value else value:f}"


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text

"""The answer to a meter query as CSV."""

from datetime import datetime
from decimal import Context, Decimal

from functions.application.metering.usage.query_usage import UsagePage
from functions.domain.metering.usage.usage import UsageQuery
from functions.handlers.edge.csv_cell import text_cell
from functions.handlers.edge.http import Answer, text_answer
from functions.handlers.metering.usage_request import cursor_behind

SIX_DECIMALS, WIDE = Decimal("0.000001"), Context(prec=100)
PARTIAL, NEXT_CURSOR = "Tollbooth-Partial", "Tollbooth-Next-Cursor"


def usage_csv(query: UsageQuery, page: UsagePage, *, is_partial: bool) -> Answer:
    """Window, subject, customer and dimensions as asked, then the value; headers say if it is partial or goes on."""
    columns = ["window_start", "window_end"]
    columns += ["subject"] if query.is_by_subject else []
    columns += ["customer_id"] if query.is_by_customer else []
    columns += query.dimensions
    lines = [",".join([*columns, "value"])]
    for row in page.rows:
        known = {
            "window_start": _instant(row.window_start),
            "window_end": _instant(row.window_end),
            "subject": text_cell(row.subject or ""),
            "customer_id": row.customer_id or "",
        }
        named = {name: text_cell(value or "") for name, value in row.group_by.items()}
        cells = [named[name] if name in query.dimensions else known[name] for name in columns]
        lines.append(",".join([*cells, _number(row.value)]))
    headers = {"Content-Disposition": f"attachment; filename={query.meter.slug}.csv"}
    headers |= {PARTIAL: "true"} if is_partial else {}
    if cursor := cursor_behind(page.next_after):
        headers[NEXT_CURSOR] = cursor
    return text_answer(200, "text/csv", "\n".join([*lines, ""]), headers)


def _number(value: Decimal) -> str:
    """Six decimals as OpenMeter prints them, or all digits where six would lose some."""
    six = value.quantize(SIX_DECIMALS, context=WIDE)
    return f"{six if six == value else value:f}"


def _instant(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")

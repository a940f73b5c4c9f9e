"""The next page of customers for a billing run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from functions.application.billing.list_due import list_due, list_due_customers
from functions.handlers.edge.step import step
from functions.handlers.wiring import base, billing, subscriptions


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """The run's whole state -> {items, count, cursor, has_next}; the cursor of the last page is in its `page`."""
    as_of, progressive = datetime.fromisoformat(payload["as_of"]), bool(payload.get("progressive"))
    if payload.get("customer_ids"):
        page = list_due_customers(
            payload["tenant"],
            payload["customer_ids"],
            as_of,
            subscriptions=subscriptions.subscriptions(),
            progressive=progressive,
        )
    else:
        cursor = (payload.get("page") or {}).get("cursor")
        page = list_due(
            as_of,
            base.clock().now(),
            run_id=str(payload["run_id"]),
            cursor=cursor,
            index=billing.due_index(),
            plans=billing.due_plans(),
        )
    items = [
        {
            "tenant": due.tenant,
            "customer_id": due.customer_id,
            "invoice_ids": list(due.invoice_ids),
            "progressive": progressive,
        }
        for due in page.items
    ]
    return {"items": items, "count": len(items), "cursor": page.cursor, "has_next": page.cursor is not None}

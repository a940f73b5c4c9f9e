"""The next page of customers with a period to bill or an invoice to push: index queries, never a scan."""

from collections.abc import Sequence
from datetime import datetime

from functions.application.ports.billing import Due, DueIndex, DuePage, Subscriptions

# One page is the input of one map; 500 entries of about 100 bytes stay far below the 256 KB of a workflow's state.
PAGE_SIZE = 500
# The cursor says which of the two indexes it belongs to.
DUE, UNPUSHED = "due:", "unpushed:"


def list_due(as_of: datetime, now: datetime, *, cursor: str | None, index: DueIndex) -> DuePage:
    """First everybody whose period ended at or before `as_of`, then whoever has invoices left to push."""
    if cursor is None or cursor.startswith(DUE):
        after = cursor.removeprefix(DUE) if cursor else None
        page = index.due(as_of, after=after or None, limit=PAGE_SIZE)
        return DuePage(_merged(page.items), f"{DUE}{page.cursor}" if page.cursor else UNPUSHED)
    page = index.unpushed(now, after=cursor.removeprefix(UNPUSHED) or None, limit=PAGE_SIZE)
    return DuePage(_merged(page.items), f"{UNPUSHED}{page.cursor}" if page.cursor else None)


def list_due_customers(
    tenant: str,
    customer_ids: Sequence[str],
    as_of: datetime,
    *,
    subscriptions: Subscriptions,
    progressive: bool = False,
) -> DuePage:
    """The same question about a few customers, in one page; a progressive run has periods to bill that go on, too."""
    due = [
        Due(tenant, customer_id)
        for customer_id in customer_ids
        if first_due(tenant, customer_id, as_of, subscriptions, progressive=progressive)
    ]
    return DuePage(due, None)


def first_due(
    tenant: str, customer_id: str, as_of: datetime, subscriptions: Subscriptions, *, progressive: bool = False
) -> datetime | None:
    """The earliest boundary of the customer, at or before `as_of`, that is not billed yet.

    If progressive, `as_of` itself is one as long as usage before it can be billed of periods that have not ended.
    """
    present = subscriptions.of_customer(tenant, customer_id)
    instants = [each.next_due_at() for each in present]
    if progressive and any(each.can_progress_to(as_of) for each in present):
        instants.append(as_of)
    return min((instant for instant in instants if instant is not None and instant <= as_of), default=None)


def _merged(items: Sequence[Due]) -> list[Due]:
    """One entry per customer, so that no page works on the same customer twice at once."""
    merged: dict[tuple[str, str], tuple[str, ...]] = {}
    for item in items:
        who = (item.tenant, item.customer_id)
        merged[who] = (*merged.get(who, ()), *item.invoice_ids)
    return [Due(tenant, customer_id, invoice_ids) for (tenant, customer_id), invoice_ids in merged.items()]

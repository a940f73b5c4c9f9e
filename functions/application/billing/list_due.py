"""The next page of customers with a period to bill or an invoice to push: tenants take turns, customer by customer.

A run begins by planning: it reads what is due, lets tenants take turns, and keeps the pages behind the first. So a
tenant with a hundred thousand customers due at one instant holds up nobody, and no customer comes twice in a run
however many cannot be billed. What a plan has no room for is still due when the next run plans.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from functions.application.ports.billing import Due, DueIndex, DuePage, DuePlans
from functions.application.ports.subscriptions import Subscriptions

# One page is the input of one map; 500 customers or invoices of about 100 bytes stay below the 256 KB of a workflow's
# state and the 400 KB of an item.
PAGE_SIZE = 500
# At four customers a second that is more than an hour; the next run begins after a quarter of one.
MAX_PLANNED = 20_000
# Index entries read to plan: 20 MB in requests of 1 MB, some ten seconds.
MAX_SCANNED = 200_000
SCANNED_AT_ONCE = 10_000
MAX_INVOICES = 100  # of one customer in one plan
PLAN_KEPT = timedelta(days=2)  # longer than a run may take
# The cursor says which of the two indexes it belongs to, and which page of how many comes next.
DUE, UNPUSHED = "due:", "unpushed:"

Scan = Callable[[str | None], DuePage]


def list_due(
    as_of: datetime, now: datetime, *, run_id: str, cursor: str | None, index: DueIndex, plans: DuePlans
) -> DuePage:
    """First the customers whose period ended at or before `as_of`, then those with invoices left to push."""
    phase = UNPUSHED if cursor and cursor.startswith(UNPUSHED) else DUE
    number, count = _place((cursor or DUE).removeprefix(phase))
    if number:
        items = plans.page(run_id, phase, number)
    else:
        pages = list(_pages(_in_turn(_scanned(_scan(index, phase, as_of, now)))))
        for n, page in enumerate(pages[1:], 1):
            plans.keep(run_id, phase, n, page, now + PLAN_KEPT)
        items, count = pages[0] if pages else (), len(pages)
    if number + 1 < count:
        return DuePage(items, f"{phase}{number + 1}/{count}")
    return DuePage(items, UNPUSHED if phase == DUE else None)


def _place(text: str) -> tuple[int, int]:
    """The page and the number of pages; the beginning for nothing, and for a cursor of an older version."""
    number, _, count = text.partition("/")
    return (int(number), int(count)) if number.isdecimal() and count.isdecimal() else (0, 0)


def _scan(index: DueIndex, phase: str, as_of: datetime, now: datetime) -> Scan:
    if phase == DUE:
        return lambda after: index.due(as_of, after=after, limit=SCANNED_AT_ONCE)
    return lambda after: index.unpushed(now, after=after, limit=SCANNED_AT_ONCE)


def _scanned(scan: Scan) -> dict[str, dict[str, tuple[str, ...]]]:
    """The invoices of each customer of each tenant, in the order in which they are due."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    after: str | None = None
    for _ in range(0, MAX_SCANNED, SCANNED_AT_ONCE):
        page = scan(after)
        for due in page.items:
            of_tenant = found.setdefault(due.tenant, {})
            if due.customer_id in of_tenant or len(of_tenant) < MAX_PLANNED:
                invoices = (*of_tenant.get(due.customer_id, ()), *due.invoice_ids)
                of_tenant[due.customer_id] = invoices[:MAX_INVOICES]
        after = page.cursor
        if after is None:
            break
    return found


def _in_turn(found: dict[str, dict[str, tuple[str, ...]]]) -> Iterator[Due]:
    """One customer of each tenant, then the next one of each, until everybody had a turn or the plan is full."""
    waiting = {tenant: iter(customers.items()) for tenant, customers in found.items()}
    planned = 0
    while waiting and planned < MAX_PLANNED:
        for tenant, customers in list(waiting.items()):
            following = next(customers, None)
            if following is None:
                del waiting[tenant]
            elif planned < MAX_PLANNED:
                planned += 1
                yield Due(tenant, *following)


def _pages(items: Iterable[Due]) -> Iterator[list[Due]]:
    page: list[Due] = []
    size = 0
    for due in items:
        weight = max(1, len(due.invoice_ids))
        if page and size + weight > PAGE_SIZE:
            yield page
            page, size = [], 0
        page.append(due)
        size += weight
    if page:
        yield page


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

"""Looks again at what was billed: late usage changes periods whose invoices are out, and nothing may say so in silence.

Found from the commits that counted late usage (`metering/late.py`), not by going through invoices: whose it was then,
and what of theirs was billed since. Each billed period of theirs is rated again with today's usage, as a run would, and
what differs is kept for its tenant. Tenants take turns: one with very much late usage holds up nobody.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import chain, zip_longest

from functions.application.billing.rate_billables import Rater
from functions.application.ports.clock import Clock
from functions.application.ports.reconciliation import CustomerInvoices, Differences, LateIndex, Recheck, Rechecks
from functions.application.ports.subscriptions import BilledCustomers, Customers, Subscriptions
from functions.application.ports.usage import Measuring
from functions.domain.billing.difference import (
    ZERO,
    BilledDifference,
    Reason,
    before_coupons,
    issued_lines,
    measured_otherwise,
    name_of,
    quantity_of,
)
from functions.domain.billing.invoice import COUNTED_WITHIN, InvoiceRecord
from functions.domain.billing.line import InvoiceLine
from functions.domain.billing.plan_commitment import added_by_commitment
from functions.domain.errors import TollboothError, TooLarge, Unavailable
from functions.domain.metering.ledger.late import LateUsage
from functions.domain.metering.ledger.ledger import HOUR_SECONDS
from functions.domain.period import Period, rfc3339
from functions.domain.subscriptions.billable_period import MOMENT, BillablePeriod
from functions.domain.subscriptions.billables_within import billed_since
from functions.domain.subscriptions.lineage import Lineages
from functions.domain.subscriptions.subscription import Subscription

# What is taken of a tenant before it is the next one's turn; a subject has a customer with some periods to rate.
SUBJECTS_OF_A_TURN = 25
TENANTS_AT_ONCE = 500
RECHECKS_AT_ONCE = 100
# Of one customer since the oldest period that is looked at; beyond it nobody knows what was issued.
MAX_INVOICES = 1_000

# Instead of the key of an item.
COMMITMENT = "commitment"

HasTime = Callable[[], bool]


@dataclass(frozen=True)
class ReconciliationPorts:
    """What looking again reads and writes."""

    late: LateIndex
    rechecks: Rechecks
    customers: Customers
    billed_customers: BilledCustomers
    subscriptions: Subscriptions
    invoices: CustomerInvoices
    usage: Measuring
    differences: Differences
    clock: Clock


@dataclass
class Reconciled:
    """What one call came to; `found` are differences that were not known before, or have changed."""

    customers: int = 0
    found: int = 0
    is_done: bool = True
    errors: list[Exception] = field(default_factory=list)


def reconcile(has_time: HasTime, *, ports: ReconciliationPorts) -> Reconciled:
    """All that came late up to the last full hour, as far as there is time; what is left is for the next call.

    A customer that fails by a defect of ours, or while something is busy, stops nobody, and is looked at again by the
    next call.
    """
    now = ports.clock.now().replace(microsecond=0)
    done = Reconciled()
    slot = int((now - COUNTED_WITHIN).timestamp()) // HOUR_SECONDS
    turns = _look_at_late_usage(ports, slot, done, has_time), _recheck(ports, now, done)
    for _ in chain.from_iterable(zip_longest(*turns)):
        if not has_time():
            done.is_done = False
            break
    return done


def _recheck(ports: ReconciliationPorts, now: datetime, done: Reconciled) -> Iterator[None]:
    after: Recheck | None = None
    while due := ports.rechecks.due(now, RECHECKS_AT_ONCE, after):
        for recheck in due:
            if _is_checked(recheck.tenant, recheck.customer_id, recheck.since, ports, done):
                ports.rechecks.forget(recheck)
            yield
        after = due[-1]


def _look_at_late_usage(
    ports: ReconciliationPorts, before_slot: int, done: Reconciled, has_time: HasTime
) -> Iterator[None]:
    """So many tenants at a time take turns; one with customers that fail stays, and is passed by."""
    last: tuple[int, str] | None = None
    while places := ports.late.tenants(before_slot, TENANTS_AT_ONCE, last):
        last = places[-1]
        waiting: deque[tuple[int, str, LateUsage | None]] = deque((*place, None) for place in places)
        kept: set[tuple[int, str]] = set()
        while waiting:
            slot, tenant, after = waiting.popleft()
            found = ports.late.late(slot, tenant, SUBJECTS_OF_A_TURN, after)
            if _are_checked(tenant, found, ports, done, has_time):
                kept.add((slot, tenant))
            if len(found) == SUBJECTS_OF_A_TURN:
                waiting.append((slot, tenant, found[-1]))
            elif (slot, tenant) not in kept:
                ports.late.forget_tenant(slot, tenant)
            yield


def _are_checked(
    tenant: str, found: Sequence[LateUsage], ports: ReconciliationPorts, done: Reconciled, has_time: HasTime
) -> bool:
    """Looks at their customers, and forgets each as soon as all of its own were looked at; true if some are left."""
    holders = _holders(tenant, found, ports.customers)
    since: dict[str, datetime] = {}
    for late in found:
        for customer_id in holders[late]:
            since[customer_id] = min(late.since, since.get(customer_id, late.since))
    are_checked: dict[str, bool] = {}
    for place, late in enumerate(found):
        for customer_id in holders[late]:
            if customer_id not in are_checked:
                are_checked[customer_id] = _is_checked(tenant, customer_id, since[customer_id], ports, done)
        if all(are_checked[each] for each in holders[late]):
            ports.late.forget([late])
        if place + 1 < len(found) and not has_time():
            return True
    return not all(are_checked.values())


def _holders(tenant: str, found: Sequence[LateUsage], customers: Customers) -> Mapping[LateUsage, Sequence[str]]:
    """The customers who had the subject on that day, and those who had it after: a level goes on into their time."""
    of_subjects = customers.holders(tenant, sorted({late.subject for late in found}))
    return {
        late: list(
            dict.fromkeys(
                holder.customer_id
                for holder in of_subjects.get(late.subject, ())
                if holder.holding.within(late.since, None)
            )
        )
        for late in found
    }


def _is_checked(tenant: str, customer_id: str, since: datetime, ports: ReconciliationPorts, done: Reconciled) -> bool:
    try:
        done.found += check_customer(tenant, customer_id, since, ports=ports)
    except Exception as error:  # a defect of ours must not hide what others have to be told
        done.errors.append(error)
        return False
    done.customers += 1
    return True


def check_customer(tenant: str, customer_id: str, since: datetime, *, ports: ReconciliationPorts) -> int:
    """Rates what a customer was billed for time after `since` again; how many differences are new or have changed."""
    customer = ports.billed_customers.billed(tenant, customer_id)
    subscriptions = ports.subscriptions.of_customer(tenant, customer_id)
    billables = _in_order(
        [(each, billable) for each in subscriptions for billable in billed_since(each, _whole_periods(each, since))]
    )
    if customer is None or not billables:
        return 0
    first = min(billable.full.start for _, billable in billables)
    rater = Rater(tenant, customer.holdings, ports.usage.reading_once(tenant), Lineages(subscriptions))
    check = _Check(ports, tenant, customer_id, first, rater)
    known = {each.name: each for each in ports.differences.of_customer(tenant, customer_id)}
    changed = 0
    looked_at = [
        (name_of(billable.item.id, billable.period.start), check.difference(subscription, billable))
        for subscription, billable in billables
    ]
    for name, found in [*looked_at, *check.commitments()]:
        before = known.get(name)
        if found is not None:
            is_new = before is None or not _is_same(before, found)
            kept = found if before is None else found.model_copy(update={"found_at": before.found_at})
            ports.differences.keep(tenant, kept)
            changed += is_new
        elif before is not None:
            ports.differences.forget(tenant, before)
    return changed


def _whole_periods(subscription: Subscription, since: datetime) -> datetime:
    """A commitment over a plan looks at all usage of a billing period."""
    return since if subscription.commitment is None else subscription.full_period_at(since).start


def _in_order(billables: Sequence[tuple[Subscription, BillablePeriod]]) -> list[tuple[Subscription, BillablePeriod]]:
    """Pieces of a period one after the other: each builds on what those before it came to."""
    return sorted(billables, key=lambda each: each[1].period.start)


def _is_same(before: BilledDifference, found: BilledDifference) -> bool:
    return (before.open_minor, before.reason, before.re_rated_quantity) == (
        found.open_minor,
        found.reason,
        found.re_rated_quantity,
    )


@dataclass
class _Usage:
    """What all usage of a subscription came to in a billing period, what it comes to now, and how much more that is."""

    subscription: Subscription
    at: datetime
    issued_minor: int = 0
    re_rated_minor: int = 0
    more_minor: int = 0
    is_measured: bool = True
    invoices: set[str] = field(default_factory=set)


@dataclass
class _Check:
    ports: ReconciliationPorts
    tenant: str
    customer_id: str
    since: datetime
    rater: Rater
    usage: dict[tuple[str, Period], "_Usage"] = field(default_factory=dict)

    @cached_property
    def records(self) -> Sequence[InvoiceRecord]:
        """Raises TooLarge where they are too many to know what was issued."""
        found = self.ports.invoices.of_customer(self.tenant, self.customer_id, self.since, MAX_INVOICES + 1)
        if len(found) > MAX_INVOICES:
            message = f"The customer has more than {MAX_INVOICES} invoices since {rfc3339(self.since)}."
            raise TooLarge(message, code="too_many_invoices")
        return found

    def difference(self, subscription: Subscription, billable: BillablePeriod) -> BilledDifference | None:
        now = self.ports.clock.now().replace(microsecond=0)
        records, issued = list[InvoiceRecord](), list[InvoiceLine]()
        rated: InvoiceLine | None = None
        detail = None
        try:
            records, issued = self._issued(billable, self.records)
            rated = self._rated(subscription, billable, issued, now)
            if not issued and rated is not None and before_coupons(rated):
                records, issued = self._issued(billable, self.before_there_was_an_index)
                rated = self._rated(subscription, billable, issued, now)
        except Unavailable:
            raise  # it will be otherwise in an hour
        except TollboothError as error:
            detail = error.detail
        came_to = sum(map(before_coupons, issued))
        usage = self._noted(subscription, billable, came_to, rated, is_measured=detail is None)
        usage.invoices.update(each.invoice.id for each in records)
        if detail is None and (rated is None or not measured_otherwise(issued, rated)):
            return None
        re_rated = None if rated is None else before_coupons(rated)
        if re_rated == came_to:
            return None
        return BilledDifference(
            customer_id=self.customer_id,
            subscription_id=subscription.id,
            item_key=billable.item.key,
            item_id=billable.item.id,
            period_start=billable.period.start,
            period_end=billable.period.end,
            currency=subscription.currency,
            issued_minor=came_to,
            re_rated_minor=re_rated,
            issued_quantity=quantity_of(issued),
            re_rated_quantity=quantity_of([rated]) if rated else None,
            reason=_reason(came_to, re_rated),
            detail=detail,
            invoices=tuple(each.invoice.id for each in records),
            found_at=now,
            checked_at=now,
        )

    def _noted(
        self,
        subscription: Subscription,
        billable: BillablePeriod,
        issued: int,
        rated: InvoiceLine | None,
        *,
        is_measured: bool,
    ) -> "_Usage":
        full = subscription.full_period_at(billable.invoice_at - MOMENT)
        usage = self.usage.setdefault((subscription.id, full), _Usage(subscription, billable.invoice_at))
        usage.at = max(usage.at, billable.invoice_at)
        usage.issued_minor += issued
        usage.re_rated_minor += before_coupons(rated) if rated else 0
        usage.is_measured = usage.is_measured and is_measured
        return usage

    def commitments(self) -> Iterator[tuple[str, BilledDifference | None]]:
        """What the commitment over a plan takes back of what its usage differs by, by name; None for nothing."""
        now = self.ports.clock.now().replace(microsecond=0)
        for (_, full), usage in self.usage.items():
            subscription = usage.subscription
            period = self.rater.lineages.committed_period(subscription, usage.at)
            name = name_of(subscription.id, period.deal.start)
            before = (self.usage.get((each, full)) for each in self.rater.lineages.migrated_from(subscription.id))
            others = sum(each.more_minor for each in before if each)
            added = added_by_commitment(subscription, period, usage.issued_minor)
            would_add = added_by_commitment(subscription, period, usage.re_rated_minor, others_more=others)
            usage.more_minor = usage.re_rated_minor + would_add - usage.issued_minor - added
            if added == would_add or not usage.is_measured:
                yield name, None
                continue
            yield (
                name,
                BilledDifference(
                    customer_id=self.customer_id,
                    subscription_id=subscription.id,
                    item_key=COMMITMENT,
                    item_id=subscription.id,
                    period_start=period.deal.start,
                    period_end=period.deal.end,
                    currency=subscription.currency,
                    issued_minor=added,
                    re_rated_minor=would_add,
                    issued_quantity=ZERO,
                    re_rated_quantity=ZERO,
                    reason="plan_commitment",
                    invoices=tuple(sorted(usage.invoices)),
                    found_at=now,
                    checked_at=now,
                ),
            )

    def _rated(
        self, subscription: Subscription, billable: BillablePeriod, issued: Sequence[InvoiceLine], now: datetime
    ) -> InvoiceLine | None:
        """Rounded with what was carried into the period when it was issued."""
        carried = issued[0].carried if issued else billable.item.left_over
        item = billable.item.model_copy(update={"left_over": carried})
        alone = replace(self.rater, _left_over={})
        return next(iter(alone.lines(subscription, [replace(billable, item=item)], now)), None)

    def _issued(
        self, billable: BillablePeriod, records: Sequence[InvoiceRecord]
    ) -> tuple[list[InvoiceRecord], list[InvoiceLine]]:
        """The invoices and lines that billed it; a period without usage often has none."""
        found = [(each, lines) for each in records if (lines := issued_lines(billable, each.invoice.lines))]
        return [each for each, _ in found], [line for _, lines in found for line in lines]

    @cached_property
    def before_there_was_an_index(self) -> Sequence[InvoiceRecord]:
        return self.ports.invoices.unindexed_of_customer(self.tenant, self.customer_id, self.since, MAX_INVOICES)


def _reason(issued: int, re_rated: int | None) -> Reason:
    if re_rated is None:
        return "not_measured"
    return "late_usage" if re_rated > issued else "corrected_usage"

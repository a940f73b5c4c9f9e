"""Issue what a customer owes: snapshot usage, rate it, and write invoice and subscription in one transaction."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, islice

from functions.application.billing.credit_back import Returns
from functions.application.billing.deduct_coupons import deduct_coupons
from functions.application.billing.rate_billables import Rater
from functions.application.ports.billing import Failures, Invoices
from functions.application.ports.clock import Clock
from functions.application.ports.coupons import CustomerCoupons
from functions.application.ports.reconciliation import Recheck
from functions.application.ports.stored import Stale
from functions.application.ports.subscriptions import BilledCustomers, Subscriptions
from functions.application.ports.usage import Measuring
from functions.domain.billing.coupons import fee_of
from functions.domain.billing.credit_back import advance_of
from functions.domain.billing.invoice import (
    BilledCustomer,
    InvoiceRecord,
    invoice_id,
    issued,
    looks_again_at,
    number_prefix,
)
from functions.domain.billing.line import InvoiceLine, is_worth_an_invoice
from functions.domain.billing.plan_commitment import with_commitment
from functions.domain.errors import NotFound, Unavailable, Unbillable
from functions.domain.period import rfc3339
from functions.domain.subscriptions.item import AdvanceFee, DiscountedFee
from functions.domain.subscriptions.lineage import Lineages
from functions.domain.subscriptions.subscription import Subscription

# Bounds one call of the workflow's function; the workflow calls again while there is more.
MAX_INVOICES_PER_CALL = 10
# Customers with the same number prefix, issued at the same moment, wait for each other.
MAX_TRIES = 12
# More invoices of one customer for one instant mean that something creates subscriptions in a loop.
MAX_INVOICES_PER_BOUNDARY = 50
# Of one invoice: each is up to three of the 100 writes of a transaction; the others get an invoice of their own.
MAX_SUBSCRIPTIONS = 25
# All lines of an invoice are one item of at most 400 KB, packed; a rate card billed by the day has 31 in a month.
MAX_LINES = 5_000


# Looking again takes the periods that ended after that, so also those that ended with it.
RECHECK_MARGIN = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """The invoices of one call in order; `has_more` when the customer owes further periods."""

    invoices: tuple[InvoiceRecord, ...]
    has_more: bool


@dataclass(frozen=True)
class BillingPorts:
    """What issuing reads and writes."""

    subscriptions: Subscriptions
    invoices: Invoices
    customers: BilledCustomers
    usage: Measuring
    failures: Failures
    coupons: CustomerCoupons
    clock: Clock
    # Whether the tenant wants one also about a period in which nothing was used and nothing is owed.
    invoices_idle: Callable[[str], bool]


def issue_invoices(
    tenant: str, customer_id: str, as_of: datetime, run_id: str, *, ports: BillingPorts, progressive: bool = False
) -> Issued:
    """One invoice per boundary that is owed at or before `as_of`, earliest first.

    If progressive, then one per currency for the usage up to `as_of` of periods that have not ended.

    Run again, or by two runs at once, it gives the same invoices: the run that moves the subscription on has issued.
    Raises NotFound for a customer or meter that is gone, Unbillable for what no run can invoice, Unavailable when
    others keep writing the same items.
    """
    done: list[InvoiceRecord] = []
    for _ in range(MAX_INVOICES_PER_CALL):
        boundary = _Boundary.first(tenant, customer_id, as_of, run_id, ports=ports, progressive=progressive)
        if boundary is None:
            ports.failures.clear(tenant, customer_id)
            return Issued(tuple(done), has_more=False)
        record = boundary.issue()
        if record is not None:
            done.append(record)
    return Issued(tuple(done), has_more=True)


@dataclass(frozen=True)
class _Billed:
    """A subscription, what it owes, and as it is once that is on an invoice."""

    before: Subscription
    lines: Sequence[InvoiceLine]
    after: Subscription


@dataclass(frozen=True)
class _Boundary:
    """The customer's subscriptions of one currency that owe something from the same instant on.

    `is_progress` says that it is no boundary of theirs: they are billed for what was used so far.
    """

    tenant: str
    run_id: str
    at: datetime
    subscriptions: tuple[Subscription, ...]
    lineages: Lineages
    customer: BilledCustomer
    ports: BillingPorts
    is_progress: bool = False

    @classmethod
    def first(
        cls, tenant: str, customer_id: str, as_of: datetime, run_id: str, *, ports: BillingPorts, progressive: bool
    ) -> "_Boundary | None":
        present = ports.subscriptions.of_customer(tenant, customer_id)
        dated = [(each.next_due_at(), each) for each in present]
        due = [(at, each) for at, each in dated if at is not None and at <= as_of]
        is_progress = progressive and not due
        if is_progress:
            due = [(as_of, each) for each in present if each.can_progress_to(as_of)]
        if not due:
            return None
        first = min(at for at, _ in due)
        currency = next(each.currency for at, each in due if at == first)
        owing = _that_fit([each for at, each in due if at == first and each.currency == currency], first)
        customer = ports.customers.billed(tenant, customer_id)
        if customer is None:
            raise NotFound(f"There is no customer {customer_id!r} to bill.", code="customer_not_found")
        return cls(tenant, run_id, first, owing, Lineages(present), customer, ports, is_progress)

    @property
    def currency(self) -> str:
        return self.subscriptions[0].currency

    def issue(self) -> InvoiceRecord | None:
        """None when nothing was owed after all, or when another run has just issued it."""
        now = self.ports.clock.now().replace(microsecond=0)
        usage = self.ports.usage.reading_once(self.tenant)
        rater = Rater(self.tenant, self.customer.holdings, usage, self.lineages)
        billed = [self._billed(each, rater, now) for each in self.subscriptions]
        lines = [line for each in billed for line in each.lines]
        for _ in range(MAX_TRIES):
            discounted, coupons = deduct_coupons(
                self.tenant,
                self.customer.id,
                lines,
                self.currency,
                self.at,
                coupons=self.ports.coupons,
                lineages=self.lineages,
            )
            record, last_number = self._record(discounted, now)
            used = [each.used_on(record.invoice.id) for each in coupons] if record else []
            advanced = [(each.before, self._with_fees(each, discounted, record)) for each in billed]
            try:
                self.ports.invoices.issue(
                    self.tenant, record, advanced, last_number, used, self._recheck(lines, record)
                )
            except Stale:
                if self._is_overtaken():
                    return None
                continue
            return record
        message = f"Customer {self.customer.id} cannot be invoiced: others keep writing the same numbers."
        raise Unavailable(message, retry_after_seconds=5)

    def _billed(self, subscription: Subscription, rater: Rater, now: datetime) -> "_Billed":
        if not self.is_progress:
            rated = rater.rated(subscription, subscription.billables_due_at(self.at), now)
            after = subscription.billed(self.at, now).with_billed_parts(rated.parts, rated.left_over)
            returns = Returns(self.tenant, self.ports.invoices, self.at, now)
            claimed, after = returns.of_claims(after, rater.credit_line)
            lines, after = returns.of_billables(after, rated.lines)
            lines = [*lines, *claimed]
        else:
            lines, after = rater.billed_so_far(subscription, self.at, now)
        lines, came_to = with_commitment(after, lines, self.at, self.lineages)
        return _Billed(subscription, lines, after.with_usage_billed(came_to))

    def _with_fees(self, billed: "_Billed", lines: Sequence[InvoiceLine], record: InvoiceRecord | None) -> Subscription:
        """Raises Unbillable if it still owes the same boundary: it would be invoiced for it without end."""
        subscription = billed.before
        fees, advances = defaultdict[str, list[DiscountedFee]](list), defaultdict[str, list[AdvanceFee]](list)
        for line in lines:
            if line.item_id is None or line.usage is not None:
                continue
            if (fee := fee_of(line)) is not None:
                fees[line.item_id].append(fee)
            if record is not None and (advance := advance_of(line, record.invoice.id)) is not None:
                advances[line.item_id].append(advance)
        credited_back = {each.item.id for each in subscription.billables_due_at(self.at) if each.is_credit}
        advanced = billed.after.with_discounted(fees, credited_back, self.at).with_advances(advances, self.at)
        following = advanced.next_due_at()
        if following is not None and following <= self.at:
            message = f"Subscription {subscription.id} still owes {rfc3339(following)} when billed to {self.at}."
            raise Unbillable(message, code="billing_stuck")
        return advanced

    def _recheck(self, lines: Sequence[InvoiceLine], record: InvoiceRecord | None) -> Recheck | None:
        """Also where there was nothing to make an invoice of yet."""
        at = looks_again_at(lines)
        if at is None:
            return None
        name = record.invoice.id if record else self.subscriptions[0].id
        since = min(line.period_end for line in lines if line.usage) - RECHECK_MARGIN
        return Recheck(at, self.tenant, self.customer.id, name, since)

    def _record(self, lines: Sequence[InvoiceLine], now: datetime) -> tuple[InvoiceRecord | None, int]:
        if not lines or not (any(map(is_worth_an_invoice, lines)) or self.ports.invoices_idle(self.tenant)):
            return None, 0
        prefix, currency = number_prefix(self.customer.name), self.currency
        free_id = self._free_id(currency)
        # Last, because somebody else may take the next number as long as it is not written.
        last_number = self.ports.invoices.last_number(self.tenant, prefix)
        record = issued(
            lines,
            id=free_id,
            tenant=self.tenant,
            number=f"INV-{prefix}-{last_number + 1}",
            run_id=self.run_id,
            customer=self.customer,
            currency=currency,
            invoice_at=self.at,
            now=now,
        )
        return record, last_number

    def _free_id(self, currency: str) -> str:
        """Usually the first; a subscription made later that starts at an instant billed before gets the next one."""
        for sequence in range(MAX_INVOICES_PER_BOUNDARY):
            candidate = invoice_id(self.tenant, self.customer.id, currency, self.at, sequence)
            if self.ports.invoices.get(self.tenant, candidate) is None:
                return candidate
        raise Unavailable(
            f"Customer {self.customer.id} has {MAX_INVOICES_PER_BOUNDARY} invoices for {self.at}.",
            retry_after_seconds=3600,
        )

    def _is_overtaken(self) -> bool:
        """A subscription changed since it was read, so what was rated may not be owed any more."""
        read = {each.id: each.version for each in self.subscriptions}
        stored = self.ports.subscriptions.of_customer(self.tenant, self.customer.id)
        return any(each.id in read and each.version != read[each.id] for each in stored)


def _that_fit(owing: Sequence[Subscription], at: datetime) -> tuple[Subscription, ...]:
    """The first of them, as many as one invoice can have; at least one."""
    lines = accumulate(len(each.billables_due_at(at)) for each in owing)
    fitting = sum(1 for total in islice(lines, MAX_SUBSCRIPTIONS) if total <= MAX_LINES)
    return tuple(owing[: max(fitting, 1)])

"""Billing's stores in dicts: for properties over very many runs; DynamoDB's own are tested by their contract."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from functions.adapters.memory.coupons import MemoryCoupons
from functions.application.billing.issue_invoice import BillingPorts, issue_invoices
from functions.application.billing.preview_invoice import PreviewPorts, Upcoming, upcoming_invoice
from functions.application.ports.entitlements import EntitledChange
from functions.application.ports.subscriptions import SubscriptionChange, Tenures
from functions.domain.billing.failure import Failure
from functions.domain.billing.invoice import BilledCustomer, Invoice, InvoiceRecord
from functions.domain.billing.push import PaymentStatus
from functions.domain.catalog.coupon import AppliedCoupon
from functions.domain.entitlements.entitlement import Entitled
from functions.domain.subscriptions.subscription import Subscription
from tests.application.billing.world import ACME, TENANT, FakeCustomers, FakeUsage, MovableClock


@dataclass
class MemorySubscriptions:
    stored: dict[str, Subscription] = field(default_factory=dict)

    def get(self, _tenant: str, subscription_id: str) -> Subscription | None:
        return self.stored.get(subscription_id)

    def of_customer(self, _tenant: str, customer_id: str) -> Sequence[Subscription]:
        return [each for each in self.stored.values() if each.customer_id == customer_id]

    def tenures(self, _tenant: str, _customer_id: str) -> Tenures:
        return Tenures()

    def withdrawn(self, _tenant: str, _customer_id: str) -> int:
        return 0

    def entitled(self, _tenant: str, _customer_id: str) -> Sequence[Entitled]:
        return []

    def save(
        self,
        _tenant: str,
        _customer_id: str,
        changes: Sequence[SubscriptionChange],
        _tenures: Tenures,
        _sold_after: int | None = None,
        _entitled: Sequence[EntitledChange] = (),
    ) -> None:
        self.stored |= {each.after.id: each.after for each in changes if each.after}


@dataclass
class MemoryInvoices:
    subscriptions: MemorySubscriptions
    coupons: MemoryCoupons
    stored: dict[str, InvoiceRecord] = field(default_factory=dict)

    def get(self, _tenant: str, invoice_id: str) -> InvoiceRecord | None:
        return self.stored.get(invoice_id)

    def headers(
        self, _tenant: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterable[InvoiceRecord]:
        raise AssertionError((since, until))

    def last_number(self, _tenant: str, _prefix: str) -> int:
        return len(self.stored)

    def issue(
        self,
        _tenant: str,
        record: InvoiceRecord | None,
        advanced: Sequence[tuple[Subscription, Subscription]],
        _last_number: int,
        coupons: Sequence[AppliedCoupon] = (),
        _recheck: object = None,
    ) -> None:
        for each in coupons:
            self.coupons.change(_tenant, each)
        if record is not None:
            self.stored[record.invoice.id] = record
        self.subscriptions.stored |= {after.id: after for _, after in advanced}


class NoFailures:
    def of_customer(self, _tenant: str, _customer_id: str) -> Sequence[Failure]:
        return []

    def all(self, _tenant: str) -> Iterable[Failure]:
        return []

    def record(self, failure: Failure) -> None:
        raise AssertionError(failure)

    def clear(self, _tenant: str, _customer_id: str, _invoice_id: str | None = None) -> None:
        return


class Billing:
    """One customer with its subscriptions, at a time that can be moved."""

    def __init__(self, usage: FakeUsage, now: datetime, *subscriptions: Subscription) -> None:
        self.usage, self.clock = usage, MovableClock(now)
        self.subscriptions = MemorySubscriptions({each.id: each for each in subscriptions})
        self.coupons = MemoryCoupons()
        self.invoices = MemoryInvoices(self.subscriptions, self.coupons)
        self.pays_at_once = True
        self.customers = FakeCustomers({ACME: BilledCustomer(id=ACME, name="Acme", subject_keys=("acme-app",))})

    def issue(self, *, progressive: bool = False) -> list[Invoice]:
        ports = BillingPorts(
            self.subscriptions,
            self.invoices,
            self.customers,
            self.usage,
            NoFailures(),
            self.coupons,
            self.clock,
            invoices_idle=lambda _tenant: True,
        )
        issued: list[Invoice] = []
        has_more = True
        while has_more:
            done = issue_invoices(TENANT, ACME, self.clock.now(), "run-1", ports=ports, progressive=progressive)
            issued += [each.invoice for each in done.invoices]
            for each in done.invoices if self.pays_at_once else ():
                self.settle(each.invoice.id)
            has_more = done.has_more
        return issued

    def settle(self, invoice_id: str, status: PaymentStatus = PaymentStatus.PAID, *, returned_minor: int = 0) -> None:
        record = self.invoices.stored[invoice_id]
        payment = record.payment.model_copy(update={"status": status, "returned_minor": returned_minor})
        self.invoices.stored[invoice_id] = replace(record, payment=payment)

    def preview(self, subscription_id: str, not_before: datetime | None = None) -> Upcoming:
        ports = PreviewPorts(
            self.subscriptions,
            self.customers,
            self.usage,
            self.coupons,
            self.invoices,
            self.clock,
            lambda: "01JPREVEWPREVEWPREVEWPREV",
        )
        return upcoming_invoice(TENANT, subscription_id, not_before, ports=ports)

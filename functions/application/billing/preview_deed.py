"""What a change would cost before it is made: the deed and the invoice that follows it, on copies of the stores."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from functions.application.billing.issue_invoice import BillingPorts, issue_invoices
from functions.application.ports.billing import Invoices
from functions.application.ports.coupons import CustomerCoupons
from functions.application.ports.entitlements import EntitledChange
from functions.application.ports.subscriptions import SubscriptionChange, Subscriptions, Tenures
from functions.application.subscriptions.write_subscriptions import subscription_not_found
from functions.domain.billing.failure import Failure
from functions.domain.billing.invoice import InvoiceRecord
from functions.domain.billing.line import InvoiceLine
from functions.domain.catalog.coupon import AppliedCoupon
from functions.domain.entitlements.entitlement import Entitled
from functions.domain.errors import TooLarge
from functions.domain.subscriptions.subscription import Subscription

NO_RUN = ""
# A subscription that nobody billed for years.
MAX_CALLS = 20

# Does it on the subscriptions it is given; answers those it changed or made, and when it takes effect.
Deed = Callable[[Subscriptions], tuple[Sequence[Subscription], datetime]]


@dataclass(frozen=True)
class DeedPreview:
    """The invoices that follow at the instant it takes effect, as far as they are for these subscriptions."""

    currency: str
    effective_at: datetime
    before: Subscription
    after: Sequence[Subscription]
    invoices: Sequence[InvoiceRecord]

    @property
    def lines(self) -> list[tuple[InvoiceRecord, InvoiceLine]]:
        ids = {each.id for each in self.after}
        return [
            (record, line) for record in self.invoices for line in record.invoice.lines if line.subscription_id in ids
        ]


def preview_deed(tenant: str, subscription_id: str, deed: Deed, *, ports: BillingPorts) -> DeedPreview:
    """Nothing is written, and no number is taken. Raises what the deed or the billing run would raise.

    What is owed before is billed first, as the run would; usage and payments are as they are now.
    """
    before = ports.subscriptions.get(tenant, subscription_id)
    if before is None:
        raise subscription_not_found(subscription_id)
    copies = _Subscriptions(ports.subscriptions)
    after, at = deed(copies)
    invoices, coupons = _Invoices(ports.invoices, copies), _Coupons(ports.coupons)
    invoices.coupons = coupons
    copied = replace(ports, subscriptions=copies, invoices=invoices, coupons=coupons, failures=_NoFailures())
    for _ in range(MAX_CALLS):
        if not issue_invoices(tenant, before.customer_id, at, NO_RUN, ports=copied).has_more:
            break
    else:
        raise TooLarge("Too much is owed from before; run the billing first.", code="too_much_owed")
    following = [record for record in invoices.issued.values() if record.invoice.invoice_at == at]
    current = [copies.changed.get(each.id, each) for each in after]
    return DeedPreview(before.currency, at, before, current, following)


@dataclass
class _Subscriptions:
    stored: Subscriptions
    changed: dict[str, Subscription] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def get(self, tenant: str, subscription_id: str) -> Subscription | None:
        if subscription_id in self.deleted:
            return None
        return self.changed.get(subscription_id) or self.stored.get(tenant, subscription_id)

    def of_customer(self, tenant: str, customer_id: str) -> Sequence[Subscription]:
        present = {each.id: each for each in self.stored.of_customer(tenant, customer_id)}
        present |= {each.id: each for each in self.changed.values() if each.customer_id == customer_id}
        return [each for each in present.values() if each.id not in self.deleted]

    def tenures(self, tenant: str, customer_id: str) -> Tenures:
        return self.stored.tenures(tenant, customer_id)

    def withdrawn(self, tenant: str, customer_id: str) -> int:
        return self.stored.withdrawn(tenant, customer_id)

    def entitled(self, tenant: str, customer_id: str) -> Sequence[Entitled]:
        return self.stored.entitled(tenant, customer_id)

    def save(
        self,
        _tenant: str,
        _customer_id: str,
        changes: Sequence[SubscriptionChange],
        _tenures: Tenures,
        _sold_after: int | None = None,
        _entitled: Sequence[EntitledChange] = (),
    ) -> None:
        for change in changes:
            if change.after is not None:
                self.changed[change.after.id] = change.after
            elif change.before is not None:
                self.deleted.add(change.before.id)


@dataclass
class _Coupons:
    stored: CustomerCoupons
    changed: dict[str, AppliedCoupon] = field(default_factory=dict)

    def of_customer(self, tenant: str, customer_id: str) -> Sequence[AppliedCoupon]:
        return [self.changed.get(each.id, each) for each in self.stored.of_customer(tenant, customer_id)]


@dataclass
class _Invoices:
    stored: Invoices
    subscriptions: _Subscriptions
    coupons: _Coupons | None = None
    issued: dict[str, InvoiceRecord] = field(default_factory=dict)

    def get(self, tenant: str, invoice_id: str) -> InvoiceRecord | None:
        return self.issued.get(invoice_id) or self.stored.get(tenant, invoice_id)

    def headers(
        self, tenant: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterable[InvoiceRecord]:
        return self.stored.headers(tenant, since=since, until=until)

    def last_number(self, tenant: str, prefix: str) -> int:
        return self.stored.last_number(tenant, prefix) + len(self.issued)

    def issue(
        self,
        _tenant: str,
        record: InvoiceRecord | None,
        advanced: Sequence[tuple[Subscription, Subscription]],
        _last_number: int,
        coupons: Sequence[AppliedCoupon] = (),
        _recheck: object = None,
    ) -> None:
        if record is not None:
            self.issued[record.invoice.id] = record
        self.subscriptions.changed |= {after.id: after for _, after in advanced}
        assert self.coupons is not None
        self.coupons.changed |= {each.id: each for each in coupons}


class _NoFailures:
    def of_customer(self, _tenant: str, _customer_id: str) -> Sequence[Failure]:
        return []

    def all(self, _tenant: str) -> Iterable[Failure]:
        return []

    def record(self, failure: Failure) -> None:
        raise AssertionError(failure)

    def clear(self, _tenant: str, _customer_id: str, _invoice_id: str | None = None) -> None:
        return

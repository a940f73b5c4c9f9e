"""Give unserved time back as far as it was paid: at once, or once the invoice that it is on has been settled."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from functions.application.ports.billing import Invoices
from functions.domain.billing.credit_back import at_most, left_of
from functions.domain.billing.invoice import InvoiceRecord
from functions.domain.billing.line import InvoiceLine
from functions.domain.subscriptions.billable_period import BillablePeriod
from functions.domain.subscriptions.claim import Claim
from functions.domain.subscriptions.item import AdvanceFee, SubscriptionItem
from functions.domain.subscriptions.subscription import Subscription

# How often an invoice that is neither paid nor void is looked at again.
NEXT_LOOK = timedelta(days=1)
RateCredit = Callable[[Subscription, BillablePeriod], InvoiceLine | None]


@dataclass
class Returns:
    """What of a customer's subscriptions is credited back with one invoice; each invoice it is on is read once."""

    tenant: str
    invoices: Invoices
    at: datetime
    now: datetime
    wait: timedelta = NEXT_LOOK
    _read: dict[str, InvoiceRecord | None] = field(default_factory=dict)

    def of_billables(
        self, after: Subscription, rated: Iterable[tuple[BillablePeriod, InvoiceLine]]
    ) -> tuple[list[InvoiceLine], Subscription]:
        """The lines, each credit as far as it can be, and the subscription that remembers what was given or waits."""
        lines = []
        for billable, line in rated:
            fee = _fee_for(billable.item, billable.period.start) if billable.is_credit else None
            if fee is None:
                lines.append(line)
                continue
            claim = Claim.of(billable, fee, -line.total_minor, self._next_look)
            kept, after = self._settled(after, claim, fee, line)
            lines += kept
        return lines, after

    def of_claims(self, after: Subscription, rate_credit: RateCredit) -> tuple[list[InvoiceLine], Subscription]:
        """The same for claims that are to be looked at by now."""
        lines: list[InvoiceLine] = []
        for claim in after.claims:
            if claim.look_at is None or claim.look_at > self.at:
                continue
            billable = after.billable_of(claim, self.at)
            line, fee = rate_credit(after, billable), _fee_of(billable.item, claim)
            if line is None or fee is None:
                after = after.with_claim(claim.closed("nothing is left of it"))
                continue
            kept, after = self._settled(after, claim, fee, line)
            lines += kept
        return lines, after

    @property
    def _next_look(self) -> datetime:
        return max(self.at, self.now) + self.wait

    def _settled(
        self, after: Subscription, claim: Claim, fee: AdvanceFee, line: InvoiceLine
    ) -> tuple[Sequence[InvoiceLine], Subscription]:
        record = self._record(claim.invoice_id)
        left = left_of(record, fee) if record else None
        if left is None:
            return [], after.with_claim(claim.model_copy(update={"look_at": self._next_look}))
        given = at_most(line, left)
        if given is None:
            return [], after.with_claim(claim.closed(_why(record)))
        return [given], after.without_claim(claim).with_credited_back(claim, -given.total_minor)

    def _record(self, invoice_id: str) -> InvoiceRecord | None:
        if invoice_id not in self._read:
            self._read[invoice_id] = self.invoices.get(self.tenant, invoice_id)
        return self._read[invoice_id]


def _why(record: InvoiceRecord | None) -> str:
    assert record is not None
    return f"invoice {record.invoice.number} is {record.payment.status.value}" + (
        ", and all of it was credited back" if record.payment.returned_minor else ""
    )


def _fee_for(item: SubscriptionItem, at: datetime) -> AdvanceFee | None:
    """The latest fee for that time: an item that went on after all was paid for anew."""
    return next((each for each in reversed(item.advances) if each.starts_at <= at < each.ends_at), None)


def _fee_of(item: SubscriptionItem, claim: Claim) -> AdvanceFee | None:
    return next((each for each in item.advances if each.line_id == claim.line_id), None)

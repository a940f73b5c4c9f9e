"""Claims: unserved time of fees that are on invoices nobody has paid yet."""

from datetime import datetime

from functions.domain.period import Period
from functions.domain.subscriptions.billable_period import BillablePeriod
from functions.domain.subscriptions.item import AdvanceFee, DiscountedFee
from functions.domain.wire import Instant, WireModel


class Claim(WireModel):
    """What a customer gets for time that was not served, if the invoice is paid.

    `amount_minor` is the most it comes to. `look_at` is when the invoice is looked at again; None when the claim is
    closed without anything to give, for the `reason` given. The rest says which billable period it is.
    """

    item_id: str
    invoice_id: str
    line_id: str
    amount_minor: int
    look_at: Instant | None
    reason: str | None = None
    name: str
    index: int
    starts_at: Instant
    ends_at: Instant
    full_starts_at: Instant
    full_ends_at: Instant
    billing_starts_at: Instant
    billing_ends_at: Instant
    discounted: tuple[DiscountedFee, ...] = ()

    @classmethod
    def of(cls, billable: BillablePeriod, fee: AdvanceFee, amount_minor: int, look_at: datetime) -> "Claim":
        return cls(
            item_id=billable.item.id,
            invoice_id=fee.invoice_id,
            line_id=fee.line_id,
            amount_minor=amount_minor,
            look_at=look_at,
            name=billable.name,
            index=billable.index,
            starts_at=billable.period.start,
            ends_at=billable.period.end,
            full_starts_at=billable.full.start,
            full_ends_at=billable.full.end,
            billing_starts_at=billable.billing_period.start,
            billing_ends_at=billable.billing_period.end,
            discounted=billable.item.discounted,
        )

    @property
    def is_open(self) -> bool:
        return self.look_at is not None

    @property
    def period(self) -> Period:
        return Period(self.starts_at, self.ends_at)

    @property
    def full(self) -> Period:
        return Period(self.full_starts_at, self.full_ends_at)

    @property
    def billing_period(self) -> Period:
        return Period(self.billing_starts_at, self.billing_ends_at)

    def closed(self, reason: str) -> "Claim":
        return self.model_copy(update={"look_at": None, "reason": reason})

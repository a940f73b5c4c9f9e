"""What billing needs from outside: plans, subscriptions, invoices, their indexes, usage, customers, features, runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from functions.application.ports.reconciliation import Recheck
    from functions.domain.billing.failure import Failure
    from functions.domain.billing.invoice import InvoiceRecord
    from functions.domain.billing.invoice_request import InvoiceRequest
    from functions.domain.billing.push import PaymentStatus
    from functions.domain.catalog.coupon import AppliedCoupon
    from functions.domain.subscriptions.subscription import Subscription

    Span = tuple[datetime | None, datetime | None]


@dataclass(frozen=True)
class InvoicesWanted:
    """Which invoices a list asks for, as far as a store can tell; what is not given narrows nothing.

    Ranges are inclusive. An invoice that is found need not be wanted: one that is wanted is found.
    """

    customer_ids: Sequence[str] = ()
    payments: frozenset[PaymentStatus] | None = None
    issued: Span = (None, None)
    period_start: Span = (None, None)


@dataclass(frozen=True)
class Due:
    """A customer with something to do: a period to bill, or invoices that are not at the gateway yet."""

    tenant: str
    customer_id: str
    invoice_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class DuePage:
    """`cursor` continues behind the last entry seen; None when there is no more."""

    items: Sequence[Due]
    cursor: str | None


class DueIndex(Protocol):
    def due(self, until: datetime, *, after: str | None, limit: int) -> DuePage:
        """Customers with a period that ended at or before `until`, over all tenants, earliest first."""
        ...

    def unpushed(self, until: datetime, *, after: str | None, limit: int) -> DuePage:
        """Customers with issued invoices whose next push is due at or before `until`."""
        ...


class DuePlans(Protocol):
    """The pages of a run that come behind its first."""

    def keep(self, run_id: str, phase: str, number: int, items: Sequence[Due], expires_at: datetime) -> None: ...

    def page(self, run_id: str, phase: str, number: int) -> Sequence[Due]: ...


class Invoices(Protocol):
    def get(self, tenant: str, invoice_id: str) -> InvoiceRecord | None: ...

    def headers(
        self, tenant: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterable[InvoiceRecord]:
        """Invoices without their lines, by the instant they are owed from (`since` and `until` inclusive)."""
        ...

    def last_number(self, tenant: str, prefix: str) -> int:
        """How many invoices have been numbered with this prefix."""
        ...

    def issue(
        self,
        tenant: str,
        record: InvoiceRecord | None,
        advanced: Sequence[tuple[Subscription, Subscription]],
        last_number: int,
        coupons: Sequence[AppliedCoupon] = (),
        recheck: Recheck | None = None,
    ) -> None:
        """Write the invoice (None: there was nothing to bill), move the subscriptions on and count the coupons.

        `recheck` says that it was measured before late usage is told of.

        All or nothing; raises Stale when the invoice exists, its number is taken, or a subscription or a coupon has
        changed.
        """
        ...


class Failures(Protocol):
    def of_customer(self, tenant: str, customer_id: str) -> Sequence[Failure]: ...

    def all(self, tenant: str) -> Iterable[Failure]: ...

    def record(self, failure: Failure) -> None:
        """Keep it in place of the one before; counts the attempts."""
        ...

    def clear(self, tenant: str, customer_id: str, invoice_id: str | None = None) -> None: ...


class InvoiceRequests(Protocol):
    def get(self, tenant: str, customer_id: str) -> InvoiceRequest | None: ...

    def put(self, tenant: str, request: InvoiceRequest) -> None: ...


@dataclass(frozen=True)
class BillingRun:
    """The input of the billing workflow: bill what ended at or before `as_of`, of everybody or of some customers.

    A progressive run of some customers also bills what they have used up to `as_of` of periods that have not ended.
    """

    run_id: str
    as_of: datetime
    tenant: str | None = None
    customer_ids: tuple[str, ...] = field(default=())
    progressive: bool = False

    def to_input(self) -> dict[str, Any]:
        scope: dict[str, Any] = {"tenant": self.tenant, "customer_ids": list(self.customer_ids)} if self.tenant else {}
        if self.progressive:
            scope["progressive"] = True
        return {"run_id": self.run_id, "as_of": self.as_of.isoformat(), **scope}


class BillingRuns(Protocol):
    def start(self, run: BillingRun) -> None:
        """Start the workflow under the run's id; a run of that id that was started already is left alone."""
        ...


class ScheduledRuns(BillingRuns, Protocol):
    def is_working(self, run_id: str) -> bool | None:
        """Whether a run goes on; None if nothing is known of it, or not yet."""
        ...


class BillingTurn(NamedTuple):
    """Which run of everybody's bills began last, and when."""

    run_id: str
    began_at: datetime


class BillingTurns(Protocol):
    def last(self) -> BillingTurn | None: ...

    def take(self, turn: BillingTurn, after: BillingTurn | None) -> bool:
        """Whether it is this one's turn: nobody has taken it since `after`."""
        ...

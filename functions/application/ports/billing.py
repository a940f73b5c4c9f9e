"""What billing needs from outside: plans, subscriptions, invoices, their indexes, usage, customers, features, runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol

from functions.application.ports.catalog import NO_PREMISES, Premises
from functions.application.ports.reconciliation import Recheck
from functions.domain.billing.invoice import BilledCustomer, InvoiceRecord
from functions.domain.catalog.coupon import AppliedCoupon
from functions.domain.catalog.feature import GroupFilter
from functions.domain.catalog.pricing import Group, Needs
from functions.domain.catalog.validation import MeterFacts
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.metering.values.holding import Holding
from functions.domain.metering.values.windows import WindowSize
from functions.domain.period import Period
from functions.domain.subscriptions.subscription import MeteredFeature, Subscription
from functions.domain.wire import Instant, WireModel

NewId = Callable[[], str]


@dataclass(frozen=True)
class Tenure:
    """One subscription's time with its customer; `ends_at` is None while it has no end."""

    subscription_id: str
    starts_at: datetime
    ends_at: datetime | None

    def is_on(self, at: datetime) -> bool:
        return self.starts_at <= at and not self.is_over(at)

    def is_over(self, at: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= at


@dataclass(frozen=True)
class Tenures:
    """A customer's latest subscriptions at a glance.

    `version` counts the changes of any of them and what must be decided with them in view: that the customer gets a
    coupon, or is deleted.
    """

    tenures: tuple[Tenure, ...] = ()
    version: int = 0


@dataclass(frozen=True)
class SubscriptionChange:
    """None before: it is made; None after: it is deleted. It stands only as long as its premises do."""

    before: Subscription | None
    after: Subscription | None
    premises: Premises = NO_PREMISES


class Subscriptions(Protocol):
    def get(self, tenant: str, subscription_id: str) -> Subscription | None: ...

    def of_customer(self, tenant: str, customer_id: str) -> Sequence[Subscription]:
        """All of them, ended ones too, in order of creation."""
        ...

    def tenures(self, tenant: str, customer_id: str) -> Tenures: ...

    def withdrawn(self, tenant: str, customer_id: str) -> int:
        """How often something was withdrawn that could be sold; to be read before what is sold is looked at."""
        ...

    def save(
        self,
        tenant: str,
        customer_id: str,
        changes: Sequence[SubscriptionChange],
        tenures: Tenures,
        sold_after: int | None = None,
    ) -> None:
        """Write the changes with their due index entries, all or nothing; raises Stale.

        Neither the subscriptions nor any other of the customer's, as `tenures` tells, may have changed since, nor the
        customer be deleted. To be read before the customer is. `sold_after` says that they sell something from now on
        that they did not sell before; also Stale when something was withdrawn since that was read.
        """
        ...


class SellingSubscriptions(Protocol):
    def mentioning(self, tenant: str, word: str, *, most: int) -> Iterable[Subscription]:
        """Those that name an id, key or slug anywhere, read as they are consumed.

        Raises TooLarge when there are more than `most` to look through.
        """
        ...


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


class UsageMeter(Protocol):
    def only_grows(self, tenant: str, meter: str) -> bool:
        """Whether a longer period measures what a shorter one does and more, so that it can be billed in parts.

        Raises NotFound for a meter that does not exist.
        """
        ...

    def adds_up(self, tenant: str, meter: str) -> bool:
        """Whether what it measures in a period is the sum of what it measures in the period's parts.

        Raises NotFound for a meter that does not exist.
        """
        ...

    def usage(
        self,
        tenant: str,
        meter: str,
        held: Sequence[Holding],
        filters: Mapping[str, GroupFilter],
        period: Period,
    ) -> tuple[Decimal, dict[int, int]]:
        """What the meter measured of what is held in the period, and the last commit it contains of each lane.

        Raises NotFound for a meter that does not exist.
        """
        ...

    def parts(
        self,
        tenant: str,
        meter: str,
        held: Sequence[Holding],
        filters: Mapping[str, GroupFilter],
        period: Period,
        needs: Needs,
    ) -> Mapping[Group, Decimal]:
        """The same usage cut by dimension values, or by the hours of a time zone.

        Raises Unbillable for a meter without those dimensions or whose parts do not add up.
        """
        ...

    def levels(
        self,
        tenant: str,
        meter: str,
        held: Sequence[Holding],
        filters: Mapping[str, GroupFilter],
        period: Period,
    ) -> LevelTimes:
        """For how long the level of all that is held was how high, and how high it is at the end of the period.

        Raises Unbillable for a meter that measures no level.
        """
        ...


@dataclass(frozen=True)
class MeasuredWindow:
    """One window of a line's period, cut to it, with what was measured in it."""

    start: datetime
    end: datetime
    quantity: Decimal


@dataclass(frozen=True)
class Windowed:
    """A period's windows of one size in UTC; those in which nothing was used are left out."""

    aggregation: Aggregation
    size: WindowSize
    windows: Sequence[MeasuredWindow]


class WindowedUsage(UsageMeter, Protocol):
    """What explaining asks of the meters beside what billing asks."""

    def windows(
        self,
        tenant: str,
        meter: str,
        held: Sequence[Holding],
        filters: Mapping[str, GroupFilter],
        period: Period,
        most: int,
    ) -> Windowed:
        """The same usage by the smallest windows (hours, days, months, years) of which the period has at most `most`.

        Raises NotFound for a meter that does not exist.
        """
        ...


class BilledCustomers(Protocol):
    def find(self, tenant: str, id_or_key: str) -> BilledCustomer | None:
        """A customer who was not deleted, by id or by key."""
        ...

    def billed(self, tenant: str, customer_id: str) -> BilledCustomer | None:
        """A customer who was deleted is still billed for what was used before."""
        ...


class MeteredFeatures(Protocol):
    def metered(self, tenant: str, wanted: Iterable[str]) -> Mapping[str, MeteredFeature]:
        """The features of these keys that exist and are not archived, by key."""
        ...

    def meters(self, tenant: str, wanted: Iterable[str]) -> Mapping[str, MeterFacts]:
        """The meters of those of these features that have one, by the feature's key."""
        ...


class Failure(WireModel):
    """Why one customer could not be billed, or one invoice not be pushed, in the latest run that tried."""

    tenant: str
    customer_id: str
    invoice_id: str | None = None
    run_id: str
    step: Literal["issue", "push"]
    code: str
    message: str
    failed_at: Instant
    attempts: int = 1


class Failures(Protocol):
    def of_customer(self, tenant: str, customer_id: str) -> Sequence[Failure]: ...

    def all(self, tenant: str) -> Iterable[Failure]: ...

    def record(self, failure: Failure) -> None:
        """Keep it in place of the one before; counts the attempts."""
        ...

    def clear(self, tenant: str, customer_id: str, invoice_id: str | None = None) -> None: ...


# Of a customer; whoever repeats an older one finds nothing to invoice.
MAX_ANSWERED = 20


class AnsweredRequest(WireModel):
    """An earlier request: the instants between which its invoices are owed."""

    first_due_at: Instant
    as_of: Instant


class InvoiceRequest(WireModel):
    """Somebody asked to invoice a customer now: which boundaries that covers, and whether they got their answer.

    A progressive one also bills the usage up to `as_of` of periods that have not ended. `answered` are the requests
    before, so that the same question has the same answer later on.
    """

    customer_id: str
    run_id: str
    first_due_at: Instant
    as_of: Instant
    requested_at: Instant
    is_answered: bool = False
    progressive: bool = False
    answered: tuple[AnsweredRequest, ...] = ()

    def with_itself_answered(self) -> tuple[AnsweredRequest, ...]:
        """For the request that takes its place."""
        itself = AnsweredRequest(first_due_at=self.first_due_at, as_of=self.as_of)
        others = (each for each in self.answered if each.as_of != self.as_of)
        return (*others, itself)[-MAX_ANSWERED:]

    def answered_before(self, as_of: datetime) -> "InvoiceRequest | None":
        """The request for that instant as it was answered."""
        found = next((each for each in reversed(self.answered) if each.as_of == as_of), None)
        if found is None:
            return None
        return self.model_copy(update={**dict(found), "is_answered": True, "progressive": False})


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

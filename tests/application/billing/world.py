"""Billing with its real stores on DynamoDB Local; usage, customers, features and runs are simple stand-ins."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ulid import ULID

from functions.adapters.dynamo.billing.billing_index import DynamoDueIndex
from functions.adapters.dynamo.billing.failure_store import DynamoFailures, DynamoInvoiceRequests
from functions.adapters.dynamo.billing.invoice_store import DynamoInvoices
from functions.adapters.dynamo.billing.payment_store import DynamoInvoiceDocuments, DynamoInvoicePayments
from functions.adapters.dynamo.catalog.plan_store import DynamoAddons, DynamoPlanAddons, DynamoPlans
from functions.adapters.dynamo.subscriptions.coupon_store import DynamoCoupons
from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions
from functions.adapters.dynamo.table import Table
from functions.application.billing.issue_invoice import BillingPorts, Issued, issue_invoices
from functions.application.billing.preview_invoice import PreviewPorts, Upcoming, upcoming_invoice
from functions.application.catalog.create_plan import create_plan
from functions.application.catalog.manage_coupon import create_coupon
from functions.application.catalog.manage_plan_addons import PlanAddonsOf
from functions.application.catalog.revise_plan import publish_plan
from functions.application.ports.billing import BillingRun
from functions.application.ports.gateway import PaymentUpdate
from functions.application.ports.subscriptions import BilledCustomers
from functions.application.ports.usage import MeasuredWindow, Windowed
from functions.application.subscriptions.apply_coupon import AppliedCoupons
from functions.application.subscriptions.create_subscription import (
    Catalogue,
    NewSubscription,
    PlanChoice,
    create_subscription,
)
from functions.domain.billing.invoice import BilledCustomer, InvoiceRecord
from functions.domain.billing.push import PaymentStatus
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.catalog.coupon import AppliedCoupon, Coupon
from functions.domain.catalog.plan import CustomPlan, Plan, PlanCreate
from functions.domain.catalog.pricing import Group, Needs
from functions.domain.catalog.validation import MeterFacts
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.metering.values.holding import held_within
from functions.domain.metering.values.windows import WindowSize
from functions.domain.period import Period
from functions.domain.subscriptions.subscribe import SubscriptionTerms
from functions.domain.subscriptions.subscription import MeteredFeature, Subscription
from tests.domain.builders import TOKENS, at, draft
from tests.domain.coupons import coupon_create

TENANT = "default"
ACME = "01JACMEACMEACMEACMEACMEACM"
GLOBEX = "01JGJBEXGJBEXGJBEXGJBEXGJB"
PRO = PlanChoice("pro")


@dataclass
class MovableClock:
    time: datetime

    def now(self) -> datetime:
        return self.time


@dataclass
class FakeUsage:
    """So many units a day for each subject, counted to the second; `before` runs ahead of each answer."""

    per_day: dict[str, Decimal] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    asked: list[tuple[str, tuple[str, ...], Period]] = field(default_factory=list)
    grows: bool = True
    adds: bool = True

    def reading_once(self, tenant: str) -> "FakeUsage":
        return self

    def usage(self, question: UsageQuestion) -> tuple[Decimal, dict[int, int]]:
        self.before()
        period = question.period
        self.asked.append((question.meter, tuple(each.subject for each in question.held), period))
        quantity = Decimal(0)
        for each in held_within(question.held, period.start, period.end):
            length = (each.held_to or period.end) - (each.held_from or period.start)
            quantity += self.per_day.get(each.subject, Decimal(0)) * int(length.total_seconds()) / 86400
        return quantity, {0: 17, 1: 4}

    def only_grows(self, tenant: str, meter: str) -> bool:
        return self.grows

    def adds_up(self, tenant: str, meter: str) -> bool:
        return self.adds

    def parts(self, question: UsageQuestion, needs: Needs) -> Mapping[Group, Decimal]:
        """A third of it is of one group, the rest of another."""
        quantity, _ = self.usage(question)
        if needs.time_zone:
            return {Group(hour=question.period.start): quantity / 3, Group(hour=question.period.end): quantity * 2 / 3}
        one, other = (tuple(f"{name}-{part}" for name in needs.dimensions) for part in ("a", "b"))
        return {Group(one): quantity / 3, Group(other): quantity * 2 / 3}

    def levels(self, question: UsageQuestion) -> LevelTimes:
        """As many units as are used a day elsewhere, of what is held all the time."""
        level = sum((self.per_day.get(each.subject, Decimal(0)) for each in question.held), Decimal(0))
        seconds = int(question.period.length.total_seconds())
        return LevelTimes({level: seconds} if level else {}, level)

    def windows(self, question: UsageQuestion, most: int) -> Windowed:
        """Days, for any bound."""
        period = question.period
        days, start = list[MeasuredWindow](), period.start
        while start < period.end:
            end = min(start + timedelta(days=1), period.end)
            quantity, _ = self.usage(question.within(Period(start, end)))
            days.append(MeasuredWindow(start, end, quantity))
            start = end
        return Windowed(Aggregation.SUM, WindowSize.DAY, days)


@dataclass
class FakeCustomers:
    customers: dict[str, BilledCustomer]

    def find(self, tenant: str, id_or_key: str) -> BilledCustomer | None:
        found = self.billed(tenant, id_or_key)
        return found or next((each for each in self.customers.values() if each.key == id_or_key), None)

    def billed(self, tenant: str, customer_id: str) -> BilledCustomer | None:
        return self.customers.get(customer_id) if tenant == TENANT else None


@dataclass
class FakeFeatures:
    features: dict[str, MeteredFeature]
    aggregation: Aggregation = Aggregation.SUM

    def metered(self, tenant: str, wanted: Iterable[str]) -> Mapping[str, MeteredFeature]:
        return {key: self.features[key] for key in wanted if key in self.features}

    def meters(self, tenant: str, wanted: Iterable[str]) -> Mapping[str, MeterFacts]:
        """Each is a sum, if nothing else was said, by every dimension that tests price by."""
        facts = MeterFacts("tokens_total", self.aggregation, ("model", "kind", "payment", "region"))
        return dict.fromkeys((key for key in wanted if key in self.features), facts)


@dataclass
class FakeRuns:
    started: list[BillingRun] = field(default_factory=list)
    working: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)

    def is_working(self, run_id: str) -> bool | None:
        is_known = run_id in [each.run_id for each in self.started] and run_id not in self.forgotten
        return run_id in self.working if is_known else None

    def start(self, run: BillingRun) -> None:
        if run.run_id not in [each.run_id for each in self.started]:
            self.started.append(run)


class World:
    """Everything a billing test needs, at a time that it moves."""

    def __init__(self, table: Table, now: str = "2026-05-01") -> None:
        self.clock = MovableClock(at(now))
        self.table = table
        self.plans = DynamoPlans(table)
        self.addons = DynamoAddons(table)
        self.plan_addons = DynamoPlanAddons(table)
        self.subscriptions = DynamoSubscriptions(table)
        self.invoices = DynamoInvoices(table)
        self.documents = DynamoInvoiceDocuments(table)
        self.payments = DynamoInvoicePayments(table)
        self.failures = DynamoFailures(table)
        self.coupons = DynamoCoupons(table)
        self.requests = DynamoInvoiceRequests(table)
        self.index = DynamoDueIndex(table)
        self.runs = FakeRuns()
        self.usage = FakeUsage({"acme-app": Decimal(100)})
        self.known_customers = {
            ACME: BilledCustomer(id=ACME, name="Acme Inc.", subject_keys=("acme-app",)),
            GLOBEX: BilledCustomer(id=GLOBEX, name="Globex", subject_keys=("globex-app",)),
        }
        self.customers: BilledCustomers = FakeCustomers(self.known_customers)
        self.features = FakeFeatures({"tokens": TOKENS})
        self.pays_at_once = False
        self.invoices_idle = True

    def new_id(self) -> str:
        return str(ULID())

    def draft_plan(self, *phases: dict[str, Any], **changed: Any) -> Plan:
        body = PlanCreate.model_validate(draft(*phases, **changed))
        return create_plan(TENANT, body, plans=self.plans, features=self.features, clock=self.clock, new_id=self.new_id)

    def plan(self, *phases: dict[str, Any], **changed: Any) -> Plan:
        made = self.draft_plan(*phases, **changed)
        return publish_plan(TENANT, made.id, plans=self.plans, features=self.features, clock=self.clock)

    def subscribe(
        self,
        customer_id: str = ACME,
        start: str | None = None,
        *,
        plan: PlanChoice | CustomPlan = PRO,
        timing: datetime | str = "immediate",
        **terms: Any,
    ) -> Subscription:
        timing = at(start) if start else timing
        return create_subscription(
            TENANT,
            NewSubscription(plan, customer_id, timing, SubscriptionTerms(**terms)),
            accept_past=timedelta(days=45),
            catalogue=self.catalogue,
            subscriptions=self.subscriptions,
            customers=self.customers,
            clock=self.clock,
            new_id=self.new_id,
        )

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.plans, self.features)

    @property
    def plan_addons_of(self) -> PlanAddonsOf:
        return PlanAddonsOf(self.plans, self.addons, self.plan_addons, self.clock)

    @property
    def ports(self) -> BillingPorts:
        return BillingPorts(
            self.subscriptions,
            self.invoices,
            self.customers,
            self.usage,
            self.failures,
            self.coupons,
            self.clock,
            lambda _tenant: self.invoices_idle,
        )

    @property
    def applied_coupons(self) -> AppliedCoupons:
        return AppliedCoupons(self.coupons, self.customers, self.subscriptions, self.clock, self.new_id)

    def coupon(self, off: str, duration: str = "forever", key: str = "welcome", **changed: Any) -> Coupon:
        """From words: 25 % or 5 USD; once, 3 times, until 2026-06-01 or forever."""
        return create_coupon(
            TENANT,
            coupon_create(off, duration, key, **changed),
            by="key-1",
            coupons=self.coupons,
            clock=self.clock,
            new_id=self.new_id,
        )

    def give(self, coupon: Coupon, of: Subscription | str = ACME) -> AppliedCoupon:
        use = self.applied_coupons
        holder = use.of_customer(TENANT, of) if isinstance(of, str) else use.of_subscription(TENANT, of.id)
        return use.apply(TENANT, holder, coupon.id, by="key-2")

    def issue(
        self, as_of: str | None = None, customer_id: str = ACME, run_id: str = "run-1", *, progressive: bool = False
    ) -> Issued:
        until = at(as_of) if as_of else self.clock.now()
        issued = issue_invoices(TENANT, customer_id, until, run_id, ports=self.ports, progressive=progressive)
        for record in issued.invoices if self.pays_at_once else ():
            self.settle(record.invoice.id)
        return issued

    def settle(self, invoice_id: str, status: PaymentStatus = PaymentStatus.PAID, *, returned_minor: int = 0) -> None:
        update = PaymentUpdate(status, self.clock.now(), returned_minor=returned_minor)
        assert self.payments.record_payment(TENANT, invoice_id, update)

    def preview(self, subscription_id: str, not_before: str | None = None) -> Upcoming:
        ports = PreviewPorts(
            self.subscriptions, self.customers, self.usage, self.coupons, self.invoices, self.clock, self.new_id
        )
        return upcoming_invoice(TENANT, subscription_id, at(not_before) if not_before else None, ports=ports)

    def all_invoices(self) -> list[InvoiceRecord]:
        return list(self.invoices.headers(TENANT))

"""Rate a plan, a draft as well, for what customers really used in the past, beside what their subscriptions cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice, pairwise

from functions.application.billing.rate_billables import Rater
from functions.application.billing.remember_usage import RememberedUsage
from functions.application.catalog.find_plan import find_plan
from functions.application.ports.catalog import MeteredFeatures, Plans
from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId
from functions.application.ports.subscriptions import BilledCustomers, Subscriptions
from functions.application.ports.usage import Measuring
from functions.application.subscriptions.create_subscription import Catalogue
from functions.application.subscriptions.find_customer import customer_not_found
from functions.domain.billing.backtest import Backtest, ComparedCustomer, ComparedPeriod, NotCompared
from functions.domain.billing.invoice import BilledCustomer
from functions.domain.billing.line import InvoiceLine
from functions.domain.billing.plan_commitment import with_commitment
from functions.domain.catalog.plan import CustomPlan, Plan
from functions.domain.errors import FieldError, InvalidInput, NotFound, TollboothError, TooLarge, Unbillable
from functions.domain.period import Period
from functions.domain.subscriptions.billables_within import billables_within
from functions.domain.subscriptions.item import MeteredFeature, SubscriptionItem, SubscriptionPhase
from functions.domain.subscriptions.lineage import Lineages
from functions.domain.subscriptions.subscribe import SubscriptionTerms, subscribe
from functions.domain.subscriptions.subscription import Subscription

MAX_CUSTOMERS = 100
MAX_PERIODS = 12
# Customers times periods: some dozens of reads each, which a request has 29 seconds for.
MAX_RATINGS = 200
# All customers' periods together: 200 ratings of a month and a bit. Every day is read for every usage-based rate card.
MAX_CUSTOMER_DAYS = 7_500
# Of one customer in one period on one side: a card billed by the hour has 744 in a month.
MAX_BILLABLES = 1_000
# What is not rated by then is listed, and the rest answered.
MOST_TIME = timedelta(seconds=20)
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class BacktestScope:
    """Customers by id or key; half-open past periods; the phase the plan is tried from, its last one by default."""

    customers: tuple[str, ...]
    periods: tuple[Period, ...]
    starting_phase: str | None = None


@dataclass(frozen=True)
class BacktestPorts:
    """What trying a plan out reads; it writes nothing."""

    plans: Plans
    features: MeteredFeatures
    customers: BilledCustomers
    subscriptions: Subscriptions
    usage: Measuring
    clock: Clock
    new_id: NewId


def backtest_plan(tenant: str, id_or_key: str, scope: BacktestScope, *, ports: BacktestPorts) -> Backtest:
    """Raises NotFound for the plan, InvalidInput for what is asked; a customer's own trouble is listed with the rest.

    Coupons are deducted on neither side.
    """
    began = ports.clock.now()
    plan = find_plan(tenant, id_or_key, plans=ports.plans)
    if plan.deleted_at is not None:
        raise NotFound(f"Plan {plan.label} was deleted.", code="plan_not_found")
    _require_bounded(scope, began)
    _require_phase(plan, scope.starting_phase)
    features = Catalogue(ports.plans, ports.features).features_of(tenant, plan.phases)
    trial = _Trial(tenant, plan, features, scope, ports, began)
    compared: dict[str, ComparedCustomer] = {}
    failed: list[NotCompared] = []
    for name in scope.customers:
        try:
            found = trial.customer(name)
            if found.customer.id in compared:
                raise InvalidInput("This customer is named twice, by id and by key.", code="duplicate")
            compared[found.customer.id] = found
        except TollboothError as error:
            failed.append(NotCompared(name, error.code, error.detail))
    return Backtest(plan.currency, list(compared.values()), failed)


def _require_bounded(scope: BacktestScope, now: datetime) -> None:
    problems = [
        FieldError(f"periods[{i}].to", "in_the_future", "must not be in the future: only past usage can be rated")
        for i, period in enumerate(scope.periods)
        if period.end > now
    ]
    problems += [
        FieldError(f"periods[{i}].to", "empty_period", "must be after from")
        for i, period in enumerate(scope.periods)
        if not period.length
    ]
    latest = sorted(range(len(scope.periods)), key=lambda i: scope.periods[i])
    problems += [
        FieldError(f"periods[{i}].from", "overlap", f"must not be before the end of periods[{before}]")
        for before, i in pairwise(latest)
        if scope.periods[i].start < scope.periods[before].end
    ]
    ratings = len(scope.customers) * len(scope.periods)
    if ratings > MAX_RATINGS:
        most = MAX_RATINGS // len(scope.periods)
        message = (
            f"{len(scope.customers)} customers times {len(scope.periods)} periods are {ratings}, at most {MAX_RATINGS} "
            f"can be rated at once; send at most {most} customers with these periods, in several requests"
        )
        problems.append(FieldError("customers", "too_many", message))
    seconds = len(scope.customers) * sum(int(period.length.total_seconds()) for period in scope.periods)
    if seconds > MAX_CUSTOMER_DAYS * DAY_SECONDS:
        days = -(-seconds // DAY_SECONDS)
        message = (
            f"of {len(scope.customers)} customers are {days} days together, at most {MAX_CUSTOMER_DAYS} can be rated "
            f"at once; send shorter or fewer periods, or fewer customers"
        )
        problems.append(FieldError("periods", "too_long", message))
    if problems:
        raise InvalidInput("; ".join(f"{each.field} {each.message}" for each in problems) + ".", fields=problems)


def _require_phase(plan: Plan, key: str | None) -> None:
    keys = [phase.key for phase in plan.phases]
    if key is not None and key not in keys:
        message = f"must be a phase of {plan.label}: {', '.join(keys)}"
        raise InvalidInput(f"startingPhase {message}.", fields=[FieldError("startingPhase", "unknown_phase", message)])


@dataclass(frozen=True)
class _Trial:
    tenant: str
    plan: Plan
    features: dict[str, MeteredFeature]
    scope: BacktestScope
    ports: BacktestPorts
    began: datetime

    def customer(self, name: str) -> ComparedCustomer:
        customer = self.ports.customers.find(self.tenant, name)
        if customer is None:
            raise customer_not_found(name)
        usage = RememberedUsage(self.ports.usage.reading_once(self.tenant))
        present = self._present(customer)
        tried = self._subscribed(customer, present)
        periods = []
        for period in sorted(self.scope.periods):
            self._require_time()
            rater = Rater(self.tenant, customer.holdings, usage, Lineages([*present, tried], period))
            old = [line for each in present for line in self._lines(rater, each, period)]
            periods.append(ComparedPeriod(period, old, self._lines(rater, tried, period)))
        return ComparedCustomer(customer, periods)

    def _require_time(self) -> None:
        if self.ports.clock.now() - self.began > MOST_TIME:
            message = "There was no time left for this customer; ask again for those that are listed so."
            raise TooLarge(message, code="no_time_left")

    def _present(self, customer: BilledCustomer) -> list[Subscription]:
        """All that served in one of the periods, ended ones too."""
        found = [
            each
            for each in self.ports.subscriptions.of_customer(self.tenant, customer.id)
            if any(next(billables_within(each, period), None) for period in self.scope.periods)
        ]
        other = next((each for each in found if each.currency != self.plan.currency), None)
        if other is not None:
            message = (
                f"Subscription {other.id} is in {other.currency}, the plan in {self.plan.currency}: "
                "amounts of two currencies cannot be compared."
            )
            raise Unbillable(message, code="currency_mismatch")
        return found

    def _subscribed(self, customer: BilledCustomer, present: Sequence[Subscription]) -> Subscription:
        """As if the customer had been on the plan since the first period, billed on the days it is billed on now."""
        start = min(self.scope.periods).start
        # A subscription takes active versions only; what is tried out may be a draft, and has no version then.
        offer = CustomPlan.model_construct(**{name: getattr(self.plan, name) for name in CustomPlan.model_fields})
        return subscribe(
            offer,
            new_id=self.ports.new_id,
            customer_id=customer.id,
            features=self.features,
            start=start,
            now=start,
            terms=SubscriptionTerms(
                anchor=present[-1].billing_anchor if present else start,
                time_zone=present[-1].time_zone if present else customer.time_zone,
                starting_phase=self.scope.starting_phase or self.plan.phases[-1].key,
            ),
        )

    def _lines(self, rater: Rater, subscription: Subscription, period: Period) -> list[InvoiceLine]:
        billables = list(islice(billables_within(subscription, period), MAX_BILLABLES + 1))
        if len(billables) > MAX_BILLABLES:
            message = f"{subscription.label} has more than {MAX_BILLABLES} billable periods there; choose shorter ones."
            raise TooLarge(message)
        lines = rater.lines(subscription, billables, self.ports.clock.now().replace(microsecond=0))
        return list(_committed(subscription, lines, rater.lineages))


def _billed_to(at: datetime, _phase: SubscriptionPhase, item: SubscriptionItem) -> SubscriptionItem:
    return item.model_copy(update={"billed_to": at, "split": None})


def _committed(subscription: Subscription, lines: Sequence[InvoiceLine], lineages: Lineages) -> Iterator[InvoiceLine]:
    """As they would be invoiced, period by period."""
    anew = subscription.model_copy(update={"usage_billed": None})
    for at in sorted({line.invoice_at for line in lines}):
        after = anew.with_items(partial(_billed_to, at))
        owed, came_to = with_commitment(after, [line for line in lines if line.invoice_at == at], at, lineages)
        anew = anew.with_usage_billed(came_to)
        yield from owed

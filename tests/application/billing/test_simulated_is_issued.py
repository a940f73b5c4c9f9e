"""What is simulated or looked ahead at is what the run issues: for random plans, usage and changes of plan."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.application.billing.rate_billables import Rater
from functions.application.billing.simulate_invoice import simulate_invoice
from functions.domain.billing.explanation import steps_of
from functions.domain.billing.invoice import Invoice
from functions.domain.billing.line import InvoiceLine
from functions.domain.billing.simulation import InvoiceSimulation
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.catalog.plan import Plan, ProRating
from functions.domain.catalog.pricing import Group
from functions.domain.metering.values.holding import held_ever
from functions.domain.period import Cadence, Period
from functions.domain.subscriptions.billables_within import billables_within
from functions.domain.subscriptions.lineage import Lineages
from functions.domain.subscriptions.subscribe import SubscriptionTerms, subscribe
from functions.domain.subscriptions.subscription import MeteredFeature, Subscription
from functions.handlers.edge import json_body
from tests.application.billing.memory import Billing
from tests.application.billing.world import ACME, TENANT, FakeUsage
from tests.domain.builders import at, draft, phase
from tests.domain.catalog.test_pricing import GRADUATED, GRADUATED_SHARE, HOURS, MATRIX, PACKAGE, SHARE, VOLUME

START = at("2026-01-31")
AMOUNT = st.decimals(0, 1000, places=6).map(lambda amount: f"{amount:f}")
PRICES: list[dict[str, Any]] = [
    {"type": "unit", "amount": "0.0000025"},
    {"type": "unit", "amount": "1.5"},
    {"type": "dynamic", "multiplier": "1.0725"},
    PACKAGE,
    GRADUATED,
    VOLUME,
    SHARE,
    GRADUATED_SHARE,
    MATRIX,
    HOURS,
    GRADUATED | {"prorated": True},
    VOLUME | {"prorated": True},
]
COMMITMENTS = st.sampled_from(
    [{}, {"minimumAmount": "50"}, {"maximumAmount": "120"}, {"minimumAmount": "7", "maximumAmount": "70"}]
)
CONVERSIONS = st.sampled_from([None, {"operation": "divide", "conversionFactor": "1000", "rounding": "ceiling"}])


@st.composite
def usage_card(draw: st.DrawFn, number: int, cadence: str) -> dict[str, Any]:
    price = draw(st.sampled_from(PRICES)) | draw(COMMITMENTS)
    discounts: dict[str, Any] = {}
    if draw(st.booleans()):
        discounts["percentage"] = {"percentage": draw(st.sampled_from([10, 33, 100]))}
    if price["type"] not in ("matrix", "time_of_day") and "prorated" not in price and draw(st.booleans()):
        discounts["usage"] = {"quantity": draw(st.sampled_from(["10", "2500"]))}
    key = f"metered_{number}"
    return {
        "type": "usage_based",
        "key": key,
        "name": key,
        "featureKey": key,
        "billingCadence": draw(st.sampled_from([cadence, "P1D"])) if cadence == "P1W" else cadence,
        "price": price,
        "discounts": discounts or None,
        "unitConfig": draw(CONVERSIONS),
    }


@st.composite
def fee_card(draw: st.DrawFn, number: int, cadence: str) -> dict[str, Any]:
    price = {"type": "flat", "amount": draw(AMOUNT), "paymentTerm": draw(st.sampled_from(["in_advance", "in_arrears"]))}
    discounts = {"percentage": {"percentage": 15}} if draw(st.booleans()) else None
    key = f"fee_{number}"
    card = {"type": "flat_fee", "key": key, "name": key, "billingCadence": draw(st.sampled_from([cadence, None]))}
    return card | {"price": price, "discounts": discounts}


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    cadence = draw(st.sampled_from(["P1M", "P1W"]))
    cards = [draw(usage_card(n, cadence)) for n in range(draw(st.integers(1, 3)))]
    cards += [draw(fee_card(n, cadence)) for n in range(draw(st.integers(0, 2)))]
    times = {"createdAt": START, "updatedAt": START, "effectiveFrom": START}
    body = draft(phase(*cards), billingCadence=cadence, currency=draw(st.sampled_from(["USD", "JPY", "KWD"])))
    return Plan.model_validate(body | times | {"id": "01PLAN", "version": 1})


def subscribed(plan: Plan, start: datetime, **terms: Any) -> Subscription:
    numbers = count(1)
    cards = [card for each in plan.phases for card in each.rate_cards]
    features = {
        card.feature_key: MeteredFeature(
            id="01F", key=card.feature_key, name="F", meter_slug=f"{card.feature_key}_meter"
        )
        for card in cards
        if card.feature_key
    }
    return subscribe(
        plan,
        new_id=lambda: f"01ID{next(numbers):022d}",
        customer_id=ACME,
        features=features,
        start=start,
        now=start,
        terms=SubscriptionTerms(**terms),
    )


def simulated(invoice: Invoice, billing: Billing, changed_at: datetime | None = None) -> Invoice:
    """The invoice again from nothing but its prices and measured quantities, through the shape of the API."""
    body = {"currency": invoice.currency, "lines": [as_input(line, billing, changed_at) for line in invoice.lines]}
    simulation = InvoiceSimulation.model_validate(json_body.parse(json_body.encode(body).encode()))
    ids = count(1)
    return simulate_invoice(
        TENANT,
        ACME,
        simulation,
        customers=billing.customers,
        clock=billing.clock,
        new_id=lambda: f"{next(ids):026d}",
    )


def as_input(line: InvoiceLine, billing: Billing, changed_at: datetime | None) -> dict[str, Any]:
    card: dict[str, Any] = {"price": line.price.model_dump(mode="json", by_alias=True)}
    if line.rate_discounts:
        card["discounts"] = line.rate_discounts.model_dump(mode="json", by_alias=True)
    if line.unit_config:
        card["unitConfig"] = line.unit_config.model_dump(mode="json", by_alias=True)
    wire = {
        "name": line.name,
        "period": {"from": line.period_start, "to": line.period_end},
        "invoiceAt": line.invoice_at,
        "rateCard": card,
        "quantity": f"{line.usage.quantity:f}" if line.usage else "1",
    }
    is_carried = line.period_start == changed_at and line.price.is_splittable
    if is_carried and line.working:
        # The subscription before has billed it: nothing of it counts for this one's maximum.
        before = f"{line.working.metered_before:f}"
        wire |= {"preLinePeriodQuantity": before, "position": "last", "previouslyBilledAmount": "0"}
    if line.price.needs.levels and line.usage:
        levels = billing.usage.levels(UsageQuestion(TENANT, "", line.usage.holdings, {}, _period(line)))
        wire["parts"] = [{"level": f"{each:f}", "quantity": wire["quantity"]} for each in levels.seconds]
    elif line.price.needs and line.usage:
        parts = billing.usage.parts(UsageQuestion(TENANT, "", line.usage.holdings, {}, _period(line)), line.price.needs)
        wire["parts"] = [_part(line, group) | {"quantity": f"{part:f}"} for group, part in parts.items()]
    return wire


def _part(line: InvoiceLine, group: Group) -> dict[str, Any]:
    if group.hour:
        return {"hour": group.hour}
    return {"groupBy": dict(zip(line.price.needs.dimensions, group.values, strict=True))}


def _period(line: InvoiceLine) -> Period:
    return Period(line.period_start, line.period_end)


def working(invoice: Invoice) -> list[Any]:
    return [(line.charges, line.working, line.total_minor, line.discounts) for line in invoice.lines]


# A third of it is one part: a multiple of three cuts exactly.
PER_DAY = st.sampled_from([Decimal(text) for text in ("0", "0.3", "3", "33", "2700", "300000")])


@settings(max_examples=150, deadline=None)
@given(plan=plans(), per_day=PER_DAY, months=st.integers(1, 2))
def test_simulating_the_measured_quantities_is_the_real_run(plan: Plan, per_day: Decimal, months: int) -> None:
    until = START + timedelta(days=31 * months)
    billing = Billing(FakeUsage({"acme-app": per_day}), until, subscribed(plan, START))
    for invoice in billing.issue():
        if any(line.carried for line in invoice.lines):
            continue  # a simulation knows no earlier periods
        tried = simulated(invoice, billing)
        assert working(tried) == working(invoice)
        ends = [steps_of(line, invoice.currency)[-1].amount_minor_after for line in invoice.lines]
        assert ends == [line.total_minor for line in invoice.lines], "the steps lead to the total"
        assert (tried.total_minor, tried.discounts_minor, tried.commitments_minor) == (
            invoice.total_minor,
            invoice.discounts_minor,
            invoice.commitments_minor,
        )


@settings(max_examples=100, deadline=None)
@given(plan=plans(), per_day=PER_DAY, days=st.integers(1, 6))
def test_usage_carried_over_is_what_was_before_the_line(plan: Plan, per_day: Decimal, days: int) -> None:
    """A change of plan inside a period: tiers go on where the subscription before left them.

    Commitments hold for the whole period here: a simulation prorates nothing.
    """
    plan = plan.model_copy(update={"pro_rating_config": ProRating(enabled=False)})
    changed_at = START + timedelta(days=days, hours=6)
    keys = [card.feature_key for card in plan.phases[0].rate_cards if card.feature_key]
    subscription = subscribed(plan, changed_at, anchor=START, counts_from=dict.fromkeys(keys, START))
    end = Cadence.parse(plan.billing_cadence).after(START, 1)
    billing = Billing(FakeUsage({"acme-app": per_day}), end, subscription)
    for invoice in billing.issue():
        # A fee of which only a part is owed is given as that part: nothing is prorated in a simulation.
        # Nor does it know the parts of what was used before.
        lines = tuple(line for line in invoice.lines if line.usage and not line.price.needs and not line.carried)
        metered = invoice.model_copy(update={"lines": lines})
        if metered.lines:
            assert working(simulated(metered, billing, changed_at)) == working(metered)


@settings(max_examples=150, deadline=None)
@given(plan=plans(), per_day=PER_DAY)
def test_the_preview_at_the_end_of_the_period_is_the_invoice_issued(plan: Plan, per_day: Decimal) -> None:
    subscription = subscribed(plan, START)
    billing = Billing(FakeUsage({"acme-app": per_day}), START, subscription)
    billing.issue()
    end = billing.subscriptions.stored[subscription.id].next_due_at()
    assert end is not None
    billing.clock.time = end

    looked_ahead = billing.preview(subscription.id)
    before = dict(billing.subscriptions.stored), dict(billing.invoices.stored)
    (issued, *_) = billing.issue()

    assert looked_ahead.invoice.lines == issued.lines
    assert looked_ahead.invoice.total_minor == issued.total_minor
    assert issued.id not in before[1], "looking ahead stores nothing"


@settings(max_examples=100, deadline=None)
@given(plan=plans(), per_day=PER_DAY, cut=st.integers(1, 3))
def test_windows_of_whole_periods_cost_what_was_invoiced_for_them(plan: Plan, per_day: Decimal, cut: int) -> None:
    """However the past is cut at boundaries, each billable period is in one window, at the amount of its invoice."""
    subscription = subscribed(plan, START)
    boundaries = [Cadence.parse(plan.billing_cadence).after(START, n) for n in range(5)]
    billing = Billing(FakeUsage({"acme-app": per_day}), boundaries[-1], subscription)
    issued = [line for invoice in billing.issue() for line in invoice.lines]
    billed = billing.subscriptions.stored[subscription.id]

    rater = Rater(TENANT, held_ever(["acme-app"]), billing.usage, Lineages([]))
    windows = [Period(boundaries[0], boundaries[cut]), Period(boundaries[cut], boundaries[-1])]
    again = [line for window in windows for line in rater.lines(billed, billables_within(billed, window), START)]

    # Seen alone, a period carries nothing.
    carried = {(line.item_key, line.period_start) for line in issued if line.carried}

    def costs(lines: list[InvoiceLine]) -> list[Any]:
        # A fee paid in advance for the time behind the last window is on an invoice already.
        inside = [line for line in lines if line.period_start < boundaries[-1]]
        inside = [line for line in inside if (line.item_key, line.period_start) not in carried]
        return sorted((line.item_key, line.period_start, line.period_end, line.total_minor) for line in inside)

    assert costs(again) == costs(issued)

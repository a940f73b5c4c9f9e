from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.billing.rating import RatedPeriod, rate
from functions.domain.subscriptions.subscription import BillablePeriod
from tests.domain.builders import at, flat, phase, plan, subscription, unit


def billable(
    card: dict[str, Any], start: str = "2026-04-01", *, anchor: str | None = None, currency: str = "USD"
) -> BillablePeriod:
    of = subscription(plan(phase(card), currency=currency), start, anchor=anchor)
    due = of.next_due_at()
    assert due is not None
    return of.billables_due_at(due)[0]


def rated(
    card: dict[str, Any],
    quantity: str | None,
    currency: str = "USD",
    *,
    start: str = "2026-04-01",
    anchor: str | None = None,
) -> RatedPeriod:
    of = billable(card, start, anchor=anchor, currency=currency)
    return rate(of, Decimal(quantity) if quantity else None, currency, prorate=True)


@pytest.mark.parametrize(
    ("amount", "quantity", "currency", "minor"),
    [
        ("0.0000025", "1234567", "USD", 309),
        ("0.005", "1", "USD", 1),
        ("0.0049999", "1", "USD", 0),
        ("0.5", "1", "JPY", 1),
        ("0.4999", "1", "JPY", 0),
        ("0.005", "1", "KWD", 10),
        ("12.345", "1", "KWD", 12350),
        ("1", "99999999999999999999999999999999999999", "USD", 9999999999999999999999999999999999999900),
        ("0", "5", "USD", 0),
        ("7", "0", "USD", 0),
    ],
)
def test_usage_is_rounded_half_away_from_zero_once_in_the_digits_of_its_currency(
    amount: str, quantity: str, currency: str, minor: int
) -> None:
    assert rated(unit(amount), quantity, currency).total.minor == minor


@pytest.mark.parametrize(
    ("start", "anchor", "minor"),
    [
        ("2026-04-01", "2026-04-01", 3000),
        ("2026-04-16", "2026-04-01", 1500),
        ("2026-04-30T23:59:59", "2026-04-01", 0),
        ("2026-04-30T12:00:00", "2026-04-01", 50),
        ("2026-02-15", "2026-02-01", 1500),
        ("2028-02-15", "2028-02-01", 1552),
    ],
)
def test_a_fee_is_owed_for_its_part_of_the_period_to_the_second(start: str, anchor: str, minor: int) -> None:
    assert rated(flat("30"), None, start=start, anchor=anchor).total.minor == minor


def test_with_proration_off_a_part_costs_the_whole() -> None:
    part = billable(flat("30"), "2026-04-16", anchor="2026-04-01")

    assert rate(part, None, "USD", prorate=False).total.minor == 3000


def test_a_prorated_fee_shows_the_amount_that_it_costs() -> None:
    charge = rated(flat("10"), None, start="2026-04-21", anchor="2026-04-01").charges[0].charge

    assert (charge.quantity, charge.unit_amount) == (Decimal(1), Decimal("3.33"))


def test_the_working_explains_the_total() -> None:
    result = rated(unit("0.25"), "10")

    assert [(each.charge.reference, each.charge.quantity, each.charge.unit_amount) for each in result.charges] == [
        ("unit-price-usage", Decimal(10), Decimal("0.25"))
    ]
    assert sum(each.amount.minor for each in result.charges) == result.total.minor == 250


def test_no_usage_still_makes_a_line_but_a_fee_of_nothing_does_not() -> None:
    assert rated(unit(), "0").is_worth_a_line
    assert not rated(flat("0"), None).is_worth_a_line
    assert not rated(flat("1"), None, start="2026-04-30T23:59:59", anchor="2026-04-01").is_worth_a_line


@given(st.integers(1, 30 * 24 * 3600 - 1), st.decimals("0.01", 10**6, places=2))
def test_a_fee_cut_in_two_adds_up_to_the_whole_within_one_minor_unit(cut: int, amount: Decimal) -> None:
    middle = (at("2026-04-01") + timedelta(seconds=cut)).isoformat()[:19]
    of = subscription(plan(phase(flat(str(amount), term="in_arrears"))), "2026-04-01")
    ended = of.cancelled(at(middle), at(middle))
    first = rate(ended.billables_due_at(at(middle))[0], None, "USD", prorate=True)
    second = rate(billable(flat(str(amount)), middle, anchor="2026-04-01"), None, "USD", prorate=True)

    assert abs((first.total + second.total).minor - int(amount * 100)) <= 1


@given(st.decimals(0, 10**9, places=6), st.decimals(0, 10**9, places=6), st.decimals(0, 10, places=7))
def test_more_usage_never_costs_less(one: Decimal, other: Decimal, amount: Decimal) -> None:
    of = billable(unit(f"{amount:f}"))
    low, high = sorted((one, other))

    assert rate(of, low, "USD", prorate=True).total <= rate(of, high, "USD", prorate=True).total

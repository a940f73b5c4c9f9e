from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from functions.domain.money import EXACT
from functions.domain.period import Period
from functions.domain.subscriptions.proration import prorated
from tests.domain.builders import at

APRIL = Period(at("2026-04-01"), at("2026-05-01"))
SECONDS = 30 * 24 * 3600


def test_half_a_month_costs_half() -> None:
    assert prorated(Decimal("10"), Period(at("2026-04-16"), APRIL.end), APRIL) == Decimal(5)


def test_one_second_of_april_is_exact() -> None:
    second = Period(APRIL.start, APRIL.start + timedelta(seconds=1))

    assert prorated(Decimal(SECONDS), second, APRIL) == Decimal(1)


def test_a_whole_a_longer_and_an_empty_period_cost_the_whole_fee() -> None:
    longer, empty = Period(APRIL.start, at("2026-05-02")), Period(APRIL.start, APRIL.start)

    assert {prorated(Decimal(10), each, APRIL) for each in (APRIL, longer, empty)} == {Decimal(10)}


@given(st.integers(1, SECONDS - 1), st.decimals(0, 10**9, places=6))
def test_a_period_cut_in_two_adds_up_to_the_whole(cut: int, amount: Decimal) -> None:
    middle = APRIL.start + timedelta(seconds=cut)
    parts = [prorated(amount, Period(*ends), APRIL) for ends in ((APRIL.start, middle), (middle, APRIL.end))]

    assert abs(EXACT.subtract(EXACT.add(*parts), amount)) < Decimal("1e-60")


@given(st.integers(1, SECONDS), st.integers(1, SECONDS))
def test_a_longer_period_never_costs_less(one: int, other: int) -> None:
    short, long = sorted((one, other))
    costs = [
        prorated(Decimal("99.99"), Period(APRIL.start, APRIL.start + timedelta(seconds=n)), APRIL)
        for n in (short, long)
    ]

    assert costs[0] <= costs[1] <= Decimal("99.99")

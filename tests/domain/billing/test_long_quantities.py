"""Sums of usage may have more digits than decimals are rounded to when nobody says how: none of them is lost."""

from collections.abc import Iterator
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction
from typing import Any

import pytest

from functions.domain.billing.explanation import steps_of
from functions.domain.billing.simulation import InvoiceSimulation, SimulatedLine
from functions.domain.money import Money
from tests.domain.catalog import test_pricing as prices

LONG = "9" * 20 + "." + "123456789012345679"
EARLIER = "1000000.000000000000000001"
PARTS = ["9" * 19 + ".123456789012345679", "0.000000000000000001", "9" * 19 + ".123456789012345679"]
DISCOUNTS = {"usage": {"quantity": "12345678901234567.123456789012345678"}, "percentage": {"percentage": 12.5}}
THOUSANDTH = {"operation": "multiply", "conversionFactor": "0.001"}


@pytest.fixture(autouse=True)
def nothing_is_rounded_by_accident() -> Iterator[None]:
    with localcontext(Context(prec=28, traps=[Inexact])):
        yield


def line(price: dict[str, Any], quantity: str, **more: Any) -> SimulatedLine:
    card: dict[str, Any] = {
        "price": price,
        **{name: more.pop(name) for name in ("discounts", "unitConfig") if name in more},
    }
    body = {
        "name": "Tokens",
        "period": {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"},
        "invoiceAt": "2026-02-01T00:00:00Z",
        "rateCard": card,
        "quantity": quantity,
        **more,
    }
    return InvoiceSimulation.model_validate({"currency": "USD", "lines": [body]}).lines[0]


@pytest.mark.parametrize(
    ("price", "below"),
    [(prices.UNIT, 0), (prices.GRADUATED, 15), (prices.GRADUATED_SHARE, 5_000), (prices.SHARE, 100)],
)
def test_every_digit_of_a_quantity_is_on_its_line(price: dict[str, Any], below: int) -> None:
    """`below` is in cheaper tiers or free."""
    sold = line(price, LONG, discounts=DISCOUNTS, unitConfig=THOUSANDTH, preLinePeriodQuantity=EARLIER)
    shown = sold.line("01J9Z3K4M5N6P7Q8R9S0T1V2W3", "USD")
    working = shown.working
    assert working is not None
    assert working.metered == Decimal(LONG)
    priced = Fraction(working.priced) + Fraction(working.priced_before)
    free = Fraction(working.free_units) + Fraction(working.free_units_before)
    assert priced + free == (Fraction(LONG) + Fraction(EARLIER)) / 1000
    assert max(Fraction(each.quantity) for each in shown.charges) == Fraction(working.priced) - below
    discount = next(step for step in steps_of(shown, "USD") if step.name == "usage_discount")
    assert discount.quantity is not None
    assert Fraction(discount.quantity) == -Fraction(working.free_units)


@pytest.mark.parametrize("price", [prices.PACKAGE, prices.VOLUME, {"type": "dynamic", "multiplier": "1.5"}])
def test_a_price_of_the_whole_takes_every_digit(price: dict[str, Any]) -> None:
    rated = line(price, LONG, unitConfig=THOUSANDTH).rated("USD")
    exact = Fraction(LONG) / 1000
    expected = {
        "package": Fraction(-(-exact // 20) * 10),
        "tiered": exact,
        "dynamic": exact * 3 / 2,
    }[price["type"]]
    assert abs(Fraction(rated.total.minor, 100) - expected) <= Fraction(1, 200)


def test_parts_of_one_group_add_up_to_the_last_digit() -> None:
    whole = sum(map(Fraction, PARTS))
    of_model = {"groupBy": {"model": "large", "kind": "input"}}
    quantity = f"{2 * 10**19 - 2}.246913578024691359"
    sold = line(prices.MATRIX, quantity, parts=[{**of_model, "quantity": part} for part in PARTS])
    assert [Fraction(part) for part in sold.groups.values()] == [whole]
    assert [Fraction(charge.quantity) for charge in sold.line("x", "USD").charges] == [whole]


def test_money_is_split_by_long_weights() -> None:
    weights = [Decimal(LONG), Decimal("0.000000000000000001"), Decimal(LONG)]
    assert [each.minor for each in Money(101, "USD").allocate(weights)] == [51, 0, 50]

"""Amounts of random rate cards against a recount in fractions that shares no code with the rating pipeline."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from functions.domain.billing.rating import Pricing, rate_usage
from functions.domain.catalog.pricing import LineUsage
from functions.domain.catalog.rate_card import RateCard
from functions.domain.money import Money
from tests.domain.builders import unit

CARD: TypeAdapter[Any] = TypeAdapter(RateCard)
DIGITS = {"USD": 2, "JPY": 0, "KWD": 2}  # that are collected
MINOR = {"USD": 1, "JPY": 1, "KWD": 10}  # in each of them
SPLITTABLE = ("unit", "package", "graduated", "dynamic", "percentage", "graduated_percentage")


def decimals(most: int, places: int, least: str = "0") -> st.SearchStrategy[str]:
    return st.decimals(Decimal(least), most, places=places).map(lambda value: f"{value:f}")


AMOUNT = st.one_of(decimals(50, 2), decimals(1, 7), st.sampled_from(["0", "0.0000025", "0.000000000000000001"]))
BOUNDS = st.lists(st.integers(1, 3_000), unique=True, max_size=4).map(sorted)
QUANTITY = st.one_of(
    st.integers(0, 5_000).map(Decimal),
    st.decimals(0, 5_000, places=6),
    st.sampled_from([Decimal(0), Decimal(1000), Decimal("1000.000001"), Decimal("9" * 20)]),
)


def _tiers(draw: st.DrawFn, bounds: list[int]) -> Iterator[dict[str, Any]]:
    for bound in [*bounds, None]:
        flat, price = draw(st.none() | AMOUNT), draw(AMOUNT)
        tier: dict[str, Any] = {"unitPrice": {"type": "unit", "amount": price}}
        if flat is not None:
            tier["flatPrice"] = {"type": "flat", "amount": flat}
        yield tier | ({"upToAmount": str(bound)} if bound else {})


def _shares(draw: st.DrawFn, bounds: list[int]) -> Iterator[dict[str, Any]]:
    for tier in _tiers(draw, bounds):
        del tier["unitPrice"]
        yield tier | {"rate": draw(decimals(100, 4))}


@st.composite
def cards(draw: st.DrawFn, kinds: tuple[str, ...] = (*SPLITTABLE, "volume")) -> dict[str, Any]:
    kind, bounds = draw(st.sampled_from(kinds)), draw(BOUNDS)
    price: dict[str, Any]
    match kind:
        case "unit":
            price = {"type": "unit", "amount": draw(AMOUNT)}
        case "package":
            size = draw(decimals(1_000, 3, least="0.001"))
            price = {"type": "package", "amount": draw(AMOUNT), "quantityPerPackage": size}
        case "dynamic":
            price = {"type": "dynamic", "multiplier": draw(AMOUNT)}
        case "percentage":
            price = {"type": "percentage", "rate": draw(decimals(1_000, 4)), "freeAmount": draw(decimals(900, 2))}
        case "graduated_percentage":
            price = {"type": kind, "tiers": list(_shares(draw, bounds))}
        case _:
            price = {"type": "tiered", "mode": kind, "tiers": list(_tiers(draw, bounds))}
    least, most = sorted((draw(decimals(500, 3)), draw(decimals(500, 3))), key=Fraction)
    price |= draw(st.sampled_from([{}, {"minimumAmount": least}, {"maximumAmount": most}]))
    if draw(st.booleans()):
        price |= {"minimumAmount": least, "maximumAmount": most}
    discounts: dict[str, Any] = {}
    if draw(st.booleans()):
        discounts["percentage"] = {"percentage": draw(st.sampled_from([0, 12.5, 33.333333, 50, 100]))}
    if draw(st.booleans()):
        discounts["usage"] = {"quantity": draw(decimals(2_000, 3, least="0.001"))}
    card = unit() | {"price": price} | ({"discounts": discounts} if discounts else {})
    if draw(st.booleans()):
        card["unitConfig"] = {
            "operation": draw(st.sampled_from(["multiply", "divide"])),
            "conversionFactor": draw(st.sampled_from(["3", "7", "1000", "0.001", "0.37"])),
            "rounding": draw(st.sampled_from(["none", "ceiling", "floor", "half_up"])),
            "precision": draw(st.integers(0, 3)),
        }
    return card


def rounded(value: Fraction, digits: int) -> int:
    """Half away from zero; every value here is at least zero."""
    scale: int = 10**digits
    return floor(value * scale + Fraction(1, 2))


def in_units(card: dict[str, Any], quantity: Fraction) -> Fraction:
    config = card.get("unitConfig")
    if config is None:
        return quantity
    factor = Fraction(config["conversionFactor"])
    found = quantity * factor if config["operation"] == "multiply" else quantity / factor
    scale = 10 ** config["precision"]
    match config["rounding"]:
        case "ceiling":
            return Fraction(ceil(found * scale), scale)
        case "floor":
            return Fraction(floor(found * scale), scale)
        case "half_up":
            return Fraction(rounded(found, config["precision"]), scale)
    return found if config["operation"] == "multiply" else Fraction(rounded(found, 18), 10**18)


@dataclass(frozen=True)
class Line:
    before: Fraction
    after: Fraction
    is_first: bool
    is_last: bool


def charges(price: dict[str, Any], line: Line) -> list[Fraction]:
    used = line.after - line.before
    match price["type"], price.get("mode"):
        case "unit", _:
            return [used * Fraction(price["amount"])]
        case "dynamic", _:
            return [used * Fraction(price["multiplier"])]
        case "package", _:
            size = Fraction(price["quantityPerPackage"])
            had = 0 if line.is_first else ceil(line.before / size)
            return [(ceil(line.after / size) - had) * Fraction(price["amount"])]
        case "percentage", _:
            free, nothing = Fraction(price["freeAmount"]), Fraction(0)
            return [
                (max(line.after - free, nothing) - max(line.before - free, nothing)) * Fraction(price["rate"]) / 100
            ]
        case _, "volume":
            if not line.is_last:
                return []
            bounds = [Fraction(tier["upToAmount"]) for tier in price["tiers"][:-1]]
            tier = price["tiers"][sum(bound < line.after for bound in bounds)]
            return [flat_of(tier), line.after * Fraction(tier["unitPrice"]["amount"])]
    found, lower = [], Fraction(0)
    for n, tier in enumerate(price["tiers"]):
        upper = Fraction(tier["upToAmount"]) if "upToAmount" in tier else line.after
        inside = max(min(upper, line.after) - max(lower, line.before), Fraction(0))
        part = Fraction(tier["rate"]) / 100 if "rate" in tier else Fraction(tier["unitPrice"]["amount"])
        found.append(inside * part)
        if line.is_first if n == 0 else line.before <= lower < line.after:
            found.append(flat_of(tier))
        lower = upper
    return found


def flat_of(tier: dict[str, Any]) -> Fraction:
    return Fraction(tier["flatPrice"]["amount"]) if "flatPrice" in tier else Fraction(0)


def expected(card: dict[str, Any], line: Line, digits: int, billed: int) -> int:
    """Minor units of the line when the lines before it in its period came to `billed`.

    What the period has come to with the line, less what it had come to before it.
    """
    price, discounts = card["price"], card.get("discounts", {})
    free = Fraction(discounts["usage"]["quantity"]) if "usage" in discounts else Fraction(0)
    before, after = (max(in_units(card, each) - free, Fraction(0)) for each in (line.before, line.after))
    part = Fraction(str(discounts["percentage"]["percentage"])) / 100 if "percentage" in discounts else Fraction(0)

    def progressive(used: Fraction, *, is_last: bool) -> int:
        whole = [rounded(charge, digits) for charge in charges(price, Line(Fraction(0), used, True, is_last))]
        return sum(minor - rounded(Fraction(minor, 10**digits) * part, digits) for minor in whole)

    total = progressive(after, is_last=line.is_last) - (0 if line.is_first else progressive(before, is_last=False))
    if "maximumAmount" in price:
        total = max(min(total, rounded(Fraction(price["maximumAmount"]), digits) - billed), 0)
    if "minimumAmount" in price and line.is_last:
        total = max(total, rounded(Fraction(price["minimumAmount"]), digits) - billed)
    return total


def rate(card: dict[str, Any], line: Line, currency: str, billed: int) -> int:
    before, quantity = (
        Decimal(each.numerator) / Decimal(each.denominator) for each in (line.before, line.after - line.before)
    )
    usage = LineUsage(quantity, before, line.is_first, line.is_last)
    rated = rate_usage(Pricing.of(CARD.validate_python(card)), usage, currency, Money(billed, currency))
    assert rated.total.minor == sum(each.total.minor for each in rated.charges)
    return rated.total.minor


@pytest.mark.parametrize("currency", DIGITS)
@settings(max_examples=300, deadline=None)
@given(card=cards(), quantity=QUANTITY)
def test_a_line_costs_what_a_recount_by_hand_says(currency: str, card: dict[str, Any], quantity: Decimal) -> None:
    line = Line(Fraction(0), Fraction(quantity), is_first=True, is_last=True)

    assert rate(card, line, currency, 0) == MINOR[currency] * expected(card, line, DIGITS[currency], 0)


@settings(max_examples=400, deadline=None)
@given(card=cards(), totals=st.lists(QUANTITY, min_size=1, max_size=5).map(sorted))
def test_split_lines_cost_what_a_recount_by_hand_says(card: dict[str, Any], totals: list[Decimal]) -> None:
    billed = 0
    for n, (before, after) in enumerate(pairwise([Decimal(0), *totals])):
        line = Line(Fraction(before), Fraction(after), is_first=n == 0, is_last=n == len(totals) - 1)
        found = rate(card, line, "USD", billed)

        assert found == expected(card, line, DIGITS["USD"], billed)
        billed += found

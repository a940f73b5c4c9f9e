"""Random lives of a subscription against a count in fractions that shares no code with what bills them.

Amounts are whole cents and quantities whole units, so that nothing is rounded but what is prorated.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.application.billing.test_pieces import START, Life, Used
from tests.domain.catalog.test_pricing import UNIT

SECONDS = 30 * 86_400  # of June
Tier = tuple[int | None, int]  # up to so many units, cents each


@dataclass(frozen=True)
class Price:
    """In cents; tiers of one are a price by unit."""

    tiers: tuple[Tier, ...]
    least: int | None = None
    most: int | None = None

    def as_api(self) -> dict[str, Any]:
        limits = {"minimumAmount": self.least, "maximumAmount": self.most}
        more = {name: f"{Decimal(cents) / 100:f}" for name, cents in limits.items() if cents is not None}
        if len(self.tiers) == 1:
            return UNIT | {"amount": f"{Decimal(self.tiers[0][1]) / 100:f}"} | more
        shown = [
            {"unitPrice": {"type": "unit", "amount": f"{Decimal(cents) / 100:f}"}, "flatPrice": None}
            | ({} if end is None else {"upToAmount": str(end)})
            for end, cents in self.tiers
        ]
        return {"type": "tiered", "mode": "graduated", "tiers": shown} | more

    def of(self, units: int) -> Fraction:
        total, start = Fraction(0), 0
        for end, cents in self.tiers:
            top = units if end is None else min(units, end)
            total += max(top - start, 0) * cents
            start = top
        return total


@dataclass
class Piece:
    """One stretch that sells at one price; pieces of the same deal share their commitments."""

    start: int
    price: Price
    deal: int


def owed(pieces: list[Piece], end: int, used: list[tuple[int, int]]) -> int:
    """Cents for the month, of which the subscription had `end` seconds."""
    total = Fraction(0)
    stretches = [(each, following.start) for each, following in pairwise(pieces)]
    stretches.append((pieces[-1], end))
    stretches = [(each, stop) for each, stop in stretches if each.start < stop]
    for deal in sorted({each.deal for each, _ in stretches}):
        mine = [(each, stop) for each, stop in stretches if each.deal == deal]
        share = Fraction(mine[-1][1] - mine[0][0].start, SECONDS)
        came_to = Fraction(0)
        for each, stop in mine:
            before = sum(units for second, units in used if second < each.start)
            now = before + sum(units for second, units in used if each.start <= second < stop)
            amount = each.price.of(now) - each.price.of(before)
            if each.price.most is not None:
                amount = min(amount, max(half_up(each.price.most * share) - came_to, Fraction(0)))
            came_to += amount
        least = mine[-1][0].price.least
        if least is not None:
            came_to = max(came_to, Fraction(half_up(least * share)))
        total += came_to
    assert total.denominator == 1
    return int(total)


def half_up(amount: Fraction) -> int:
    return int((2 * amount + 1) // 2)


PRICES = st.builds(
    Price,
    st.one_of(
        st.tuples(st.tuples(st.none(), st.integers(1, 300))),
        st.tuples(
            st.tuples(st.integers(1, 20), st.integers(0, 300)),
            st.tuples(st.integers(21, 40), st.integers(0, 300)),
            st.tuples(st.none(), st.integers(0, 300)),
        ),
    ),
    least=st.sampled_from([None, None, 3_701, 10_000]),
    most=st.sampled_from([None, None, 10_000, 20_003]),
)
STEPS = st.lists(
    st.tuples(
        st.integers(1, SECONDS - 1),
        st.sampled_from(["rename", "edit", "migrate", "change", "bill", "progressive", "cancel"]),
        PRICES,
    ),
    max_size=6,
    unique_by=lambda each: each[0],
)


@settings(max_examples=200, deadline=None)
@given(
    price=PRICES, used=st.lists(st.tuples(st.integers(0, SECONDS - 1), st.integers(1, 25)), max_size=10), steps=STEPS
)
def test_a_life_costs_what_a_count_in_fractions_says(
    price: Price, used: list[tuple[int, int]], steps: list[tuple[int, str, Price]]
) -> None:
    if any(kind in ("bill", "progressive") for _, kind, _ in steps):
        # What is on an invoice stays there, though the deal ends sooner than it was to and its maximum is smaller then.
        price = replace(price, most=None)
        steps = [(second, kind, replace(following, most=None)) for second, kind, following in steps]
    life = Life(price.as_api(), *(Used(START + timedelta(seconds=second), Decimal(units)) for second, units in used))
    pieces, end = [Piece(0, price, 0)], SECONDS
    for second, kind, following in sorted(steps, key=lambda each: each[0]):
        life.until(START + timedelta(seconds=second))
        last = pieces[-1]
        if kind in ("edit", "migrate", "change"):
            life.card = life.card | {"price": following.as_api()}
        match kind:
            case "rename":
                life.rename(f"Name {second}")
                pieces.append(replace(last, start=second))
            case "edit":
                life.sell(life.card)
                pieces.append(Piece(second, following, last.deal))
            case "migrate":
                life.migrate(life.card)
                pieces.append(Piece(second, following, last.deal))
            case "change":
                life.change(f"plan_{second}", life.card)
                pieces.append(Piece(second, following, last.deal + 1))
            case "cancel":
                life.cancel()
                end = second
                break
            case _:
                life.bill(progressive=kind == "progressive")
    assert life.total() == owed(pieces, end, [each for each in used if each[0] < end])

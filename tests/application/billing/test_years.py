"""A year of each kind of price and meter, cut by edits, migrations and changes of plan; every month's bill by hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.period import Cadence
from tests.application.billing.test_pieces import START, Life, Used, card
from tests.domain.catalog.test_pricing import PACKAGE, UNIT

MONTHS = 12
ONE = UNIT | {"amount": "1"}
# A unit costs 1.00 of up to twenty, and 0.50 of more.
BULK = {
    "type": "tiered",
    "mode": "volume",
    "tiers": [
        {"upToAmount": "20", "flatPrice": None, "unitPrice": {"type": "unit", "amount": "1"}},
        {"flatPrice": None, "unitPrice": {"type": "unit", "amount": "0.50"}},
    ],
}
Step = Callable[[Life], None]


def month(number: int) -> datetime:
    """The first day of the year is that of its first month."""
    return Cadence.parse("P1M").after(START, number - 1)


def on(number: int, day: int) -> datetime:
    return month(number) + timedelta(days=day - 1)


def every_month(*used: tuple[int, Any], user: str = "a") -> list[Used]:
    """(day, value) in each month; a value may depend on the number of the month."""
    return [
        Used(on(n, day) + timedelta(hours=9), Decimal(value(n) if callable(value) else value), user)
        for n in range(1, MONTHS + 1)
        for day, value in used
    ]


def rename(life: Life) -> None:
    life.rename("Renamed")


def migrate(life: Life) -> None:
    life.migrate(life.card)


def sell(**price: Any) -> Step:
    def step(life: Life) -> None:
        life.card = life.card | {"price": life.card["price"] | price}
        life.sell(life.card)

    return step


def change(**price: Any) -> Step:
    """To another plan, which sells at another price, or the same one."""

    def step(life: Life) -> None:
        life.card = life.card | {"price": life.card["price"] | price}
        life.change(f"other_{len(life.lines)}", life.card)

    return step


def cancel(life: Life) -> None:
    life.cancel()


@dataclass(frozen=True)
class Year:
    """`bills` are those of the twelve months, in whole major units unless they say otherwise."""

    price: dict[str, Any]
    events: Sequence[Used]
    bills: Sequence[str | int]
    changes: dict[tuple[int, int], Step] = field(default_factory=dict)
    aggregation: Aggregation = Aggregation.SUM
    more: dict[str, Any] = field(default_factory=dict)


def of_users() -> list[Used]:
    """a and b all the time, c at the end of even months."""
    always = every_month((2, 1), (20, 1)) + every_month((2, 1), (20, 1), user="b")
    return always + [each for n, each in enumerate(every_month((25, 1), user="c"), 1) if n % 2 == 0]


YEARS = {
    # Two users, or three; from the fifteenth of the eighth month on each new user costs 2.00.
    "users": Year(
        ONE,
        of_users(),
        [2, 3, 2, 3, 2, 3, 2, 2 + 2, 4, 6, 4, 6],
        {(3, 10): rename, (6, 10): rename, (8, 15): sell(amount="2"), (11, 5): migrate},
        Aggregation.UNIQUE_COUNT,
    ),
    # 10 on the fifth, 10 + n on the twentieth; in the seventh month the growth from 10 to 17 costs 3.00 each.
    "a maximum": Year(
        ONE,
        every_month((5, 10), (20, lambda n: 10 + n)),
        [11, 12, 13, 14, 15, 16, 10 + 7 * 3, 54, 57, 60, 63, 66],
        {(2, 12): rename, (4, 12): migrate, (7, 12): sell(amount="3")},
        Aggregation.MAX,
    ),
    # The last value of the month is n, at the price in force at its end.
    "a latest value": Year(
        ONE,
        every_month((5, 4), (25, lambda n: n)),
        [1, 2, 3, 4, 10, 12, 14, 16, 18, 20, 22, 24],
        {(2, 15): rename, (5, 15): sell(amount="2"), (9, 15): migrate},
        Aggregation.LATEST,
    ),
    "an average": Year(
        ONE,
        every_month((5, 10), (20, 20)),
        [15] * 12,
        {(1, 10): rename, (4, 10): migrate, (4, 15): rename},
        Aggregation.AVG,
    ),
    "a lowest value": Year(
        ONE, every_month((5, 8), (20, 6)), [6] * 12, {(2, 10): rename, (3, 25): migrate}, Aggregation.MIN
    ),
    # 30 used, 80 in the fourth month, at least 100; fifteen of thirty days of the sixth at 100 and fifteen at 50.
    "a minimum": Year(
        ONE | {"minimumAmount": "100"},
        [*every_month((3, 30)), Used(on(4, 20), Decimal(50))],
        [100, 100, 100, 100, 100, 50 + 25, 50, 50, 50, 50, 50, 50],
        {(1, 10): rename, (2, 10): migrate, (4, 10): rename, (6, 16): change(minimumAmount="50")},
    ),
    # 80 used, at most 60; in the fifth month 40 and then what is left of 70.
    "a maximum spend": Year(
        ONE | {"maximumAmount": "60"},
        every_month((3, 40), (20, 40)),
        [60, 60, 60, 60, 70, 70, 70, 70, 70, 70, 70, 70],
        {(1, 10): rename, (3, 10): migrate, (5, 10): sell(maximumAmount="70")},
    ),
    # 24 units at 0.50 together; across a change of plan 12 and 12 at 1.00.
    "a volume price": Year(
        BULK,
        every_month((3, 12), (20, 12)),
        [12, 12, 12, 24, 12, 12, 12, 12, 12, 12, 12, 12],
        {(1, 10): rename, (2, 10): migrate, (4, 16): change()},
    ),
    # 15 free units, once a month with any change.
    "free units": Year(
        ONE,
        every_month((3, 10), (20, 10)),
        [5] * 12,
        {(1, 10): rename, (2, 10): migrate, (4, 16): change()},
        more={"discounts": {"usage": {"quantity": "15"}}},
    ),
    # An hour of the last month's 744: 50 / 744.
    "a cancellation after an hour": Year(
        ONE | {"minimumAmount": "50"}, [], [*[50] * 11, "0.07"], {(5, 10): rename, (12, 0): cancel}
    ),
}


@pytest.mark.parametrize("name", YEARS)
def test_every_month_of_the_year_is_billed_as_by_hand(name: str) -> None:
    year = YEARS[name]
    life = Life(year.price, *year.events, aggregation=year.aggregation, **year.more)
    bills = []
    for number in range(1, MONTHS + 1):
        for (n, day), step in sorted(year.changes.items(), key=lambda each: each[0]):
            if n == number:
                life.until(on(number, day) if day else month(number) + timedelta(hours=1))
                step(life)
        before = len(life.lines)
        life.until(month(number + 1))
        life.bill()
        bills.append(Decimal(sum(line.total_minor for line in life.lines[before:])) / 100)
    assert bills == [Decimal(each) for each in year.bills]


def test_packages_begun_before_an_edit_are_not_begun_again() -> None:
    """Each month as the uncut one, which has no edit."""
    events = every_month((3, 7), (20, 7))
    cut, whole = Life(PACKAGE, *events), Life(PACKAGE, *events)
    for number in range(1, MONTHS + 1):
        cut.until(on(number, 10))
        cut.rename(f"Name {number}")
    end = month(MONTHS + 1)
    assert cut.total(end) == whole.total(end)
    assert card(PACKAGE)["price"] == PACKAGE

"""Fees and add-ons under change, payment and void, against a count that shares no code with what bills them.

Everything happens on the hour and costs whole cents an hour, so that nothing has to be rounded.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.domain.billing.push import PaymentStatus
from functions.domain.catalog.addon import Addon
from functions.domain.subscriptions.edit import with_addons
from tests.application.billing.test_pieces import START, Life
from tests.domain.builders import flat
from tests.domain.catalog.test_addon import addon
from tests.domain.catalog.test_pricing import UNIT
from tests.domain.subscriptions.test_edit import subscription_addon

HOURS = 30 * 24  # of June
SEAT = 3  # cents an hour, of an item that only the add-on has
MORE = 5  # cents an hour on top of the plan's fee


def fee(an_hour: int, term: str, key: str = "fee") -> dict[str, Any]:
    cents = an_hour * HOURS
    return flat(f"{cents // 100}.{cents % 100:02}", key=key, term=term)


def of_term(term: str) -> Addon:
    return addon(fee(MORE, term), fee(SEAT, term, "seat"), instanceType="multiple")


@dataclass
class Bill:
    hour: int
    is_void: bool


@dataclass
class Sold:
    """What one item costs from which hour on."""

    prices: list[tuple[int, int]] = field(default_factory=list)

    def from_hour(self, hour: int, an_hour: int) -> None:
        if not self.prices or self.prices[-1][1] != an_hour:
            self.prices.append((hour, an_hour))

    def owed(self, end: int, bills: list[Bill], term: str) -> int:
        """Each stretch at its price, unless the bill that charged it is void; in arrears that is the period's last."""
        total = 0
        for (start, an_hour), (stop, _) in pairwise([*self.prices, (end, 0)]):
            due = start if term == "in_advance" else end
            charged = next(each for each in bills if each.hour >= due)
            total += 0 if charged.is_void else an_hour * (stop - start)
        return total


STEPS = st.lists(
    st.tuples(
        st.integers(1, HOURS - 1),
        st.one_of(
            st.tuples(st.just("fee"), st.integers(1, 20)),
            st.tuples(st.just("add-ons"), st.integers(0, 4)),
            st.tuples(st.just("bill"), st.sampled_from(["paid", "void", "paid late", "void late"])),
            st.tuples(st.just("cancel"), st.none()),
        ),
    ),
    max_size=10,
    unique_by=lambda each: each[0],
)


@pytest.mark.parametrize("term", ["in_advance", "in_arrears"])
@settings(max_examples=150, deadline=None)
@given(first=st.integers(1, 20), steps=STEPS)
def test_fees_and_addons_cost_what_a_count_by_the_hour_says(
    term: str, first: int, steps: list[tuple[int, tuple[str, Any]]]
) -> None:
    life = Life(UNIT | {"amount": "1"})
    life.of = life.subscribed(fee(first, term))
    life.billing.pays_at_once = False
    an_hour, quantity, end = first, 0, HOURS
    base, seats = Sold([(0, first)]), Sold()
    bills: list[Bill] = []
    late: dict[str, PaymentStatus] = {}

    def bill(hour: int, becomes: str) -> None:
        seen = set(life.billing.invoices.stored)
        life.bill()
        new = [record for id, record in life.billing.invoices.stored.items() if id not in seen]
        # What a void invoice gave back is lost until there are credit notes, so only others become void.
        lines = [line for record in new for line in record.invoice.lines]
        is_void = becomes.startswith("void") and all(line.total_minor >= 0 for line in lines)
        bills.append(Bill(hour, is_void))
        for record in new:
            status = PaymentStatus.VOID if is_void else PaymentStatus.PAID
            if becomes.endswith("late"):
                late[record.invoice.id] = status
            else:
                life.billing.settle(record.invoice.id, status)

    bill(0, "paid")
    for hour, (kind, what) in sorted(steps, key=lambda each: each[0]):
        life.until(START + timedelta(hours=hour))
        match kind:
            case "fee" if what != an_hour:
                an_hour = what
                life.sell(fee(what, term))
            case "add-ons" if what != quantity:
                quantity = what
                buy(life, term, what)
                seats.from_hour(hour, SEAT * what)
            case "bill":
                bill(hour, what)
            case "cancel":
                end = hour
            case _:
                continue
        if kind == "cancel":
            break
        base.from_hour(hour, an_hour + MORE * quantity)
    life.until(START + timedelta(hours=end))
    life.cancel()
    bill(end, "paid")
    for id, status in late.items():
        life.billing.settle(id, status)
    for days in (5, 10):
        life.until(START + timedelta(hours=HOURS, days=days))
        bill(HOURS + days * 24, "paid")

    total = sum(
        line.total_minor
        for record in life.billing.invoices.stored.values()
        if record.payment.status is PaymentStatus.PAID
        for line in record.invoice.lines
    )
    assert total == base.owed(end, bills, term) + seats.owed(end, bills, term)


def buy(life: Life, term: str, quantity: int) -> None:
    """So many of the add-on from now on."""
    stored, now = life.stored(), life.billing.clock.time
    if stored.addons:
        addons = [stored.addons[0].with_quantity(quantity, now, now)]
    else:
        addons = [subscription_addon(of_term(term), quantity, now, now)]
    life.billing.subscriptions.stored[stored.id] = with_addons(stored, addons, at=now, now=now, new_id=life.new_id)

"""Random lives of a subscription with coupons, billed at boundaries and in between: nothing twice, nothing too much."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.domain.billing.invoice import Invoice
from functions.domain.errors import TollboothError
from tests.application.billing.memory import Billing
from tests.application.billing.world import ACME, TENANT, FakeUsage
from tests.domain.builders import at, flat, phase, plan, subscription, unit
from tests.domain.coupons import applied
from tests.domain.subscriptions.test_edit import CARDS, Life, add, remove, span

OFF = ["25 %", "100 %", "33.333333 %", "5 {0}", "40 {0}", "1000 {0}"]
DURATIONS = ["once", "2 times", "5 times", "forever", "until 2026-04-01"]
OFTEN = ["wait", "wait", "bill", "bill", "bill so far", "bill so far"]
STEPS = [*OFTEN, "edit", "edit next cycle", "add-on", "cancel", "continue", "end"]
UNIT = {"USD": 1, "JPY": 1, "KWD": 10}  # minor units of the least that is collected


class LifeWithCoupons:
    """One subscription of one customer, billed and changed at random."""

    def __init__(self, random: Random, *, progressive: bool = True) -> None:
        self.random = random
        self.progressive = progressive
        cards = [flat("31.07"), unit("0.01"), flat("3", key="late", term="in_arrears"), flat("12.5", key="seat")]
        currency = random.choice([*UNIT])
        made = plan(phase(*cards, key="ramp", duration="P40D"), phase(*cards, key="rest"), currency=currency)
        of = subscription(made, "2026-01-31").model_copy(update={"customer_id": ACME})
        self.id, self.life, self.invoices = of.id, Life(of), list[Invoice]()
        self.billing = Billing(FakeUsage({"acme-app": Decimal(33)}), of.active_from, of)
        for n in range(random.randint(1, 3)):
            coupon = applied(random.choice(OFF).format(currency), random.choice(DURATIONS), key=f"c{n}")
            self.billing.coupons.change(TENANT, coupon.model_copy(update={"customer_id": ACME}))

    def live(self) -> None:
        for step in self.random.choices(STEPS, k=self.random.randint(1, 12)):
            self.step(step)
        self.step("finish")
        self.step("bill")

    def step(self, step: str) -> None:
        life, billing = self.life, self.billing
        life.of, life.now = billing.subscriptions.stored[self.id], billing.clock.time
        before = life.of
        try:
            self.take(step)
        except TollboothError:
            life.of = before
        if life.of is not before:
            billing.subscriptions.stored[self.id] = life.of

    def take(self, step: str) -> None:
        life, random = self.life, self.random
        match step:
            case "wait":
                self.billing.clock.time += timedelta(seconds=random.randint(0, 40 * 86400))
            case "bill":
                self.invoices += self.billing.issue()
            case "edit":
                life.edit([self.operation()], life.now)
            case "edit next cycle":
                life.edit([self.operation()], life.of.effective_time("next_billing_cycle", life.now))
            case "add-on":
                life.buy(random.choice(["fees", "seats"]), random.randint(0, 3), random.random() < 0.6)
            case "cancel":
                life.of = life.of.cancelled(life.of.effective_time("next_billing_cycle", life.now), life.now)
            case "continue":
                life.of = life.of.continued(life.now)
            case "bill so far":
                self.invoices += self.billing.issue(progressive=self.progressive)
            case "finish" if not life.of.is_over(life.now):
                life.of = life.of.cancelled(life.now, life.now)
            case "end" if random.random() < 0.3 or life.now > at("2026-04-01"):
                life.of = life.of.cancelled(life.now, life.now)

    def operation(self) -> dict[str, object]:
        where = self.random.choice(["ramp", "rest"])
        key = self.random.choice(["fee", "seat"])
        return self.random.choice([add(self.random.choice(CARDS), where), remove(key, where), span("P10D", "ramp")])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_coupons_are_deducted_and_credited_back_in_step_with_what_was_paid(seed: int) -> None:
    found = LifeWithCoupons(Random(seed))
    found.live()

    lines = [(invoice, line) for invoice in found.invoices for line in invoice.lines]
    paid, off, parts = (defaultdict[str | None, int](int) for _ in range(3))
    used = defaultdict[str | None, set[str]](set)
    for invoice, line in lines:
        charged = sum(each.amount_minor - each.discounts_minor for each in line.charges)
        coupons = sum(each.amount_minor for each in line.discounts)
        assert line.total_minor == charged - coupons
        assert min(charged, 0) <= line.total_minor <= max(charged, 0), "a coupon never turns a line around"
        paid[line.item_id] += line.total_minor
        off[line.item_id] += coupons
        parts[line.item_id] += UNIT[invoice.currency]
        for each in line.discounts:
            if each.amount_minor > 0:
                used[each.coupon_id].add(invoice.id)
    # Each line is rounded once, so that much may be lacking.
    assert all(paid[item] >= -parts[item] and off[item] >= -parts[item] for item in parts)
    assert all(invoice.total_minor == sum(line.total_minor for line in invoice.lines) for invoice in found.invoices)
    _require_counted(found.billing, used)


def _require_counted(billing: Billing, used: dict[str | None, set[str]]) -> None:
    for coupon in billing.coupons.of_customer(TENANT, ACME):
        assert coupon.invoice_count == len(used[coupon.id])
        assert coupon.times is None or coupon.invoice_count <= coupon.times


def charged(found: LifeWithCoupons) -> dict[str, tuple[int, int]]:
    """Minor units before coupons of each item, and how many the rounding of its lines may come to."""
    amounts, parts = defaultdict[str, int](int), defaultdict[str, int](int)
    for invoice, line in [(each, line) for each in found.invoices for line in each.lines]:
        item = "/".join(line.reference.split("/")[:4])
        amounts[item] += sum(each.amount_minor - each.discounts_minor for each in line.charges)
        parts[item] += UNIT[invoice.currency]
    return {item: (amounts[item], parts[item]) for item in parts}


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_billed_so_far_costs_the_same_as_at_the_end(seed: int) -> None:
    lives = [LifeWithCoupons(Random(seed), progressive=each) for each in (True, False)]
    for each in lives:
        each.live()

    parted, whole = map(charged, lives)

    assert [
        item
        for item in parted.keys() | whole.keys()
        if abs(parted.get(item, (0, 0))[0] - whole.get(item, (0, 0))[0]) > parted.get(item, (0, 0))[1]
    ] == []

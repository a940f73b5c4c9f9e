"""Coupons in the billing run: counted once for each invoice, taken back with the time that is credited back."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.application.billing import issue_invoice
from functions.application.billing.issue_invoice import Issued
from functions.application.subscriptions.cancel_subscription import cancel_subscription
from functions.application.subscriptions.create_subscription import PlanChoice
from functions.domain.billing.invoice import InvoiceRecord
from functions.domain.catalog.coupon import AppliedCoupon
from functions.domain.errors import Conflict, InvalidInput, NotFound
from functions.domain.subscriptions.subscription import Subscription
from tests.application.billing.test_changes_billed import add, edit
from tests.application.billing.world import ACME, GLOBEX, TENANT, World
from tests.domain.builders import at, flat, phase, unit


@pytest.fixture(autouse=True)
def everything_is_paid(world: World) -> None:
    """What is credited back was received before."""
    world.pays_at_once = True


def stored(world: World, issued: Issued) -> InvoiceRecord:
    (header,) = issued.invoices
    record = world.invoices.get(TENANT, header.invoice.id)
    assert record is not None
    return record


def total(world: World, as_of: str) -> int:
    return stored(world, world.issue(as_of)).invoice.total_minor


def held(world: World, applied: AppliedCoupon) -> AppliedCoupon:
    return next(each for each in world.coupons.of_customer(TENANT, applied.customer_id) if each.id == applied.id)


def cancel(world: World, of: Subscription, timing: str = "immediate") -> None:
    cancel_subscription(TENANT, of.id, timing, subscriptions=world.subscriptions, clock=world.clock)


def test_the_invoice_says_what_a_coupon_took_off_and_the_coupon_which_invoice_that_was(world: World) -> None:
    world.plan(phase(flat("20", term="in_arrears"), unit("0.003")))
    world.subscribe(start="2026-04-01")
    applied = world.give(world.coupon("10 USD", "2 times"))

    record = stored(world, world.issue())

    # 10.00 over 20.00 and 9.00.
    assert [line.total_minor for line in record.invoice.lines] == [1310, 590]
    assert (record.invoice.total_minor, record.invoice.discounts_minor) == (1900, 1000)
    assert {each.coupon_id for line in record.invoice.lines for each in line.discounts} == {applied.id}
    assert sum(line.amount_minor for line in record.invoice.document().lines) == 1900
    now = held(world, applied)
    assert (now.invoice_count, now.last_invoice_id) == (1, record.invoice.id)


def test_a_coupon_for_two_invoices_is_gone_on_the_third(world: World) -> None:
    world.plan(phase(flat("20")))
    world.subscribe(start="2026-05-01")
    world.give(world.coupon("25 %", "2 times"))

    assert [total(world, day) for day in ("2026-05-01", "2026-06-01", "2026-07-01")] == [1500, 1500, 2000]


def test_the_upcoming_invoice_has_the_coupons_and_counts_nothing(world: World) -> None:
    world.plan(phase(flat("20", term="in_arrears")))
    of = world.subscribe(start="2026-04-01")
    applied = world.give(world.coupon("25 %", "once"), of)

    ahead = world.preview(of.id)

    assert ahead.invoice.total_minor == 1500
    assert held(world, applied).invoice_count == 0
    assert total(world, "2026-05-01") == 1500


def test_a_run_that_is_repeated_counts_nothing_more(world: World) -> None:
    world.plan(phase(flat("20")))
    world.subscribe(start="2026-05-01")
    applied = world.give(world.coupon("25 %"))

    world.issue(run_id="one")
    world.issue(run_id="two")

    assert held(world, applied).invoice_count == 1


def test_eight_runs_at_once_take_a_coupon_off_once(world: World) -> None:
    world.plan(phase(flat("20", term="in_arrears")))
    world.subscribe(start="2026-04-01")
    applied = world.give(world.coupon("5 USD", "once"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: world.issue(run_id=f"run-{n}"), range(8)))

    assert [each.invoice.total_minor for each in world.all_invoices()] == [1500]
    assert held(world, applied).invoice_count == 1


def test_a_coupon_used_up_elsewhere_while_the_invoice_was_made_is_not_deducted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-04-01")
    applied = world.give(world.coupon("50 %", "once"))
    read = world.coupons.of_customer

    def overtaken(tenant: str, customer_id: str) -> Sequence[AppliedCoupon]:
        monkeypatch.undo()
        found = read(tenant, customer_id)
        world.coupons.change(tenant, found[0].used_on("01ANOTHERINVOICE"))
        return found

    monkeypatch.setattr(world.coupons, "of_customer", overtaken)

    assert total(world, "2026-05-01") == 3000
    assert held(world, applied).last_invoice_id == "01ANOTHERINVOICE"


def test_a_coupon_of_a_subscription_leaves_the_others_alone(world: World) -> None:
    world.plan(phase(flat("20")))
    world.plan(phase(flat("40", key="seat")), key="team")
    mine = world.subscribe(start="2026-05-01")
    world.subscribe(start="2026-05-01", plan=PlanChoice("team"))
    world.give(world.coupon("50 %"), mine)

    record = stored(world, world.issue())

    assert sorted(line.total_minor for line in record.invoice.lines) == [1000, 4000]


def test_a_minimum_is_owed_before_the_coupon_so_that_it_does_not_eat_the_coupon_up(world: World) -> None:
    card = unit("0.001") | {"price": {"type": "unit", "amount": "0.001", "minimumAmount": "10"}}
    world.plan(phase(card))
    world.subscribe(start="2026-04-01")
    world.give(world.coupon("4 USD"))

    assert total(world, "2026-05-01") == 600


def test_an_invoice_that_a_coupon_pays_is_zero_and_has_its_lines(world: World) -> None:
    world.plan(phase(flat("20")))
    world.subscribe(start="2026-05-01")
    applied = world.give(world.coupon("30 USD", "once"))

    record = stored(world, world.issue())

    assert (record.invoice.total_minor, len(record.invoice.lines)) == (0, 1)
    assert total(world, "2026-06-01") == 2000
    assert held(world, applied).invoice_count == 1


def test_time_credited_back_is_worth_what_was_paid_for_it(world: World) -> None:
    world.plan(phase(flat("31")))
    of = world.subscribe(start="2026-05-01")
    world.give(world.coupon("50 %", "once"))
    assert total(world, "2026-05-01") == 1550
    world.clock.time = at("2026-05-11")
    cancel(world, of)

    record = stored(world, world.issue())

    # 21 of 31 days, at half the price.
    assert record.invoice.total_minor == -1050
    (line,) = record.invoice.lines
    assert [(each.coupon_key, each.amount_minor) for each in line.discounts] == [("welcome", -1050)]


def test_time_that_was_credited_back_and_bought_again_is_worth_the_new_price(world: World) -> None:
    """16 days are credited back at half the price, then sold in full: of those, the rest is credited back in full."""
    world.plan(phase(flat("31")))
    of = world.subscribe(start="2026-05-01")
    world.give(world.coupon("50 %", "once"))
    assert total(world, "2026-05-01") == 1550
    world.clock.time = at("2026-05-16")
    edit(world, of, {"op": "remove_item", "phaseKey": "main", "itemKey": "fee"})
    assert total(world, "2026-05-16") == -800
    edit(world, of, add(flat("31")))
    assert total(world, "2026-05-16") == 1600
    world.clock.time = at("2026-05-30")
    cancel(world, of)

    assert total(world, "2026-05-30") == -200


def test_nobody_is_paid_for_what_a_coupon_paid(world: World) -> None:
    world.plan(phase(flat("31")))
    of = world.subscribe(start="2026-05-01")
    world.give(world.coupon("100 USD", "once"))
    assert total(world, "2026-05-01") == 0
    world.clock.time = at("2026-05-11")
    cancel(world, of)

    assert total(world, "2026-05-11") == 0


def test_a_coupon_given_after_the_fee_was_paid_takes_nothing_from_what_is_credited_back(world: World) -> None:
    world.plan(phase(flat("31")))
    of = world.subscribe(start="2026-05-01")
    assert total(world, "2026-05-01") == 3100
    applied = world.give(world.coupon("50 %"))
    world.clock.time = at("2026-05-11")
    cancel(world, of)

    assert total(world, "2026-05-11") == -2100
    assert held(world, applied).invoice_count == 0


def test_a_coupon_that_is_taken_away_is_not_deducted_any_more(world: World) -> None:
    world.plan(phase(flat("20")))
    world.subscribe(start="2026-05-01")
    applied = world.give(world.coupon("50 %"))
    assert total(world, "2026-05-01") == 1000
    use = world.applied_coupons
    holder = use.of_customer(TENANT, ACME)

    removed = use.remove(TENANT, holder, applied.id, by="key-9")

    assert (removed.removed_by, removed.removed_at) == ("key-9", world.clock.now())
    assert total(world, "2026-06-01") == 2000
    with pytest.raises(Conflict, match="removed already"):
        use.remove(TENANT, holder, applied.id, by="key-9")
    with pytest.raises(NotFound):
        use.remove(TENANT, use.of_customer(TENANT, GLOBEX), applied.id, by="key-9")


def test_two_that_redeem_the_last_one_at_once_do_not_both_get_it(world: World) -> None:
    coupon = world.coupon("50 %", maxRedemptions=1)

    def give(customer_id: str) -> str:
        try:
            world.give(coupon, customer_id)
        except Conflict as refused:
            return refused.code
        return "given"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(give, [ACME, GLOBEX])) == ["coupon_used_up", "given"]


def test_a_double_click_gives_a_coupon_once(world: World) -> None:
    coupon = world.coupon("50 %")

    def give(_: int) -> str:
        try:
            world.give(coupon)
        except Conflict as refused:
            return refused.code
        return "given"

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(give, range(3))) == ["coupon_already_applied"] * 2 + ["given"]


def test_what_a_coupon_cannot_be_given_for_is_told(world: World) -> None:
    world.plan(phase(flat("20")))
    of = world.subscribe(start="2026-05-01")

    with pytest.raises(InvalidInput, match="use a coupon in USD or a percentage"):
        world.give(world.coupon("5 EUR", key="euro"), of)
    late = world.coupon("5 USD", key="late", redeemBy="2026-05-02T00:00:00Z")
    world.clock.time = at("2026-05-02")
    with pytest.raises(Conflict, match="could be redeemed before 2026-05-02"):
        world.give(late)
    for number in range(10):
        world.give(world.coupon("1 USD", key=f"c{number}"))
    with pytest.raises(Conflict, match="the most there can be; remove one"):
        world.give(world.coupon("1 USD", key="c10"))


@pytest.mark.parametrize("bound", ["MAX_SUBSCRIPTIONS", "MAX_LINES"])
def test_subscriptions_that_do_not_fit_on_an_invoice_get_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(issue_invoice, bound, 1)
    world.plan(phase(flat("20")))
    world.plan(phase(flat("40", key="seat")), key="team")
    world.subscribe(start="2026-05-01")
    world.subscribe(start="2026-05-01", plan=PlanChoice("team"))
    world.give(world.coupon("5 USD", "once"))

    assert [each.invoice.total_minor for each in world.issue().invoices] == [1500, 4000]
    assert world.issue().invoices == ()

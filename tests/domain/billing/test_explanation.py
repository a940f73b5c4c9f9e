from datetime import datetime

from functions.domain.billing.explanation import steps_of
from functions.domain.billing.line import InvoiceLine, explained, line_from
from functions.domain.billing.rating import rate
from functions.domain.subscriptions.subscription import Subscription
from tests.domain.builders import at, flat, phase, plan, subscription


def lines(of: Subscription, due: datetime) -> list[InvoiceLine]:
    return [line_from(rate(each, None, "USD", prorate=True), of.id, None) for each in of.billables_due_at(due)]


def steps(line: InvoiceLine) -> list[tuple[str, int | None, int | None]]:
    return [(each.name, each.amount_minor, each.amount_minor_after) for each in steps_of(line, "USD")]


def test_a_part_of_a_fee_says_what_the_whole_of_it_is() -> None:
    ended = subscription(plan(phase(flat("49", term="in_arrears"))), "2026-04-01").cancelled(
        at("2026-04-24"), at("2026-04-24")
    )
    (line,) = lines(ended, at("2026-04-24"))

    assert explained(line, "USD").endswith(": 1 x 37.57 USD; prorated from 49.00 USD")
    assert steps(line) == [("price", 4900, 4900), ("proration", -1143, 3757)]


def test_a_whole_fee_is_not_prorated() -> None:
    of = subscription(plan(phase(flat("49", term="in_arrears"))), "2026-04-01")
    (line,) = lines(of, at("2026-05-01"))

    assert "prorated" not in explained(line, "USD")
    assert steps(line) == [("price", 4900, 4900)]


def test_what_is_credited_back_is_a_part_of_what_was_paid() -> None:
    paid = subscription(plan(phase(flat("30", term="in_advance"))), "2026-04-01").billed(
        at("2026-04-01"), at("2026-04-01")
    )
    (line,) = lines(paid.cancelled(at("2026-04-11"), at("2026-04-11")), at("2026-04-11"))

    assert explained(line, "USD").endswith(": 1 x -20.00 USD; prorated from -30.00 USD")
    assert steps(line) == [("price", -3000, -3000), ("proration", 1000, -2000)]

"""The sentence of a line that the gateway prints: what was counted, in which unit, and which tier or part it was."""

from decimal import Decimal
from inspect import isabstract
from typing import Any

import pytest

from functions.domain.billing.line import InvoiceLine, explained, line_from
from functions.domain.billing.rating import rate
from functions.domain.catalog.pricing import Price
from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.subscriptions.subscription import Subscription
from tests.domain.billing.test_long_quantities import line as simulated
from tests.domain.builders import TOKENS, at, phase, plan, subscription, unit
from tests.domain.catalog import test_pricing as prices

SEATS = {"type": "unit", "amount": "10"}
THOUSANDS = {"operation": "divide", "conversionFactor": "1000", "rounding": "ceiling"}
TIERS = [
    {"upToAmount": "5", "unitPrice": {"type": "unit", "amount": "10"}},
    {"upToAmount": "20", "unitPrice": {"type": "unit", "amount": "8.5"}, "flatPrice": {"type": "flat", "amount": "3"}},
    {"unitPrice": {"type": "unit", "amount": "0.0005"}},
]
GRADUATED = {"type": "tiered", "mode": "graduated", "tiers": TIERS}
VOLUME = GRADUATED | {"mode": "volume"}
BY_SIZE = {
    "type": "matrix",
    "dimensions": ["size"],
    "rows": [{"values": {"size": "large"}, "amount": "2"}],
    "defaultAmount": "1",
}
PARTS = [{"groupBy": {"size": "large"}, "quantity": "3"}, {"groupBy": {"size": "small"}, "quantity": "4"}]
HOURS = {
    "type": "time_of_day",
    "timeZone": "UTC",
    "bands": [{"name": "Night", "fromHour": 0, "toHour": 6, "amount": "0.25"}],
    "defaultAmount": "1",
}
HOURLY = [{"hour": "2026-01-01T01:00:00Z", "quantity": "2"}, {"hour": "2026-01-01T12:00:00Z", "quantity": "3"}]


def line(price: dict[str, Any], quantity: str, counts: str | None = "seats", **more: Any) -> InvoiceLine:
    made = simulated(price, quantity, **more).line("01LINE", "USD")
    return made.model_copy(update={"unit": counts, "name": "Seats"})


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (line(SEATS, "5"), "5 seats x 10.00 USD"),
        (line(SEATS, "5", None), "5 x 10.00 USD"),
        (line(SEATS | {"amount": "0.0000025"}, "1234567", "tokens"), "1,234,567 tokens x 0.0000025 USD"),
        (line(SEATS | {"amount": "0.5"}, "1.50", "GB"), "1.5 GB x 0.50 USD"),
        (line(SEATS, "5500", "tokens", unitConfig=THOUSANDS | {"displayUnit": "K tokens"}), "6 K tokens x 10.00 USD"),
        # Thousands of tokens are no tokens, and nobody said what they are called.
        (line(SEATS, "5500", "tokens", unitConfig=THOUSANDS), "6 x 10.00 USD"),
        (line(GRADUATED, "5"), "5 seats x 10.00 USD (tier 1)"),
        (
            line(GRADUATED, "25"),
            "5 seats x 10.00 USD (tier 1); 15 seats x 8.50 USD (tier 2); 1 x 3.00 USD (tier 2, flat price); "
            "5 seats x 0.0005 USD (tier 3)",
        ),
        (line(VOLUME, "10"), "1 x 3.00 USD (tier 2, flat price); 10 seats x 8.50 USD (tier 2)"),
        (
            line({"type": "package", "amount": "5", "quantityPerPackage": "1000"}, "2001", "tokens"),
            "3 packages of 1,000 tokens x 5.00 USD",
        ),
        (
            line({"type": "package", "amount": "5", "quantityPerPackage": "0.50"}, "1", None),
            "2 packages of 0.5 x 5.00 USD",
        ),
        (line(BY_SIZE, "7", parts=PARTS), "3 seats x 2.00 USD (large); 4 seats x 1.00 USD (Anything else)"),
        (line(HOURS, "5", "calls", parts=HOURLY), "2 calls x 0.25 USD (Night); 3 calls x 1.00 USD (Anything else)"),
        (line({"type": "percentage", "rate": "2.9"}, "100"), "100 x 0.029 USD (2.9 % of value)"),
        (line({"type": "dynamic", "multiplier": "1.2"}, "10"), "1 x 12.00 USD (Cost x 1.2)"),
        (line(SEATS | {"minimumAmount": "60"}, "5"), "5 seats x 10.00 USD; 1 x 10.00 USD (minimum spend)"),
        (line({"type": "flat", "amount": "7"}, "1"), "1 x 7.00 USD"),
        (line(SEATS, "0"), ""),
        (line(SEATS, "5", discounts={"usage": {"quantity": "2"}}), "3 seats x 10.00 USD; 2 seats free"),
    ],
)
def test_a_line_says_what_it_counts(of: InvoiceLine, said: str) -> None:
    assert explained(of, "USD") == (f"Seats: {said}" if said else "Seats")


@pytest.mark.parametrize(("currency", "said"), [("JPY", "5 seats x 10 JPY"), ("KWD", "5 seats x 10.000 KWD")])
def test_amounts_have_the_digits_of_their_currency(currency: str, said: str) -> None:
    assert explained(line(SEATS, "5"), currency) == f"Seats: {said}"


def of_feature(**feature: Any) -> tuple[InvoiceLine, Subscription]:
    made = subscription(plan(phase(unit("10"))), "2026-04-01")
    sold = made.phases[0].items[0].model_copy(update={"feature": TOKENS.model_copy(update=feature)})
    made = made.model_copy(update={"phases": (made.phases[0].model_copy(update={"items": (sold,)}),)})
    (billable,) = made.billables_due_at(at("2026-05-01"))
    return line_from(rate(billable, Decimal(5), "USD", prorate=True), made.id, None), made


def test_the_unit_is_the_one_of_the_feature_that_was_subscribed_to() -> None:
    made, of = of_feature(unit="seats")

    assert (made.unit, made.priced_unit) == ("seats", "seats")
    assert explained(made, "USD") == "Tokens: 5 seats x 10.00 USD"
    assert InvoiceLine.model_validate_json(made.model_dump_json()) == made
    assert Subscription.model_validate_json(of.model_dump_json()) == of


def test_what_has_no_unit_is_stored_as_it_always_was() -> None:
    made, of = of_feature()

    assert '"unit":' not in of.model_dump_json().replace('"type":"unit"', "")
    assert '"unit":' not in made.model_dump_json()


def test_every_price_has_a_title_and_no_two_the_same() -> None:
    found = [*Price.__subclasses__(), *CommittedPrice.__subclasses__()]
    every = [each for each in found if not isabstract(each)]
    titles = [each.title for each in every]
    assert len(set(titles)) == len(every) >= 10
    assert prices.PRICE.validate_python(prices.UNIT).title == "Per unit"

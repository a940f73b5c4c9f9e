"""The genuine Python SDK simulates an invoice; beyond it, the previews see the usage that was really counted."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import sleep
from typing import Any

import pytest
from corehttp.exceptions import HttpResponseError
from openmeter import models

from tests.compat.conftest import Compat, refusal
from tests.compat.test_python_sdk_catalogue import fee, plan, seller, tiered, usage
from tests.handlers.conformity import differences

__all__ = ["seller"]

START = datetime(2026, 4, 1, tzinfo=UTC)
END = datetime(2026, 5, 1, tzinfo=UTC)


def line(name: str, price: Any, quantity: str, **more: Any) -> models.InvoiceSimulationLine:
    discounts = models.BillingDiscounts(percentage=models.BillingDiscountPercentage(percentage=10))
    card = models.InvoiceUsageBasedRateCard(price=price, discounts=discounts)
    period = models.Period(from_property=START, to=END)
    return models.InvoiceSimulationLine(
        name=name, period=period, invoice_at=END, quantity=quantity, rate_card=card, **more
    )


def test_an_invoice_is_simulated(seller: Compat) -> None:
    customer = seller.sdk.customers.get("acme")
    unit = models.UnitPriceWithCommitments(type=models.PriceType.UNIT, amount="0.0000025", minimum_amount="1")
    flat = models.FlatPriceWithPaymentTerm(type=models.PriceType.FLAT, amount="49", payment_term="in_advance")
    body = models.InvoiceSimulationInput(
        currency="USD",
        lines=[
            line("Platform", flat, "1"),
            line("Calls", unit, "1234567"),
            line("Storage", tiered("graduated"), "500", pre_line_period_quantity="900"),
        ],
    )

    invoice = seller.sdk.customer_invoice.simulate_invoice(customer.id, body)

    assert (invoice.number, invoice.status, invoice.customer.key) == ("INV-SIMULATED", "draft", "acme")
    # 49 less 10 %; 3.09 less 0.31; and 400 units of the second tier, which is 0.80 less 0.08.
    assert [each.totals.total for each in invoice.lines] == ["44.10", "2.78", "0.72"]
    assert invoice.totals.total == "47.60"
    with pytest.raises(HttpResponseError) as refused:
        seller.sdk.customer_invoice.simulate_invoice(
            customer.id, models.InvoiceSimulationInput(currency="USD", lines=[line("Calls", unit, "-1")])
        )
    errors = refusal(refused.value)["extensions"]["validationErrors"]
    assert [each["field"] for each in errors] == ["lines[0].quantity"]


def test_previews_and_backtests_see_the_usage_that_was_counted(seller: Compat) -> None:
    api, plans = seller.api, seller.sdk.plans
    price = models.UnitPriceWithCommitments(type=models.PriceType.UNIT, amount="0.5")
    plans.publish(plans.create(plan("pro", fee("platform", "10"), usage("tokens", price))).id)
    made = seller.sdk.subscriptions.create(
        models.PlanSubscriptionCreate(
            plan=models.PlanReferenceInput(key="pro"), customer_key="acme", starting_phase="rest"
        )
    )
    events = [
        {"specversion": "1.0", "id": str(n), "source": "s", "type": "prompt", "subject": "ada", "data": {"tokens": n}}
        for n in (3, 4)
    ]
    seller.metering.count(events)

    path = f"/api/v1/subscriptions/{made.id}/upcoming-invoice"
    assert api.get(path).json["totals"]["total"] == "10.00"
    asked = {"notBefore": (made.active_from + timedelta(seconds=1)).isoformat(), "expand": "explanation"}
    upcoming = api.get(path, asked)
    assert differences("GET", path, 200, upcoming.content_type, upcoming.text, strict=True) == []
    fee_line, tokens = upcoming.json["lines"]
    assert (fee_line["totals"]["total"], tokens["quantity"], tokens["totals"]["total"]) == ("10.00", "7", "3.50")
    counted = tokens["explanation"]["usage"]
    assert [each["quantity"] for each in counted["windows"]] == ["7"]
    assert (counted["measuredNow"], counted["difference"], counted["windowSize"]) == ("7", "0", "DAY")

    dearer = models.UnitPriceWithCommitments(type=models.PriceType.UNIT, amount="2")
    draft = plans.create(plan("dear", usage("tokens", dearer)))
    end = made.active_from + timedelta(seconds=1)
    period = {"from": made.active_from.isoformat(), "to": end.isoformat()}
    sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()))  # a backtest is about what is over
    answer = api.post(f"/api/v1/plans/{draft.id}/backtest", {"customers": ["acme", "b"], "periods": [period]})
    assert (
        differences("POST", f"/api/v1/plans/{draft.id}/backtest", 200, answer.content_type, answer.text, strict=True)
        == []
    )
    found = answer.json
    # A second of the fee is nothing, and neither is a second of usage; what is counted is counted twice.
    assert (found["totals"]["failed"], found["totals"]["compared"]) == (1, 1)
    (compared,) = found["customers"][0]["periods"]
    sides = [sum((Decimal(each.get("quantity", 0)) for each in compared[side]), Decimal(0)) for side in ("old", "new")]
    assert sides[0] == sides[1]

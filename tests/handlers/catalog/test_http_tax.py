"""A tax that nothing would apply is refused wherever it is said; what was stored with one is sold as it was."""

from typing import Any

import pytest

from functions.domain.catalog.addon import AddonCreate
from functions.domain.catalog.plan import PlanCreate
from functions.handlers.wiring import catalog
from tests.domain.builders import draft, flat, phase
from tests.domain.catalog.test_addon import addon_draft
from tests.handlers.billing.test_http_rating import line
from tests.handlers.gateway import Client, Response

V1 = "/api/v1"
TAX = {"behavior": "exclusive", "stripe": {"code": "txcd_10000000"}}
TAXED, UNTAXED = flat() | {"taxConfig": TAX}, flat() | {"taxConfig": {}}
CUSTOM = {"name": "Own", "currency": "USD", "billingCadence": "P1M"}


def refused(answer: Response, field: str) -> None:
    assert (answer.status, answer.fields) == (400, [field]), answer.text
    (problem,) = answer.json["extensions"]["validationErrors"]
    assert problem["code"] == "tax_not_supported"
    assert "not supported yet" in problem["message"]
    assert "at the gateway" in answer.json["detail"]


def test_a_plan_is_refused_when_it_is_made_and_when_it_is_replaced(api: Client) -> None:
    refused(api.post(f"{V1}/plans", draft(phase(flat(), TAXED | {"key": "b"}))), "phases[0].rateCards[1].taxConfig")
    made = api.post(f"{V1}/plans", draft(phase(flat()))).json
    of, body = f"{V1}/plans/{made['id']}", draft(phase(TAXED))

    refused(api.put(of, {name: body[name] for name in ("name", "billingCadence", "phases")}), CARD)
    assert "taxConfig" not in api.get(of).text


CARD = "phases[0].rateCards[0].taxConfig"


def test_an_add_on_is_refused_likewise(api: Client) -> None:
    refused(api.post(f"{V1}/addons", addon_draft(TAXED)), "rateCards[0].taxConfig")
    made = api.post(f"{V1}/addons", addon_draft(flat())).json
    body = {"name": "More", "instanceType": "single", "rateCards": [TAXED]}

    refused(api.put(f"{V1}/addons/{made['id']}", body), "rateCards[0].taxConfig")


def test_a_plan_of_a_customers_own_and_an_edit_are_refused_likewise(api: Client) -> None:
    customer = api.post(f"{V1}/customers", {"name": "Acme", "key": "acme"}).json["id"]
    body: dict[str, Any] = {"customerId": customer, "customPlan": CUSTOM | {"phases": [phase(TAXED)]}}
    refused(api.post(f"{V1}/subscriptions", body), CARD)
    made = api.post(f"{V1}/subscriptions", body | {"customPlan": CUSTOM | {"phases": [phase(flat())]}})
    of = f"{V1}/subscriptions/{made.json['id']}"

    edit = {"customizations": [{"op": "add_item", "phaseKey": "main", "rateCard": TAXED | {"key": "more"}}]}
    change = {"customPlan": CUSTOM | {"phases": [phase(TAXED)]}, "timing": "immediate"}

    refused(api.call("PATCH", of, edit), "customizations[0].rateCard.taxConfig")
    refused(api.post(f"{of}/change", change), CARD)


@pytest.mark.parametrize("on_the_card", [False, True])
def test_a_simulation_is_refused_likewise(api: Client, on_the_card: bool) -> None:
    customer = api.post(f"{V1}/customers", {"name": "Acme", "key": "acme"}).json["id"]
    price = {"type": "flat", "amount": "7", "paymentTerm": "in_advance"}
    taxed = line(None, "1", rateCard={"price": price, "taxConfig": TAX}) if on_the_card else line(price, "1")
    body = {"currency": "USD", "lines": [taxed if on_the_card else taxed | {"taxConfig": TAX}]}

    answer = api.post(f"{V1}/billing/customers/{customer}/invoices/simulate", body)

    refused(answer, f"lines[0].{'rateCard.' if on_the_card else ''}taxConfig")


def test_a_configuration_that_says_nothing_is_taken(api: Client) -> None:
    assert api.post(f"{V1}/plans", draft(phase(UNTAXED))).status == 201
    assert api.post(f"{V1}/addons", addon_draft(UNTAXED)).status == 201


def test_what_was_stored_with_a_tax_is_read_sold_and_copied(api: Client) -> None:
    """Stored as it was before they were refused."""
    plans, addons = catalog.plans(), catalog.addons()
    plan = api.post(f"{V1}/plans", draft(phase(flat()))).json["id"]
    addon = api.post(f"{V1}/addons", addon_draft(flat("5", key="more"))).json["id"]
    old_plan, old_addon = plans.get("default", plan), addons.get("default", addon)
    plan_family, addon_family = plans.family("default", "pro"), addons.family("default", "more")
    assert old_plan and old_addon and plan_family and addon_family
    phases = PlanCreate.model_validate(draft(phase(TAXED))).phases
    cards = AddonCreate.model_validate(addon_draft(TAXED | {"key": "more"})).rate_cards
    plans.save("default", [old_plan.model_copy(update={"phases": phases})], plan_family)
    addons.save("default", [old_addon.model_copy(update={"rate_cards": cards})], addon_family)

    assert api.post(f"{V1}/plans/{plan}/publish").status == 200
    assert api.post(f"{V1}/addons/{addon}/publish").status == 200
    customer = api.post(f"{V1}/customers", {"name": "Acme", "key": "acme"}).json["id"]
    subscribed = api.post(f"{V1}/subscriptions", {"customerId": customer, "plan": {"key": "pro"}})

    assert subscribed.status == 201, subscribed.text
    assert api.get(f"{V1}/plans/{plan}").json["phases"][0]["rateCards"][0]["taxConfig"] == TAX
    assert api.post(f"{V1}/plans/pro/next").json["phases"][0]["rateCards"][0]["taxConfig"] == TAX

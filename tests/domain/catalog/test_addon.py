from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from functions.domain.catalog.addon import Addon, AddonCreate
from functions.domain.catalog.entitlement_template import MeteredEntitlement
from functions.domain.catalog.merging import merged, why_not
from functions.domain.catalog.plan_addon import PlanAddonReplaceUpdate, require_assignable
from functions.domain.catalog.pricing import FlatPrice
from functions.domain.catalog.rate_card import Card, RateCard
from functions.domain.errors import Conflict, InvalidInput
from tests.domain.builders import at, flat, phase, plan, unit

CARD: TypeAdapter[Any] = TypeAdapter(RateCard)
LIMIT = {"type": "metered", "issueAfterReset": 100}
ON = {"type": "boolean"}
SETTING = {"type": "static", "config": "{}"}


def addon_draft(*cards: dict[str, Any], **changed: Any) -> dict[str, Any]:
    body = {"key": "more", "name": "More", "currency": "USD", "instanceType": "single"}
    return body | {"rateCards": list(cards) or [flat("5")]} | changed


def addon(*cards: dict[str, Any], **changed: Any) -> Addon:
    times = {"createdAt": at("2000-01-01"), "updatedAt": at("2000-01-01"), "effectiveFrom": at("2000-01-01")}
    return Addon.model_validate(addon_draft(*cards) | times | {"id": "01ADDON", "version": 1} | changed)


def free(template: dict[str, Any] | None = None, key: str = "tokens", **changed: Any) -> dict[str, Any]:
    return unit(key=key) | {"price": None, "entitlementTemplate": template} | changed


def card(body: dict[str, Any]) -> Any:
    return CARD.validate_python(body)


def fee(of: Card | None) -> Decimal:
    assert of is not None and isinstance(of.price, FlatPrice)
    return of.price.amount


def test_flat_prices_are_summed_as_often_as_they_are_bought() -> None:
    result = merged(card(flat("10")), [(card(flat("2.5")), 3), (card(flat("1")), 1), (card(flat("9")), 0)])

    assert str(fee(result)) == "18.5"


def test_allowances_are_summed_and_booleans_stay_true() -> None:
    base = card(unit() | {"entitlementTemplate": LIMIT})
    result = merged(base, [(card(free(LIMIT)), 2)])
    assert result is not None and result.price is not None
    assert isinstance(result.entitlement_template, MeteredEntitlement)
    assert (str(result.entitlement_template.issue_after_reset), result.price.type) == ("300", "unit")

    result = merged(card(flat()), [(card(free(ON, type="flat_fee")), 1)])
    assert result is not None and result.entitlement_template is not None
    assert result.entitlement_template.type == "boolean"


def test_free_units_are_concatenated() -> None:
    def discounted(quantity: str) -> dict[str, Any]:
        return {"discounts": {"usage": {"quantity": quantity}, "percentage": {"percentage": 10}}}

    base = card(unit() | discounted("100"))
    more = card(unit() | discounted("50"))
    result = merged(base.model_copy(update={"price": None}), [(more, 1)])

    assert result is not None and result.discounts is not None
    assert result.discounts.usage is not None and result.discounts.percentage is not None
    assert str(result.discounts.usage.quantity) == "150"
    assert result.discounts.percentage.percentage == 10


def off(percentage: str | None, **card_fields: Any) -> dict[str, Any]:
    return card_fields | ({"discounts": {"percentage": {"percentage": percentage}}} if percentage else {})


@pytest.mark.parametrize(
    ("base_off", "more_off", "times", "amount", "left_off"),
    [
        (None, "100", 1, "30", None),
        (None, "50", 1, "55", None),
        ("50", None, 1, "65", None),
        ("10", "20", 2, "107", None),
        ("50", "50", 1, "80", "50"),
        ("100", "100", 1, "80", "100"),
        (None, "33.333333", 3, "130.0000005", None),
        (None, None, 1, "80", None),
    ],
)
def test_each_part_of_a_sum_keeps_its_own_percentage(
    base_off: str | None, more_off: str | None, times: int, amount: str, left_off: str | None
) -> None:
    base, more = card(off(base_off, **flat("30"))), card(off(more_off, **flat("50")))
    result = merged(base, [(more, times)])
    assert fee(result) == Decimal(amount)
    discount = result.discounts.percentage if result and result.discounts else None
    assert (discount.percentage if discount else None) == (left_off and Decimal(left_off))


def test_of_several_additions_each_keeps_its_own_percentage() -> None:
    additions = [(card(off(rest, **flat("50"))), 1) for rest in ("50", "20", "50")]
    assert fee(merged(card(flat("30")), additions)) == 30 + 25 + 40 + 25


def test_without_a_card_of_the_plan_the_add_on_brings_its_own() -> None:
    assert fee(merged(None, [(card(flat("5")), 2)])) == 10
    assert merged(None, [(card(flat("5")), 0)]) is None


@pytest.mark.parametrize(
    ("base", "addition", "reason"),
    [
        (flat(), flat("99"), None),
        (unit(), free(LIMIT), None),
        (free(), unit(), None),
        (unit(), unit(), "only flat prices can be summed"),
        (flat(), unit(key="fee"), "is usage_based where the plan has flat_fee"),
        (flat(), flat(cadence="P1Y"), "is billed every P1Y"),
        (flat(), flat(term="in_arrears"), "another end of the period"),
        (free(LIMIT), free(ON), "another kind of entitlement"),
        (free(SETTING), free(SETTING), "two configurations"),
    ],
)
def test_what_cannot_be_merged_says_why(base: dict[str, Any], addition: dict[str, Any], reason: str | None) -> None:
    found = why_not(card(base), card(addition))

    assert (reason is None and found is None) or (reason is not None and found is not None and reason in found)


def test_an_add_on_that_is_sold_several_times_has_flat_prices_only() -> None:
    with pytest.raises(InvalidInput) as refused:
        AddonCreate.model_validate(addon_draft(flat(), unit(), instanceType="multiple"))

    assert [each.field for each in refused.value.fields] == ["rateCards[1].price"]
    assert AddonCreate.model_validate(addon_draft(flat(), free(LIMIT), instanceType="multiple"))


@pytest.mark.parametrize(
    ("of", "terms", "field", "code"),
    [
        (addon(currency="EUR"), {"fromPlanPhase": "main"}, "addonId", "currency_mismatch"),
        (addon(), {"fromPlanPhase": "nope"}, "fromPlanPhase", "unknown_phase"),
        (addon(), {"fromPlanPhase": "main", "maxQuantity": 2}, "maxQuantity", "single_instance_addon"),
        (addon(unit()), {"fromPlanPhase": "main"}, "addon.rateCards[0]", "addon_not_compatible"),
        (
            addon(flat(key="w", cadence="P1W")),
            {"fromPlanPhase": "main"},
            "addon.rateCards[0].billingCadence",
            "cadence_not_aligned",
        ),
    ],
)
def test_what_does_not_go_with_a_plan_names_its_field(of: Addon, terms: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_assignable(plan(), of, PlanAddonReplaceUpdate.model_validate(terms), at("2026-01-01"))

    assert [(each.field, each.code) for each in refused.value.fields] == [(field, code)]


def test_only_phases_from_the_first_one_on_matter() -> None:
    of = plan(phase(unit(), key="trial", duration="P1M"), phase(flat(), key="rest"))

    require_assignable(of, addon(unit()), PlanAddonReplaceUpdate(from_plan_phase="rest"), at("2026-01-01"))
    with pytest.raises(InvalidInput, match="in phase 'trial'"):
        require_assignable(of, addon(unit()), PlanAddonReplaceUpdate(from_plan_phase="trial"), at("2026-01-01"))


def test_a_draft_add_on_is_not_assigned() -> None:
    with pytest.raises(Conflict, match="publish it"):
        require_assignable(
            plan(), addon(effectiveFrom=None), PlanAddonReplaceUpdate(from_plan_phase="main"), at("2026-01-01")
        )

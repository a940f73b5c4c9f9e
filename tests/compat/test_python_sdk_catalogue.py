"""The genuine Python SDK sells: a plan of three phases with every price there is, a subscription and its changes."""

from typing import Any

import pytest
from corehttp.exceptions import HttpResponseError, ResourceExistsError
from openmeter import models

from tests.compat.conftest import Compat, refusal

METER = {"slug": "tokens", "eventType": "prompt", "aggregation": "SUM", "valueProperty": "$.tokens"}
FEATURES = ("calls", "storage", "seats", "tokens", "compute")
MONTH: Any = "P1M"  # the package says timedelta, which knows no months; it sends a text as it is


def fee(key: str, amount: str, cadence: Any = MONTH, term: str = "in_advance") -> models.RateCardFlatFee:
    return models.RateCardFlatFee(
        type=models.RateCardType.FLAT_FEE,
        key=key,
        name=key.title(),
        billing_cadence=cadence,
        price=models.FlatPriceWithPaymentTerm(type=models.PriceType.FLAT, amount=amount, payment_term=term),
    )


def usage(key: str, price: Any, **more: Any) -> models.RateCardUsageBased:
    return models.RateCardUsageBased(
        type=models.RateCardType.USAGE_BASED,
        key=key,
        name=key.title(),
        feature_key=key,
        billing_cadence=MONTH,
        price=price,
        **more,
    )


def tier(**fields: Any) -> models.PriceTier:
    """With one of both prices; the package says that both are required."""
    return models.PriceTier(**fields)


def tiered(mode: str) -> models.TieredPriceWithCommitments:
    return models.TieredPriceWithCommitments(
        type=models.PriceType.TIERED,
        mode=mode,
        tiers=[
            tier(
                up_to_amount="1000",
                flat_price=models.FlatPrice(type=models.PriceType.FLAT, amount="5"),
                unit_price=None,
            ),
            tier(unit_price=models.UnitPrice(type=models.PriceType.UNIT, amount="0.002")),
        ],
        minimum_amount="1",
        maximum_amount="500",
    )


def every_price() -> list[Any]:
    limit = models.RateCardMeteredEntitlement(
        type=models.EntitlementType.METERED, issue_after_reset=1000, is_soft_limit=True, usage_period=MONTH
    )
    unit = models.UnitPriceWithCommitments(type=models.PriceType.UNIT, amount="0.0000025", minimum_amount="1")
    dynamic = models.DynamicPriceWithCommitments(type=models.PriceType.DYNAMIC, multiplier="1.2", maximum_amount="900")
    package = models.PackagePriceWithCommitments(type=models.PriceType.PACKAGE, amount="3", quantity_per_package="60")
    return [
        fee("platform", "49.00"),
        fee("setup", "99", cadence=None),
        fee("support", "10", term="in_arrears"),
        usage("calls", unit),
        usage("storage", tiered("graduated"), discounts=models.Discounts(usage=models.DiscountUsage(quantity="10"))),
        usage("seats", tiered("volume"), entitlement_template=limit),
        usage("tokens", dynamic),
        usage("compute", package),
    ]


def phase(key: str, duration: Any, cards: list[Any]) -> models.PlanPhase:
    return models.PlanPhase(key=key, name=key.title(), duration=duration, rate_cards=cards)


def plan(key: str, *last: Any) -> models.PlanCreate:
    phases = [
        phase("trial", "P14D", [usage("calls", None)]),
        phase("ramp", "P3M", every_price()),
        phase("rest", None, list(last) or every_price()),
    ]
    return models.PlanCreate(key=key, name=key.title(), currency="USD", billing_cadence=MONTH, phases=phases)


@pytest.fixture
def seller(compat: Compat) -> Compat:
    compat.sdk.meters.create(METER)
    for key in FEATURES:
        compat.sdk.features.create(models.FeatureCreateInputs(key=key, name=key, meter_slug="tokens"))
    compat.sdk.customers.create(
        models.CustomerCreate(
            name="Acme", key="acme", usage_attribution=models.CustomerUsageAttribution(subject_keys=["ada"])
        )
    )
    return compat


def test_a_plan_of_three_phases_and_all_prices_is_sold_changed_and_cancelled(seller: Compat) -> None:
    plans, subscriptions = seller.sdk.plans, seller.sdk.subscriptions
    draft = plans.create(plan("pro"))
    assert (draft.version, draft.status, [each.key for each in draft.phases]) == (1, "draft", ["trial", "ramp", "rest"])
    active = plans.publish(draft.id)
    types = [card["price"] and card["price"]["type"] for card in active.phases[1].rate_cards]
    assert types == ["flat", "flat", "flat", "unit", "tiered", "tiered", "dynamic", "package"]
    plans.publish(plans.create(plan("team", fee("platform", "99"), usage("calls", None))).id)

    made = subscriptions.create(
        models.PlanSubscriptionCreate(
            plan=models.PlanReferenceInput(key="pro"), customer_key="acme", timing="immediate", starting_phase="ramp"
        )
    )
    assert made.status == "active"
    with pytest.raises(ResourceExistsError) as refused:
        subscriptions.create(
            models.PlanSubscriptionCreate(plan=models.PlanReferenceInput(key="team"), customer_key="acme")
        )
    assert refused.value.response is not None
    assert "only_single_subscription_allowed_per_customer_at_a_time" in refused.value.response.text()

    edited = subscriptions.edit(
        made.id,
        models.SubscriptionEdit(
            timing="immediate",
            customizations=[
                models.EditSubscriptionAddItem(op=models.EditOp.ADD_ITEM, phase_key="ramp", rate_card=fee("seat", "7")),
                models.EditSubscriptionRemoveItem(op=models.EditOp.REMOVE_ITEM, phase_key="ramp", item_key="support"),
                models.EditSubscriptionStretchPhase(op=models.EditOp.STRETCH_PHASE, phase_key="ramp", extend_by=MONTH),
            ],
        ),
    )
    assert edited.id == made.id
    expanded = subscriptions.get_expanded(made.id)
    assert {item.key for item in expanded.phases[0].items_property} >= {"seat", "platform", "compute"}

    changed = subscriptions.change(
        made.id,
        models.PlanSubscriptionChange(timing="next_billing_cycle", plan=models.PlanReferenceInput(key="team")),
    )
    assert (changed.current.status, changed.next.status) == ("canceled", "scheduled")
    subscriptions.delete(changed.next.id)
    assert subscriptions.unschedule_cancelation(made.id).status == "active"
    assert subscriptions.cancel(made.id, {"timing": "next_billing_cycle"}).status == "canceled"


def test_versions_follow_each_other(seller: Compat) -> None:
    plans = seller.sdk.plans
    first = plans.publish(plans.create(plan("pro")).id)
    second = plans.next("pro")
    assert (second.version, second.status) == (2, "draft")
    replaced = plans.update(
        second.id,
        models.PlanReplaceUpdate(name="Pro 2", billing_cadence=MONTH, phases=plan("pro").phases[2:]),
    )
    assert (replaced.name, len(replaced.phases)) == ("Pro 2", 1)
    plans.publish(second.id)
    assert plans.get(first.id).status == "archived"
    made = seller.sdk.subscriptions.create(
        models.PlanSubscriptionCreate(plan=models.PlanReferenceInput(key="pro"), customer_key="acme")
    )
    third = plans.publish(plans.next("pro").id)
    migrated = seller.sdk.subscriptions.migrate(made.id, {"timing": "immediate"})
    assert migrated.next.plan.version == third.version == 3
    plans.archive(third.id)
    plans.delete(plans.next(third.id).id)
    assert [(each.version, each.status) for each in plans.list(key=["pro"])][-1] == (3, "archived")


def test_a_plan_that_is_wrong_is_refused_with_the_path_of_its_field(seller: Compat) -> None:
    wrong = plan("pro")
    wrong.phases[2].duration = MONTH
    storage = wrong.phases[1].rate_cards[4].price
    assert isinstance(storage, models.TieredPriceWithCommitments)
    storage.tiers[0].up_to_amount = "-1"
    with pytest.raises(HttpResponseError) as refused:
        seller.sdk.plans.create(wrong)
    errors = refusal(refused.value)["extensions"]["validationErrors"]
    assert errors[0]["field"].startswith("phases[1].rateCards[4].price.tiers[0]")

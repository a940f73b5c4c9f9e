"""What a running subscription sells is not withdrawn, in any state of the plan; the refusal says who needs it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.adapters.dynamo.sale_counts import PARTS
from functions.application.ports.subscriptions import SubscriptionChange
from functions.application.subscriptions import held_by_subscriptions
from functions.handlers.wiring import base, catalog, subscriptions
from tests.domain.builders import flat, phase, unit
from tests.handlers.gateway import Client, Response

V1 = "/api/v1"
METER = {
    "slug": "tokens",
    "eventType": "prompt",
    "aggregation": "SUM",
    "valueProperty": "$.n",
    "groupBy": {"model": "$.model", "team": "$.team"},
}
BY_MODEL = {"type": "matrix", "dimensions": ["model"], "rows": [], "defaultAmount": "1"}
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
FUTURE = (datetime.now(UTC) + timedelta(days=90)).strftime("%Y-%m-%dT00:00:00Z")


@dataclass
class Shop:
    """Tokens by model and team, and a customer who may have any plan."""

    api: Client
    customers: list[str] = field(default_factory=list)

    def made(self, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.api.post(f"{V1}/{path}", body)
        assert answer.status in (200, 201), answer.text
        found: dict[str, Any] = answer.json
        return found

    def customer(self) -> str:
        name = f"c{len(self.customers)}"
        self.customers.append(self.made("customers", {"key": name, "name": name})["id"])
        return self.customers[-1]

    def subscribe(self, *cards: dict[str, Any], **changed: Any) -> str:
        custom = {"name": "Own", "currency": "USD", "billingCadence": "P1M", "phases": [phase(*cards)]}
        body = {"customPlan": custom, "customerId": self.customer()}
        return str(self.made("subscriptions", body | changed)["id"])

    def archive_feature(self) -> Response:
        return self.api.delete(f"{V1}/features/tokens")

    def delete_meter(self) -> Response:
        return self.api.delete(f"{V1}/meters/tokens")

    def drop(self, kept: str) -> Response:
        """All dimensions but one."""
        return self.api.put(f"{V1}/meters/tokens", {"groupBy": {kept: f"$.{kept}"}})

    def withdraw_feature_behind_its_back(self) -> None:
        """As it could be done before subscriptions were asked."""
        feature = catalog.features().by_key("default", "tokens")
        assert feature is not None
        counts = catalog.plans().sale_counts("default")
        archived = feature.model_copy(update={"archived_at": base.clock().now().replace(microsecond=0)})
        catalog.features().archive("default", archived, counts)


@pytest.fixture
def shop(api: Client) -> Shop:
    shop = Shop(api)
    shop.made("meters", METER)
    shop.made("features", {"key": "tokens", "name": "Tokens", "meterSlug": "tokens"})
    return shop


def test_a_feature_under_a_plan_of_its_own_is_not_archived(shop: Shop) -> None:
    subscription = shop.subscribe(unit())

    refused = shop.archive_feature()

    assert refused.status == 409
    assert refused.content_type == "application/problem+json"
    assert refused.json["detail"] == (
        f"Feature 'tokens' is sold by subscription {subscription} of customer {shop.customers[0]}; cancel it, or edit "
        "it so that it no longer sells the feature."
    )
    assert [each["code"] for each in refused.json["extensions"]["validationErrors"]] == ["feature_in_use"]


@pytest.mark.parametrize("withdrawn", ["archive", "delete"])
def test_a_plan_that_was_withdrawn_leaves_its_subscriptions(shop: Shop, withdrawn: str) -> None:
    plan = {"key": "pro", "name": "Pro", "currency": "USD", "billingCadence": "P1M", "phases": [phase(unit())]}
    plan_id = shop.made("plans", plan)["id"]
    shop.made(f"plans/{plan_id}/publish")
    body = {"plan": {"key": "pro"}, "customerId": shop.customer()}
    subscription = shop.made("subscriptions", body)["id"]
    shop.made(f"plans/{plan_id}/archive")
    if withdrawn == "delete":
        assert shop.api.delete(f"{V1}/plans/{plan_id}").status in (204, 400, 409)

    refused = shop.archive_feature()

    assert (refused.status, subscription in refused.json["detail"]) == (409, True)


def test_what_will_be_sold_is_held_too(shop: Shop) -> None:
    scheduled = shop.subscribe(unit(), timing=FUTURE)

    assert scheduled in shop.archive_feature().json["detail"]
    assert shop.api.delete(f"{V1}/subscriptions/{scheduled}").status == 204
    assert shop.archive_feature().status == 204


def test_a_later_phase_is_held_though_the_subscription_is_to_end_before(shop: Shop) -> None:
    custom: dict[str, Any] = {"name": "Own", "currency": "USD", "billingCadence": "P1M"}
    custom["phases"] = [phase(flat(), key="a", duration="P6M"), phase(unit(), key="b")]
    body = {"customPlan": custom, "customerId": shop.customer()}
    subscription = shop.made("subscriptions", body)["id"]
    shop.made(f"subscriptions/{subscription}/cancel", {"timing": "next_billing_cycle"})

    # The end may be taken back.
    assert shop.archive_feature().status == 409


def test_a_feature_may_be_archived_once_its_subscribers_edit_it_out_or_cancel(shop: Shop) -> None:
    edited, cancelled = shop.subscribe(flat(), unit()), shop.subscribe(unit())
    remove = {"customizations": [{"op": "remove_item", "phaseKey": "main", "itemKey": "tokens"}]}
    assert shop.api.call("PATCH", f"{V1}/subscriptions/{edited}", remove).status == 200
    assert edited not in shop.archive_feature().json["detail"]
    shop.made(f"subscriptions/{cancelled}/cancel", {"timing": "immediate"})

    assert shop.archive_feature().status == 204


def test_some_holders_are_named_and_the_rest_is_said_to_exist(shop: Shop) -> None:
    every = [shop.subscribe(unit()) for _ in range(5)]

    told = shop.archive_feature().json["detail"]

    assert [each in told for each in every] == [True, True, True, False, False]
    assert "and more; cancel each, or edit" in told


def test_other_features_and_their_meters_are_not_held(shop: Shop) -> None:
    shop.made("meters", METER | {"slug": "tokens2"})
    shop.made("features", {"key": "tokens2", "name": "Tokens 2", "meterSlug": "tokens2"})
    shop.subscribe(unit())

    assert shop.api.delete(f"{V1}/features/tokens2").status == 204
    assert shop.api.delete(f"{V1}/meters/tokens2").status == 204


def test_a_meter_is_held_by_what_it_is_to_bill_though_its_feature_was_archived(shop: Shop) -> None:
    subscription = shop.subscribe(unit())
    shop.withdraw_feature_behind_its_back()

    refused = shop.delete_meter()

    assert (refused.status, subscription in refused.json["detail"]) == (409, True), refused.text
    assert [each["code"] for each in refused.json["extensions"]["validationErrors"]] == ["meter_in_use"]


def test_a_meter_is_held_until_the_last_usage_is_invoiced(shop: Shop) -> None:
    subscription = shop.subscribe(unit(), timing=YESTERDAY)
    shop.withdraw_feature_behind_its_back()
    shop.made(f"subscriptions/{subscription}/cancel", {"timing": "immediate"})

    refused = shop.delete_meter()

    assert refused.status == 409
    assert f"subscription {subscription} of customer {shop.customers[0]}; invoice what was used" in refused.text
    found = subscriptions.subscriptions().get("default", subscription)
    assert found is not None
    with_all_billed = found.billed(base.clock().now() + timedelta(days=90), base.clock().now())
    tenures = subscriptions.subscriptions().tenures("default", found.customer_id)
    change = [SubscriptionChange(found, with_all_billed)]
    subscriptions.subscriptions().save("default", found.customer_id, change, tenures)
    assert shop.delete_meter().status == 204


def test_a_meter_is_held_by_a_metered_entitlement(shop: Shop) -> None:
    entitled = flat(key="tokens") | {"featureKey": "tokens", "entitlementTemplate": {"type": "metered"}}
    shop.subscribe(entitled)
    shop.withdraw_feature_behind_its_back()

    assert shop.delete_meter().status == 409


def test_a_dimension_is_held_by_the_price_of_a_plan_of_its_own(shop: Shop) -> None:
    subscription = shop.subscribe(unit() | {"price": BY_MODEL})

    refused = shop.drop(kept="team")

    assert (refused.status, refused.fields) == (409, ["groupBy.model"])
    assert f"groupBy model of 'tokens' is needed to bill subscription {subscription} of" in refused.json["detail"]
    assert shop.drop(kept="model").status == 200


def test_a_dimension_is_held_by_the_filters_a_feature_had(shop: Shop) -> None:
    shop.made("features", {"key": "big", "name": "B", "meterSlug": "tokens", "meterGroupByFilters": {"model": "big"}})
    subscription = shop.subscribe(unit(key="big"))
    feature = catalog.features().by_key("default", "big")
    assert feature is not None
    archived = feature.model_copy(update={"archived_at": base.clock().now().replace(microsecond=0)})
    catalog.features().archive("default", archived, catalog.plans().sale_counts("default"))

    assert subscription in shop.drop(kept="team").json["detail"]
    assert shop.drop(kept="model").status == 200


def test_another_tenant_holds_nothing(shop: Shop, api: Client) -> None:
    shop.subscribe(unit())
    other = Shop(api.acting_as("admin", "other"))
    other.made("meters", METER)
    other.made("features", {"key": "tokens", "name": "Tokens", "meterSlug": "tokens"})

    assert other.archive_feature().status == 204
    assert other.delete_meter().status == 204


def test_more_subscriptions_than_are_looked_at_refuse_rather_than_guess(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_by_subscriptions, "MAX_LOOKED_AT", 2)
    for _ in range(2):
        shop.subscribe(flat())
    shop.made("features", {"key": "spare", "name": "Spare"})
    assert shop.api.delete(f"{V1}/features/spare").status == 204
    shop.subscribe(flat())

    refused = shop.archive_feature()

    assert refused.status == 409
    assert "More than 2 subscriptions would have to be asked" in refused.json["detail"]


def test_customers_of_every_part_are_noticed(shop: Shop) -> None:
    """Each is counted in one of the parts; a withdrawal builds on all of them."""
    plans = catalog.plans()
    for _ in range(4 * PARTS):
        shop.subscribe(unit())

    counts = plans.sale_counts("default")

    assert sum(counts.subscribed) == 4 * PARTS
    assert sum(1 for each in counts.subscribed if each) > PARTS // 2

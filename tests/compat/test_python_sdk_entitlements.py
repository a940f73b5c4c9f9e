"""The genuine Python SDK grants and asks: entitlements, grants, values, history, resets and overrides."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from corehttp.exceptions import HttpResponseError, ResourceNotFoundError
from openmeter import models

from tests.compat.conftest import Compat, refusal
from tests.handlers.genuine import problems

METER = {"slug": "tokens", "eventType": "prompt", "aggregation": "SUM", "valueProperty": "$.tokens"}


@pytest.fixture
def sold(compat: Compat) -> Compat:
    assert compat.api.post("/api/v1/meters", METER).status == 201
    for body in ({"key": "tokens", "name": "Tokens", "meterSlug": "tokens"}, {"key": "sso", "name": "SSO"}):
        assert compat.api.post("/api/v1/features", body).status == 201
    acme = {"name": "Acme", "key": "acme", "usageAttribution": {"subjectKeys": ["acme"]}}
    assert compat.api.post("/api/v1/customers", acme).status == 201
    return compat


def use(compat: Compat, tokens: int, number: int) -> None:
    event = {"specversion": "1.0", "id": str(number), "source": "s", "type": "prompt", "subject": "acme"}
    compat.metering.count([{**event, "data": {"tokens": tokens}}])


def metered(**more: Any) -> models.EntitlementMeteredV2CreateInputs:
    period = models.RecurringPeriodCreateInput(interval=models.RecurringPeriodIntervalEnum.MONTH)
    return models.EntitlementMeteredV2CreateInputs(
        type=models.EntitlementType.METERED, feature_key="tokens", usage_period=period, **more
    )


def test_a_metered_entitlement_lives_its_life(sold: Compat) -> None:
    sdk = sold.sdk
    made = sdk.customer_entitlements_v2.post("acme", metered(issue=models.IssueAfterReset(amount=100)))
    assert (made["type"], made["issue"]["amount"], made["customerKey"]) == ("metered", 100, "acme")
    assert problems(models.EntitlementMeteredV2, sold.api.get(f"/api/v2/entitlements/{made['id']}").json) == []
    use(sold, 130, 1)
    told = sdk.customer_entitlement_v2.get_customer_entitlement_value("acme", "tokens")
    assert (told.has_access, told.balance, told.usage, told.overage) == (False, 0, 130, 30)

    now = datetime.now(UTC)
    grant = sdk.customer_entitlement_v2.create_customer_entitlement_grant(
        "acme",
        "tokens",
        models.EntitlementGrantCreateInputV2(
            amount=50,
            priority=1,
            effective_at=now,
            expiration=models.ExpirationPeriod(duration=models.ExpirationDuration.MONTH, count=1),
        ),
    )
    assert (grant.amount, grant.entitlement_id, grant.max_rollover_amount) == (50, made["id"], 50)
    told = sdk.customer_entitlement_v2.get_customer_entitlement_value("acme", made["id"])
    # Of the same priority and the same minute, it expires first.
    assert (told.has_access, told.balance, told.grant_balances[grant.id]) == (True, 20, 0)
    assert sdk.customer_entitlement.get_customer_entitlement_value("acme", "tokens").balance == 20
    assert [each.id for each in sdk.grants_v2.list(feature=["tokens"], customer=["acme"]).items_property] == [
        made_grant.id for made_grant in sdk.customer_entitlement_v2.get_grants("acme", "tokens").items_property
    ]
    history = sdk.customer_entitlement_v2.get_customer_entitlement_history(
        "acme", "tokens", window_size=models.WindowSize.HOUR
    )
    assert sum(each.usage for each in history.windowed_history) == 130
    assert history.burndown_history[-1].balance_at_end == 20
    sdk.grants.delete(grant.id)
    with pytest.raises(HttpResponseError) as refused:
        sdk.grants.delete(grant.id)
    assert refusal(refused.value)["extensions"]["validationErrors"][0]["code"] == "grant_already_voided"
    reset = models.ResetEntitlementUsageInput(effective_at=now + timedelta(hours=1))
    with pytest.raises(HttpResponseError):
        sdk.customer_entitlement_v2.reset_customer_entitlement("acme", "tokens", reset)

    second = sdk.customer_entitlements_v2.override("acme", "tokens", metered(is_soft_limit=True))
    assert (second["id"] != made["id"], second["isSoftLimit"]) == (True, True)
    assert [each["id"] for each in sdk.customer_entitlements_v2.list("acme").items_property] == [second["id"]]
    assert len(sdk.entitlements_v2.list(customer_keys=["acme"]).items_property) == 2
    assert sdk.entitlements_v2.get(made["id"])["deletedAt"]
    assert {each["id"] for each in sdk.entitlements.list(subject=["acme"])} == {made["id"], second["id"]}
    assert sdk.entitlements.get(second["id"])["subjectKey"] == "acme"
    sdk.customer_entitlements_v2.delete("acme", "tokens")
    with pytest.raises(ResourceNotFoundError):
        sdk.customer_entitlements_v2.get("acme", "tokens")
    assert sdk.customer_entitlement.get_customer_entitlement_value("acme", "tokens").has_access is False


def test_a_yes_and_a_configuration(sold: Compat) -> None:
    static = models.EntitlementStaticCreateInputs(
        type=models.EntitlementType.STATIC, feature_key="sso", config='{"seats": 5}'
    )
    made = sold.sdk.customer_entitlements_v2.post("acme", static)
    assert problems(models.EntitlementStaticV2, sold.api.get(f"/api/v2/entitlements/{made['id']}").json) == []
    told = sold.sdk.customer_entitlement_v2.get_customer_entitlement_value("acme", "sso")
    assert (told.has_access, told.config) == (True, '{"seats": 5}')
    yes = models.EntitlementBooleanCreateInputs(type=models.EntitlementType.BOOLEAN, feature_key="tokens")
    made = sold.sdk.customer_entitlements_v2.post("acme", yes)
    assert problems(models.EntitlementBooleanV2, sold.api.get(f"/api/v2/entitlements/{made['id']}").json) == []


ANSWERS: list[tuple[str, Any]] = [
    ("/api/v2/customers/acme/entitlements", models.EntitlementV2PaginatedResponse),
    ("/api/v2/customers/acme/entitlements/tokens/grants", models.GrantV2PaginatedResponse),
    ("/api/v2/customers/acme/entitlements/tokens/value", models.EntitlementValueV2),
    ("/api/v2/customers/acme/entitlements/tokens/history?windowSize=HOUR", models.WindowedBalanceHistory),
    ("/api/v1/customers/acme/access", models.CustomerAccess),
    ("/api/v1/grants?page=1", models.GrantPaginatedResponse),
    ("/api/v2/grants", models.GrantV2PaginatedResponse),
]


def test_every_answer_has_what_the_package_reads(sold: Compat) -> None:
    sold.sdk.customer_entitlements_v2.post("acme", metered(issue=models.IssueAfterReset(amount=100)))
    use(sold, 5, 1)
    for path, model in ANSWERS:
        path, _, query = path.partition("?")
        answer = sold.api.get(path, query)
        assert answer.status == 200, answer.text
        assert problems(model, answer.json) == [], path

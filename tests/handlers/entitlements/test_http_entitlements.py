"""Access over HTTP: what a customer may use, what is left of it, and how grants are burnt down."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import DynamoDb
from tests.handlers.entitlements.shop import METERED, Shop, open_shop
from tests.handlers.gateway import Client, Response


@pytest.fixture
def shop(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return open_shop(api, dynamodb, monkeypatch)


def figures(value: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(value[name] for name in ("balance", "usage", "overage", "totalAvailableGrantAmount", "hasAccess"))


def codes(answer: Response) -> list[str]:
    return [each["code"] for each in answer.json["extensions"]["validationErrors"]]


def test_usage_burns_a_grant_down_and_a_later_grant_pays_the_overage(shop: Shop) -> None:
    shop.entitle()
    shop.grant(100)
    shop.use(1)
    assert figures(shop.value()) == (99, 1, 0, 100, True)
    shop.use(120)
    assert figures(shop.value()) == (0, 121, 21, 100, False)
    shop.grant(50)
    assert figures(shop.value()) == (29, 121, 0, 150, True)


def test_grants_burn_by_priority_and_then_by_expiry(shop: Shop) -> None:
    shop.entitle()
    first = shop.grant(100, priority=1, expiration={"duration": "DAY", "count": 30})
    second = shop.grant(100, priority=1)
    third = shop.grant(100, priority=2)
    shop.use(120)
    balances = shop.value()["grantBalances"]
    assert [balances[each["id"]] for each in (first, second, third)] == [0, 80, 100]


def test_a_recurring_grant_pays_the_overage_of_the_day_before(shop: Shop) -> None:
    shop.entitle()
    shop.grant(100, recurrence={"interval": "DAY"})
    shop.wait(hours=1)
    shop.use(120)
    shop.wait(hours=24)
    assert figures(shop.value())[:3] == (80, 120, 0)


@pytest.mark.parametrize("order", [("acme-eu", "acme-us"), ("acme-us", "acme-eu"), "at once"])
def test_all_subjects_of_a_customer_count_together(shop: Shop, order: tuple[str, str] | str) -> None:
    shop.entitle()
    shop.grant(100)
    if isinstance(order, str):
        shop.metering.count(shop.events([(60, "acme-eu"), (60, "acme-us")]))
    else:
        for subject in order:
            shop.use(60, subject)
    assert figures(shop.value())[:3] == (0, 120, 20)
    assert shop.value("globex")["hasAccess"] is False


def test_a_voided_event_gives_access_back(shop: Shop) -> None:
    shop.entitle()
    shop.grant(50)
    shop.use(60)
    assert shop.value()["hasAccess"] is False
    event = {"id": "e1", "source": "shop", "subject": "acme", "time": shop.now()}
    voided = shop.api.post("/api/v1/events/corrections", {"event": event, "reason": "sent by a test system"})
    assert voided.status == 202, voided.text
    shop.metering.deliver()
    assert figures(shop.value()) == (50, 0, 0, 50, True)


def test_what_is_missing_is_answered_as_openmeter_does(shop: Shop) -> None:
    api = shop.api
    path = "/api/v1/customers/acme/entitlements/tokens/value"
    assert (api.get(path).status, api.get(path).json) == (200, {"hasAccess": False})
    assert api.get("/api/v1/subjects/acme/entitlements/tokens/value").status == 404
    assert api.get("/api/v1/customers/nobody/entitlements/tokens/value").status == 404
    shop.entitle()
    again = api.post("/api/v2/customers/acme/entitlements", METERED)
    assert (again.status, codes(again)) == (409, ["entitlement_already_exists"])
    text = api.post("/api/v2/customers/acme/entitlements", {"type": "static", "featureKey": "sso", "config": "abc"})
    assert (text.status, text.fields) == (400, ["config"])
    assert api.delete("/api/v1/customers/acme").status == 204
    deleted = api.get(f"/api/v1/customers/{shop.ids['acme']}/entitlements/tokens/value")
    assert deleted.status == 412, deleted.text


def test_a_yes_and_a_configuration_are_answered_with_access(shop: Shop) -> None:
    config = '{"seats": 5}'
    static = {"type": "static", "featureKey": "sso", "config": config}
    made = shop.api.post("/api/v2/customers/acme/entitlements", static)
    assert made.status == 201, made.text
    yes = shop.api.post("/api/v2/customers/globex/entitlements", {"type": "boolean", "featureKey": "sso"})
    assert (yes.status, yes.json["customerKey"]) == (201, "globex")
    shop.entitle(issueAfterReset=10)
    access = shop.api.get("/api/v1/customers/acme/access").json["entitlements"]
    assert access["sso"] == {"hasAccess": True, "config": config}
    assert (access["tokens"]["balance"], access["tokens"]["hasAccess"]) == (10, True)
    assert shop.value("globex", "sso") == {"hasAccess": True}


def test_figures_keep_every_digit(shop: Shop) -> None:
    shop.entitle()
    shop.grant(0.3)
    for tokens in ("0.1", "0.2"):
        shop.use(tokens)
    value = shop.value()
    assert (value["usage"], value["balance"], value["hasAccess"]) == (Decimal("0.3"), 0, False)
    shop.grant(9007199254740993)
    assert shop.value()["balance"] == 9007199254740993


def test_every_period_begins_with_what_is_issued(shop: Shop) -> None:
    made = shop.entitle(issue={"amount": 100, "priority": 3}, usagePeriod={"interval": "DAY"})
    assert (made["issue"], made["currentUsagePeriod"]["from"]) == (
        {"amount": 100, "priority": 3},
        "2026-11-05T12:07:00Z",
    )
    shop.use(130)
    assert figures(shop.value())[:3] == (0, 130, 30)
    shop.wait(days=1)
    assert figures(shop.value()) == (100, 0, 0, 100, True)
    shop.use(10)
    shop.wait(days=3)
    assert figures(shop.value()) == (100, 0, 0, 100, True)


def test_a_reset_begins_a_period_and_the_past_stays_what_it_was(shop: Shop) -> None:
    shop.entitle(issueAfterReset=100)
    shop.use(70)
    shop.wait(minutes=5)
    reset = "/api/v2/customers/acme/entitlements/tokens/reset"
    assert shop.api.post(reset, {}).status == 204
    assert figures(shop.value())[:3] == (100, 0, 0)
    assert shop.api.post(reset, {}).status == 400, "one a minute"
    before = shop.value(at=shop.now(minutes=-2))
    assert figures(before)[:3] == (30, 70, 0)
    shop.wait(minutes=1)
    for body in ({"effectiveAt": shop.now(minutes=5)}, {"effectiveAt": shop.now(days=-1)}):
        assert shop.api.post(reset, body).status == 400, body
    assert shop.api.post(reset, {"retainAnchor": True}).status == 204


def test_history_tells_what_value_told(shop: Shop) -> None:
    shop.entitle()
    shop.grant(100)
    shop.wait(hours=4)
    for n, hours in enumerate((3, 2, 1, 0)):
        shop.use(10 + n, ago=timedelta(hours=hours))
    shop.grant(5, effectiveAt=shop.now(hours=-1, minutes=-30), priority=1)
    history = shop.history("HOUR", **{"from": shop.now(hours=-4)})
    assert sum(each["usage"] for each in history["windowedHistory"]) == shop.value()["usage"] == 46
    assert sum(each["usage"] for each in history["burndownHistory"]) == 46
    for window in history["windowedHistory"]:
        start = window["period"]["from"]
        assert shop.value(at=start)["balance"] == window["balanceAtStart"], start
    last = history["burndownHistory"][-1]
    assert last["period"]["to"] == history["windowedHistory"][-1]["period"]["to"] == shop.now()
    assert last["balanceAtEnd"] == shop.value()["balance"] == 59
    for each in history["burndownHistory"]:
        used = sum(grant["usage"] for grant in each["grantUsages"])
        assert each["balanceAtStart"] - used == each["balanceAtEnd"]


def test_a_voided_grant_is_left_out_from_then_on(shop: Shop) -> None:
    shop.entitle()
    grant = shop.grant(100)
    shop.use(60)
    shop.wait(minutes=3)
    path = f"/api/v1/grants/{grant['id']}"
    assert shop.api.delete(path, params={"at": shop.now(minutes=9)}).status == 400
    assert shop.api.delete(path).status == 204
    assert figures(shop.value()) == (0, 60, 0, 60, False)
    assert shop.api.delete(path).status == 400
    assert shop.api.get("/api/v2/grants").json["totalCount"] == 0
    (voided,) = shop.api.get("/api/v2/grants", {"includeDeleted": "true"}).json["items"]
    assert (voided["id"], voided["voidedAt"]) == (grant["id"], "2026-11-05T12:10:00Z")
    assert shop.api.delete("/api/v1/grants/01JNOBODYSGRANT00000000000").status == 404


def test_an_override_takes_the_place_of_what_was_there(shop: Shop) -> None:
    first = shop.entitle(issueAfterReset=10)
    shop.use(10)
    shop.wait(minutes=2)
    path = "/api/v2/customers/acme/entitlements/tokens"
    made = shop.api.put(f"{path}/override", {**METERED, "issueAfterReset": 500})
    assert made.status == 201, made.text
    assert figures(shop.value())[:2] == (500, 0)
    assert shop.value(at=shop.now(minutes=-1))["balance"] == 0
    listed = shop.api.get("/api/v2/customers/acme/entitlements").json
    assert [each["id"] for each in listed["items"]] == [made.json["id"]]
    everything = shop.api.get("/api/v2/customers/acme/entitlements", {"includeDeleted": "true"}).json
    assert {each["id"] for each in everything["items"]} == {first["id"], made.json["id"]}
    assert shop.api.delete(path).status == 204
    assert shop.value() == {"hasAccess": False}
    assert shop.api.put(f"{path}/override", METERED).status == 404


def test_a_peak_a_level_and_different_values_have_balances_too(shop: Shop) -> None:
    for feature in ("peak", "seats", "models"):
        shop.entitle(featureKey=feature, issueAfterReset=10)
    for tokens, model in ((4, "a"), (9, "b"), (3, "a")):
        shop.use(tokens, model=model)
        shop.wait(minutes=1)
    assert figures(shop.value(feature="peak"))[:2] == (1, 9)
    assert figures(shop.value(feature="seats"))[:2] == (7, 3)
    assert figures(shop.value(feature="models"))[:2] == (8, 2)
    shop.grant(5, feature="peak")
    assert figures(shop.value(feature="peak"))[:2] == (6, 9)


def test_only_what_passes_the_filter_of_the_feature_counts(shop: Shop) -> None:
    shop.entitle(featureKey="large", issueAfterReset=100)
    shop.use(30, model="large")
    shop.use(30, model="small")
    assert figures(shop.value(feature="large"))[:2] == (70, 30)


def test_a_soft_limit_never_takes_access_away(shop: Shop) -> None:
    shop.entitle(isSoftLimit=True, issueAfterReset=0)
    shop.use(5)
    assert figures(shop.value()) == (0, 5, 5, 0, True)


def test_another_tenant_sees_nothing(shop: Shop, api: Client) -> None:
    made = shop.entitle(issueAfterReset=5)
    other = api.acting_as("admin", "other")
    for path in (
        f"/api/v2/customers/{shop.ids['acme']}/entitlements/tokens/value",
        f"/api/v2/customers/{shop.ids['acme']}/entitlements",
        f"/api/v1/customers/{shop.ids['acme']}/access",
        f"/api/v2/entitlements/{made['id']}",
        f"/api/v1/entitlements/{made['id']}",
        "/api/v1/subjects/acme/entitlements",
    ):
        assert other.get(path).status == 404, path
    assert other.get("/api/v2/entitlements").json["items"] == []
    (grant,) = shop.api.get("/api/v2/grants").json["items"]
    assert other.delete(f"/api/v1/grants/{grant['id']}").status == 404


BAD_GRANTS: list[tuple[dict[str, Any], str]] = [
    ({"amount": 0}, "amount"),
    ({"amount": -1}, "amount"),
    ({"amount": "NaN"}, "amount"),
    ({"effectiveAt": "2026-10-31T23:59:00Z"}, "effectiveAt"),
    ({"priority": 256}, "priority"),
    ({"expiration": {"duration": "DECADE", "count": 1}}, "expiration.duration"),
    ({"recurrence": {"interval": "PT1M"}}, "recurrence.interval"),
    ({"minRolloverAmount": -1}, "minRolloverAmount"),
]


def test_a_grant_that_cannot_be_is_refused_by_field(shop: Shop) -> None:
    shop.entitle()
    for wrong, field in BAD_GRANTS:
        body = {"amount": 1, "effectiveAt": shop.now(), **wrong}
        found = shop.api.post("/api/v2/customers/acme/entitlements/tokens/grants", body)
        assert (found.status, found.fields) == (400, [field]), found.text


BAD_ENTITLEMENTS: list[tuple[dict[str, Any], str]] = [
    ({"usagePeriod": {"interval": "PT59M"}}, "usagePeriod.interval"),
    ({"usagePeriod": {"interval": "fortnight"}}, "usagePeriod.interval"),
    ({"issue": {"amount": 1}, "issueAfterReset": 1}, "$"),
    ({"featureKey": "sso"}, "featureKey"),
    ({"measureUsageFrom": "2027-01-01T00:00:00Z"}, "measureUsageFrom"),
    ({"isSoftLimit": "no"}, "isSoftLimit"),
    ({"type": "golden"}, "$"),
]


def test_an_entitlement_that_cannot_be_is_refused_by_field(shop: Shop) -> None:
    for wrong, field in BAD_ENTITLEMENTS:
        found = shop.api.post("/api/v2/customers/acme/entitlements", {**METERED, **wrong})
        assert (found.status, found.fields) == (400, [field]), found.text


def test_what_nobody_would_ask_is_answered_all_the_same(shop: Shop) -> None:
    shop.entitle()
    for count, effective_at in ((1_000, shop.now()), (1, "2199-12-31T23:59:00Z")):
        grant = shop.grant(1, effectiveAt=effective_at, expiration={"duration": "YEAR", "count": count})
        assert (grant["expiration"]["count"], "expiresAt" in grant) == (count, False)
    assert shop.value()["balance"] == 1
    assert shop.value(at="2199-12-30T00:00:00Z")["balance"] == 1
    for path in ("/api/v1/customers/acme/entitlements", "/api/v2/customers/acme/entitlements"):
        assert shop.api.get(f"{path}/a%23b/value").json == {"hasAccess": False}
    backwards = {"windowSize": "DAY", "from": shop.now(), "to": shop.now(days=-1)}
    refused = shop.api.get("/api/v2/customers/acme/entitlements/tokens/history", backwards)
    assert (refused.status, refused.fields) == (400, ["from"])


def test_the_first_version_speaks_of_subjects(shop: Shop) -> None:
    api, path = shop.api, "/api/v1/subjects/acme-eu/entitlements"
    made = api.post(path, {**METERED, "issueAfterReset": 20})
    assert (made.status, made.json["subjectKey"]) == (201, "acme-eu"), made.text
    grant = api.post(f"{path}/tokens/grants", {"amount": 5, "effectiveAt": shop.now()})
    assert (grant.status, grant.fields) == (400, ["expiration"])
    body = {"amount": 5, "effectiveAt": shop.now(), "expiration": {"duration": "MONTH", "count": 1}}
    grant = api.post(f"{path}/tokens/grants", body)
    assert (grant.status, grant.json["maxRolloverAmount"]) == (201, 0), grant.text
    shop.use(7, "acme-us")
    assert figures(api.get(f"{path}/tokens/value").json)[:2] == (18, 7)
    assert [each["id"] for each in api.get(path).json] == [made.json["id"]]
    assert [each["id"] for each in api.get("/api/v1/entitlements").json] == [made.json["id"]]
    assert api.get(f"/api/v1/entitlements/{made.json['id']}").json["subjectKey"] == "acme"
    assert {each["id"] for each in api.get(f"{path}/tokens/grants").json} >= {grant.json["id"]}
    shop.wait(minutes=1)
    assert api.post(f"{path}/{made.json['id']}/reset", {}).status == 204
    assert api.get(f"{path}/tokens/history", {"windowSize": "DAY"}).status == 200
    assert api.put(f"{path}/tokens/override", {"type": "metered", **METERED}).status == 201
    assert api.delete(f"{path}/tokens").status == 204
    assert api.get(f"{path}/{made.json['id']}").json["deletedAt"]


def test_a_meter_stays_while_somebody_is_entitled_to_what_it_measures(shop: Shop) -> None:
    made = shop.entitle(featureKey="large", issueAfterReset=5)
    for key in ("tokens", "large"):
        assert shop.api.delete(f"/api/v1/features/{key}").status == 204
    refused = shop.api.delete("/api/v1/meters/tokens")
    assert (refused.status, made["id"] in refused.text) == (409, True), refused.text
    shop.use(3, model="large")
    assert figures(shop.value(feature="large"))[:2] == (2, 3), "an archived feature is still allowed"
    again = shop.api.post("/api/v2/customers/globex/entitlements", METERED)
    assert again.status == 404, "but nobody else is entitled to it"
    assert shop.api.delete(f"/api/v2/customers/acme/entitlements/{made['id']}").status == 204
    assert shop.api.delete("/api/v1/meters/tokens").status == 204


def test_a_period_that_was_closed_rolls_over_for_good_and_lists_what_comes_later(shop: Shop) -> None:
    shop.entitle(usagePeriod={"interval": "DAY", "anchor": "2026-11-05T00:00:00Z"})
    shop.grant(100, maxRolloverAmount=80)
    shop.use(30)
    shop.wait(hours=13)
    assert figures(shop.value())[:2] == (70, 0)
    shop.use(5, ago=timedelta(hours=3))  # of the day before, which is open
    assert shop.value()["balance"] == 65
    shop.wait(days=1)
    assert shop.value()["balance"] == 65
    late = "/api/v2/customers/acme/entitlements/tokens/late-events"
    assert shop.api.get(late).json == {"items": []}
    shop.use(7, ago=timedelta(hours=27))  # now it is closed
    assert shop.value()["balance"] == 65
    (item,) = shop.api.get(late).json["items"]
    assert (item["usage"], item["late"]) == (35, 7)
    assert item["period"] == {"from": "2026-11-05T12:07:00Z", "to": "2026-11-06T00:00:00Z"}
    shop.use(1)
    assert shop.value()["balance"] == 64
    assert shop.value(at="2026-11-05T20:00:00Z")["usage"] == 30
    shop.wait(days=40)
    assert figures(shop.value())[:2] == (64, 0)


def test_periods_of_an_hour_go_on_for_years(shop: Shop) -> None:
    shop.entitle(usagePeriod={"interval": "PT1H"}, issue={"amount": 10})
    shop.wait(days=3 * 365)
    shop.use(4)
    assert figures(shop.value())[:2] == (6, 4)

"""Two requests at the same moment: one runs as a whole between what the other read and what it writes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from functions.adapters.dynamo.table import Table
from functions.application.metering.meters.change_meter import with_history
from functions.domain.errors import NotFound
from functions.handlers.wiring import base, metering
from tests.conftest import DynamoDb
from tests.domain.builders import draft, flat, phase, unit
from tests.domain.catalog.test_addon import addon_draft
from tests.domain.coupons import coupon_body
from tests.handlers.gateway import Client, Response

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import WriteRequestTypeDef

V1 = "/api/v1"
METER = {
    "slug": "tokens",
    "eventType": "prompt",
    "aggregation": "SUM",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}
FEATURE = {"key": "tokens", "name": "Tokens", "meterSlug": "tokens"}
BY_MODEL = {"type": "matrix", "dimensions": ["model"], "rows": [], "defaultAmount": "1"}


def own_plan(*cards: dict[str, Any]) -> dict[str, Any]:
    return {"name": "Own", "currency": "USD", "billingCadence": "P1M", "phases": [phase(*cards)]}


CUSTOM = own_plan(flat())
FUTURE = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT00:00:00Z")
WRITES = ("put", "update", "delete", "transact")

Act = Callable[["Shop"], Response]


@dataclass
class Shop:
    """A tenant with something of everything, and the ids of what requests are about."""

    api: Client
    ids: dict[str, str] = field(default_factory=dict)

    def make(self, name: str, path: str, body: Any = None) -> str:
        made = self.api.post(f"{V1}/{path}", body)
        assert made.status in (200, 201), made.text
        self.ids[name] = made.json["id"]
        return self.ids[name]

    def path(self, text: str) -> str:
        return f"{V1}/{text.format(**self.ids)}"


_STOCK: dict[str, Any] = {}  # made once by requests, then copied: it is what they stored


@pytest.fixture
def shop(api: Client, dynamodb: DynamoDb) -> Shop:
    tables = {"usage": dynamodb.usage_table, "billing": dynamodb.billing_table}
    if not _STOCK:
        _STOCK["ids"] = _stocked(api).ids
        _STOCK["items"] = {kind: dynamodb.client.scan(TableName=name)["Items"] for kind, name in tables.items()}
        return Shop(api, dict(_STOCK["ids"]))
    requests: dict[str, list[WriteRequestTypeDef]] = {
        tables[kind]: [{"PutRequest": {"Item": item}} for item in items] for kind, items in _STOCK["items"].items()
    }
    assert not dynamodb.client.batch_write_item(RequestItems=requests)["UnprocessedItems"]
    return Shop(api, dict(_STOCK["ids"]))


def _stocked(api: Client) -> Shop:
    shop = Shop(api)
    shop.make("meter", "meters", METER)
    shop.make("feature", "features", FEATURE)
    shop.make("plan", "plans", draft())
    shop.make("plan", f"plans/{shop.ids['plan']}/publish")
    shop.make("customer", "customers", {"key": "acme", "name": "Acme", "currency": "USD"})
    shop.make("coupon", "coupons", coupon_body("25 %"))
    shop.make("addon", "addons", addon_draft(flat("5", key="more")))
    shop.make("addon", f"addons/{shop.ids['addon']}/publish")
    return shop


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any], Callable[[], Any]], tuple[Any, Any]]:
    """Runs the first request, and the second as a whole before the first one's first write."""

    def meet(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
        answers: list[Any] = []
        with monkeypatch.context() as patched:
            for name in WRITES:
                patched.setattr(Table, name, _after(second, answers, getattr(Table, name)))
            answer = first()
        assert answers, "the first request wrote nothing"
        return answer, answers[0]

    return meet


def _after(second: Callable[[], Any], answers: list[Any], write: Callable[..., Any]) -> Callable[..., Any]:
    def written(*args: Any, **named: Any) -> Any:
        if not answers:
            answers.append(None)  # the second one's own writes are not met
            answers[0] = second()
        return write(*args, **named)

    return written


def post(path: str, body: Any = None) -> Act:
    return lambda shop: shop.api.post(shop.path(path), _filled(body, shop))


def put(path: str, body: Any) -> Act:
    return lambda shop: shop.api.put(shop.path(path), _filled(body, shop))


def delete(path: str) -> Act:
    return lambda shop: shop.api.delete(shop.path(path))


def patch(path: str, body: Any) -> Act:
    return lambda shop: shop.api.call("PATCH", shop.path(path), _filled(body, shop))


def _filled(value: Any, shop: Shop) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, shop) for name, each in value.items()}
    return shop.ids.get(value[1:], value) if isinstance(value, str) and value.startswith("@") else value


def with_draft(body: dict[str, Any] | None = None) -> Callable[[Shop], None]:
    def prepare(shop: Shop) -> None:
        shop.make("draft", "plans", body or draft(phase(unit()), key="next"))

    return prepare


def with_unsold_feature(shop: Shop) -> None:
    shop.make("unsold", "features", {**FEATURE, "key": "unsold"})


def with_draft_of(price: dict[str, Any] | None = None, addon: bool = False) -> Callable[[Shop], None]:
    def prepare(shop: Shop) -> None:
        with_unsold_feature(shop)
        card = unit(key="unsold") | ({"price": price} if price else {})
        if addon:
            shop.make("draft", "addons", addon_draft(card, key="extra"))
        else:
            shop.make("draft", "plans", draft(phase(card), key="next"))

    return prepare


def subscribed(shop: Shop) -> None:
    shop.make("subscription", "subscriptions", {"plan": {"key": "pro"}, "customerId": shop.ids["customer"]})


def with_own_plan(shop: Shop) -> None:
    with_unsold_feature(shop)
    shop.make("subscription", "subscriptions", {"customPlan": CUSTOM, "customerId": shop.ids["customer"]})


def subscribed_later(shop: Shop) -> None:
    body = {"plan": {"key": "pro"}, "customerId": shop.ids["customer"], "timing": FUTURE}
    shop.make("subscription", "subscriptions", body)


def with_addon(shop: Shop) -> None:
    subscribed(shop)
    assert ASSIGN(shop).status == 201


def with_almost_all_coupons(shop: Shop) -> None:
    for number in range(9):
        shop.make("one", "coupons", coupon_body("1 %", key=f"c{number}"))
        given = shop.api.post(shop.path("customers/{customer}/coupons"), {"coupon": f"c{number}"})
        assert given.status == 201, given.text
    shop.make("last", "coupons", coupon_body("1 %", key="last"))


def with_idle_meter(shop: Shop) -> None:
    shop.make("calls", "meters", {"slug": "calls", "eventType": "prompt", "aggregation": "COUNT"})


def with_key(shop: Shop) -> None:
    shop.make("key", "api-keys", {"name": "Reader", "scopes": ["read"]})


def with_two_customers(shop: Shop) -> None:
    shop.make("other", "customers", {"key": "globex", "name": "Globex"})


SUBSCRIBE = post("subscriptions", {"plan": {"key": "pro"}, "customerId": "@customer"})
SUBSCRIBE_OWN = post("subscriptions", {"customPlan": CUSTOM, "customerId": "@customer"})
SUBSCRIBE_UNSOLD = post("subscriptions", {"customPlan": own_plan(unit(key="unsold")), "customerId": "@customer"})
SUBSCRIBE_BY_MODEL = post(
    "subscriptions", {"customPlan": own_plan(unit(key="unsold") | {"price": BY_MODEL}), "customerId": "@customer"}
)
CHANGE_TO_UNSOLD = post(
    "subscriptions/{subscription}/change", {"customPlan": own_plan(unit(key="unsold")), "timing": "immediate"}
)
EDIT_IN_UNSOLD = patch(
    "subscriptions/{subscription}",
    {"customizations": [{"op": "add_item", "phaseKey": "main", "rateCard": unit(key="unsold")}]},
)
ASSIGN = post("plans/{plan}/addons", {"addonId": "@addon", "fromPlanPhase": "main"})
BUY = post(
    "subscriptions/{subscription}/addons",
    {"name": "More", "quantity": 1, "timing": "immediate", "addon": {"id": "@addon"}},
)
CANCEL = post("subscriptions/{subscription}/cancel", {"timing": "immediate"})
DROP_MODEL = put("meters/tokens", {"name": "Tokens", "groupBy": {}})
FEATURE_OF_CALLS = post("features", {"key": "calls", "name": "Calls", "meterSlug": "calls"})
ARCHIVE_UNSOLD = delete("features/unsold")
NOTHING: Callable[[Shop], None] = lambda _shop: None  # noqa: E731


def customer(key: str, *subjects: str) -> dict[str, Any]:
    return {"key": key, "name": key.title(), "usageAttribution": {"subjectKeys": list(subjects)}}


def coupon_for_customer(key: str = "welcome") -> Act:
    return post("customers/{customer}/coupons", {"coupon": key})


# What the first and the second are answered when the second comes in between.
PAIRS: list[tuple[str, Callable[[Shop], None], Act, Act, tuple[int, int]]] = [
    ("subscribe, customer deleted", NOTHING, SUBSCRIBE, delete("customers/{customer}"), (404, 204)),
    ("delete customer, subscribed", NOTHING, delete("customers/{customer}"), SUBSCRIBE, (409, 201)),
    ("own plan, customer deleted", NOTHING, SUBSCRIBE_OWN, delete("customers/{customer}"), (404, 204)),
    ("delete customer, own plan", NOTHING, delete("customers/{customer}"), SUBSCRIBE_OWN, (409, 201)),
    ("subscribe, subscribed", NOTHING, SUBSCRIBE, SUBSCRIBE, (409, 201)),
    ("subscribe, plan archived", NOTHING, SUBSCRIBE, post("plans/{plan}/archive"), (400, 200)),
    ("archive plan, subscribed", NOTHING, post("plans/{plan}/archive"), SUBSCRIBE, (200, 201)),
    ("own plan, feature archived", with_unsold_feature, SUBSCRIBE_UNSOLD, ARCHIVE_UNSOLD, (400, 204)),
    ("archive feature, own plan", with_unsold_feature, ARCHIVE_UNSOLD, SUBSCRIBE_UNSOLD, (409, 201)),
    ("own plan, dimension dropped", with_unsold_feature, SUBSCRIBE_BY_MODEL, DROP_MODEL, (400, 200)),
    ("drop dimension, own plan", with_unsold_feature, DROP_MODEL, SUBSCRIBE_BY_MODEL, (409, 201)),
    ("edit, feature archived", with_own_plan, EDIT_IN_UNSOLD, ARCHIVE_UNSOLD, (400, 204)),
    ("archive feature, edited", with_own_plan, ARCHIVE_UNSOLD, EDIT_IN_UNSOLD, (409, 200)),
    ("change, feature archived", with_own_plan, CHANGE_TO_UNSOLD, ARCHIVE_UNSOLD, (400, 204)),
    ("archive feature, changed", with_own_plan, ARCHIVE_UNSOLD, CHANGE_TO_UNSOLD, (409, 200)),
    ("coupon, customer deleted", NOTHING, coupon_for_customer(), delete("customers/{customer}"), (404, 204)),
    ("coupon, archived", NOTHING, coupon_for_customer(), post("coupons/{coupon}/archive"), (404, 200)),
    ("archive coupon, given", NOTHING, post("coupons/{coupon}/archive"), coupon_for_customer(), (200, 201)),
    ("coupon, given", NOTHING, coupon_for_customer(), coupon_for_customer(), (409, 201)),
    ("last coupon, another", with_almost_all_coupons, coupon_for_customer("last"), coupon_for_customer(), (409, 201)),
    (
        "coupon, subscription deleted",
        subscribed_later,
        post("subscriptions/{subscription}/coupons", {"coupon": "welcome"}),
        delete("subscriptions/{subscription}"),
        (404, 204),
    ),
    ("feature, meter deleted", with_idle_meter, FEATURE_OF_CALLS, delete("meters/calls"), (400, 204)),
    ("delete meter, feature made", with_idle_meter, delete("meters/calls"), FEATURE_OF_CALLS, (409, 201)),
    ("delete meter, deleted", with_idle_meter, delete("meters/calls"), delete("meters/calls"), (404, 204)),
    ("revoke, revoked", with_key, delete("api-keys/{key}"), delete("api-keys/{key}"), (404, 204)),
    ("publish, feature archived", with_draft_of(), post("plans/{draft}/publish"), ARCHIVE_UNSOLD, (400, 204)),
    ("archive feature, published", with_draft_of(), ARCHIVE_UNSOLD, post("plans/{draft}/publish"), (409, 200)),
    (
        "publish add-on, feature archived",
        with_draft_of(addon=True),
        post("addons/{draft}/publish"),
        ARCHIVE_UNSOLD,
        (400, 204),
    ),
    (
        "archive feature, add-on published",
        with_draft_of(addon=True),
        ARCHIVE_UNSOLD,
        post("addons/{draft}/publish"),
        (409, 200),
    ),
    ("publish, dimension dropped", with_draft_of(BY_MODEL), post("plans/{draft}/publish"), DROP_MODEL, (400, 200)),
    ("drop dimension, published", with_draft_of(BY_MODEL), DROP_MODEL, post("plans/{draft}/publish"), (409, 200)),
    (
        "publish add-on, dimension dropped",
        with_draft_of(BY_MODEL, addon=True),
        post("addons/{draft}/publish"),
        DROP_MODEL,
        (400, 200),
    ),
    (
        "drop dimension, add-on published",
        with_draft_of(BY_MODEL, addon=True),
        DROP_MODEL,
        post("addons/{draft}/publish"),
        (409, 200),
    ),
    (
        "drop dimension, filtered by a feature",
        NOTHING,
        DROP_MODEL,
        post("features", {**FEATURE, "key": "small", "meterGroupByFilters": {"model": "small"}}),
        (409, 201),
    ),
    (
        "filter by a dimension, dropped",
        NOTHING,
        post("features", {**FEATURE, "key": "small", "meterGroupByFilters": {"model": "small"}}),
        DROP_MODEL,
        (400, 200),
    ),
    ("archive feature, archived", with_unsold_feature, ARCHIVE_UNSOLD, ARCHIVE_UNSOLD, (404, 204)),
    ("publish, published", with_draft(), post("plans/{draft}/publish"), post("plans/{draft}/publish"), (409, 200)),
    ("publish, draft deleted", with_draft(), post("plans/{draft}/publish"), delete("plans/{draft}"), (404, 204)),
    ("next, next", NOTHING, post("plans/{plan}/next"), post("plans/{plan}/next"), (409, 201)),
    ("assign, assigned", NOTHING, ASSIGN, ASSIGN, (409, 201)),
    ("assign, add-on archived", NOTHING, ASSIGN, post("addons/{addon}/archive"), (409, 200)),
    ("assign, plan archived", NOTHING, ASSIGN, post("plans/{plan}/archive"), (409, 200)),
    (
        "change assignment, ended",
        with_addon,
        put("plans/{plan}/addons/more", {"fromPlanPhase": "main", "metadata": {"a": "b"}}),
        delete("plans/{plan}/addons/more"),
        (404, 204),
    ),
    (
        "end assignment, ended",
        with_addon,
        delete("plans/{plan}/addons/more"),
        delete("plans/{plan}/addons/more"),
        (404, 204),
    ),
    ("buy, add-on archived", with_addon, BUY, post("addons/{addon}/archive"), (409, 200)),
    ("buy, assignment ended", with_addon, BUY, delete("plans/{plan}/addons/more"), (404, 204)),
    ("buy, bought", with_addon, BUY, BUY, (409, 201)),
    ("buy, canceled", with_addon, BUY, CANCEL, (409, 200)),
    ("cancel, canceled", subscribed, CANCEL, CANCEL, (409, 200)),
    ("same customer key", NOTHING, post("customers", customer("b")), post("customers", customer("b")), (409, 201)),
    ("same subject", NOTHING, post("customers", customer("b", "s")), post("customers", customer("c", "s")), (409, 201)),
    (
        "same subject by update",
        with_two_customers,
        put("customers/{customer}", customer("acme", "s")),
        put("customers/{other}", customer("globex", "s")),
        (409, 200),
    ),
    (
        "replace customer, deleted",
        NOTHING,
        put("customers/{customer}", customer("acme", "s")),
        delete("customers/{customer}"),
        (404, 204),
    ),
    (
        "same feature key",
        NOTHING,
        post("features", {**FEATURE, "key": "b"}),
        post("features", {**FEATURE, "key": "b"}),
        (409, 201),
    ),
    (
        "same meter slug",
        NOTHING,
        post("meters", {**METER, "slug": "b"}),
        post("meters", {**METER, "slug": "b"}),
        (409, 201),
    ),
    (
        "same coupon key",
        NOTHING,
        post("coupons", coupon_body("1 %", key="b")),
        post("coupons", coupon_body("1 %", key="b")),
        (409, 201),
    ),
    ("same plan key", NOTHING, post("plans", draft(key="b")), post("plans", draft(key="b")), (409, 201)),
    (
        "same add-on key",
        NOTHING,
        post("addons", addon_draft(key="b")),
        post("addons", addon_draft(key="b")),
        (409, 201),
    ),
]


@pytest.mark.parametrize(("name", "prepare", "first", "second", "answers"), PAIRS, ids=[each[0] for each in PAIRS])
def test_two_that_meet_are_answered_as_if_one_came_first(
    shop: Shop, meeting: Any, name: str, prepare: Any, first: Act, second: Act, answers: tuple[int, int]
) -> None:
    prepare(shop)

    one, other = meeting(lambda: first(shop), lambda: second(shop))

    assert (one.status, other.status) == answers, (name, one.text, other.text)


def test_no_history_is_begun_of_a_meter_that_was_deleted_meanwhile(shop: Shop, meeting: Any) -> None:
    with_idle_meter(shop)
    meters, clock = metering.meters(), base.clock()
    begin = lambda: with_history("default", "calls", clock.now() - timedelta(days=1), meters=meters, clock=clock)  # noqa: E731

    with pytest.raises(NotFound):
        meeting(begin, lambda: shop.api.delete(f"{V1}/meters/calls"))

    entries = meters.listing("default", with_deleted=True).read_slice(after=None, descending=False, most=10).entries
    (deleted,) = [meter for meter in (each.read() for each in entries) if meter.slug == "calls"]
    assert deleted.event_from is None

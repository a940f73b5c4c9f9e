"""Pages of access: what one answer holds at most, what it reads for that, and how it goes on."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from functions.application.entitlements import list_access, query_access
from functions.application.metering.usage.usage_bounds import Bounds
from functions.handlers.edge.json_body import encode
from functions.handlers.wiring import base
from tests.application.billing.world import MovableClock
from tests.conftest import DynamoDb
from tests.handlers.entitlements.asking import QUERY, add_customer, ask, codes, names, send
from tests.handlers.entitlements.shop import Shop, open_shop
from tests.handlers.gateway import Client
from tests.wired import wire


@pytest.fixture
def shop(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return open_shop(api, dynamodb, monkeypatch)


BAD_PAGES = ["page[number]=1", "page[size]=0", "page[size]=101", "page[size]=x", "page[size]=1&page[size]=2"]
BAD_PAGES += ["page[after]=a&page[before]=a", "page=2", "page[]=1", "size=3", "page[size]=²"]


@pytest.mark.parametrize("params", BAD_PAGES)
def test_a_page_that_cannot_be_is_refused_by_name(api: Client, params: str) -> None:
    refused = send(api, ["a", "b"], ["sso"], f"{QUERY}?{params}")
    assert (refused.status, len(refused.json["invalid_parameters"])) == (400, 1), refused.text


def pages(
    client: Client, customers: list[str], features: list[str] | None, params: str, way: str = "next"
) -> list[Any]:
    """All of them, by their links, from the page that is asked for."""
    found, link = [], f"{QUERY}?{params}"
    while link:
        found.append(ask(client, customers, features, link))
        assert len(found) < 50
        link = found[-1]["meta"]["page"][way]
    return found


def shown(page: dict[str, Any]) -> list[str]:
    return [
        *(name for each in page["data"] for name in each["matched"]),
        *(each["customer"] for each in page["errors"]),
    ]


def test_pages_answer_each_identifier_once_and_lead_back(shop: Shop) -> None:
    for n in range(5):
        add_customer(shop.api, f"c{n}", f"c {n}&=?/ü")
    asked = ["nobody", "c0", "c1", "c 0&=?/ü", "x", "consumer:c2", "c3", "y", "c4", "c 3&=?/ü"]
    found = pages(shop.api, asked, ["sso"], "page[size]=2")
    assert [names(each) for each in found] == [["c0", "c1"], ["c2", "c3"], ["c4"]]
    assert sorted(name for each in found for name in shown(each)) == sorted(asked)
    assert [each["meta"]["page"]["size"] for each in found] == [2, 2, 2]
    assert found[0]["meta"]["page"]["previous"] is None
    back = pages(shop.api, asked, ["sso"], urlsplit(found[1]["meta"]["page"]["next"]).query, "previous")
    assert [names(each) for each in back] == [["c4"], ["c2", "c3"], ["c0", "c1"]]
    first = ask(shop.api, asked, ["sso"], back[0]["meta"]["page"]["first"])
    assert names(first) == ["c0", "c1"]


def test_a_link_leads_on_at_the_path_and_in_the_tenant_that_was_asked(shop: Shop) -> None:
    operator = shop.api.acting_as("read operator", "elsewhere")
    at = f"{QUERY.removeprefix('/api')}?tenant=default&page[size]=1"
    link = ask(operator, ["acme", "globex"], ["sso"], at)["meta"]["page"]["next"]
    assert link == "/v3/openmeter/entitlement-access/query?tenant=default&page%5Bsize%5D=1&page%5Bafter%5D=acme"
    assert names(ask(operator, ["acme", "globex"], ["sso"], link)) == ["globex"]


def test_an_answer_reads_a_bounded_number_of_balances_and_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(4):
        add_customer(shop.api, f"c{n}")
        for feature in ("tokens", "peak"):
            shop.entitle(f"c{n}", featureKey=feature, issueAfterReset=n)
    customers = [f"c{n}" for n in range(4)]
    monkeypatch.setattr(query_access, "MAX_METERED", 5)
    found = pages(shop.api, customers, ["tokens", "peak", "sso"], "")
    assert [names(each) for each in found] == [["c0", "c1"], ["c2", "c3"]]
    assert [codes(each)["tokens"] for page in found for each in page["data"]] == [
        "usage_limit_reached",
        None,
        None,
        None,
    ]
    assert [len(names(each)) for each in pages(shop.api, customers, ["peak"], "")] == [4]
    monkeypatch.setattr(query_access, "MAX_SHOWN", 3)
    assert [len(names(each)) for each in pages(shop.api, customers, ["sso", "peak"], "")] == [1, 1, 1, 1]


def test_a_customer_of_too_many_balances_is_told_and_the_next_is_answered(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for feature in ("tokens", "peak"):
        shop.entitle(featureKey=feature, issueAfterReset=1)
    monkeypatch.setattr(query_access, "MAX_METERED", 1)
    monkeypatch.setattr(list_access, "MAX_METERED", 1)
    answer = ask(shop.api, ["acme", "globex", "acme-eu"])
    assert names(answer) == ["globex"]
    assert [(each["code"], each["customer"]) for each in answer["errors"]] == [
        ("unknown", "acme"),
        ("unknown", "acme-eu"),
    ]
    assert "feature.keys" in answer["errors"][0]["message"]
    assert codes(ask(shop.api, ["acme"], ["tokens"])["data"][0]) == {"tokens": None}
    assert shop.api.get("/v3/openmeter/customers/acme/entitlement-access").status == 413


def test_what_customers_read_of_the_ledger_is_bounded_together(shop: Shop) -> None:
    for customer in ("acme", "globex"):
        shop.entitle(customer, issueAfterReset=10)
        shop.use(1, customer)
    for pages_read, expected in ((2, [["acme", "globex"]]), (1, [["acme"], ["globex"]])):
        shop.metering.bound(Bounds(pages=pages_read))
        assert [names(each) for each in pages(shop.api, ["acme", "globex"], ["tokens"], "")] == expected
    shop.metering.bound(Bounds(pages=0))
    found = pages(shop.api, ["acme", "globex"], ["tokens"], "")
    assert [names(each) for each in found] == [[], []]
    assert [(each["code"], each["customer"]) for page in found for each in page["errors"]] == [
        ("unknown", "acme"),
        ("unknown", "globex"),
    ]


def test_a_hundred_customers_are_read_together(shop: Shop) -> None:
    customers = [f"c{n}" for n in range(100)]
    for each in customers:
        add_customer(shop.api, each)
    asked: Counter[str] = Counter()
    events = base.billing_table().client.meta.events
    events.register("before-call.dynamodb", lambda model, **_: asked.update([model.name]))
    assert len(ask(shop.api, customers, ["sso", "tokens"])["data"]) == 100
    # Features, names, customers, and what fifty of them are entitled to, twice.
    assert asked == {"BatchGetItem": 5}


def test_the_largest_question_fits_into_an_answer(shop: Shop) -> None:
    """A hundred of each, and names of the greatest length."""
    features = [f"{n:03}_{'f' * 60}" for n in range(100)]
    keys = [f"{n:03}{'k' * 253}" for n in range(100)]
    (found,) = ask(shop.api, ["acme"], features)["data"]
    assert len(encode(found)) * len(keys) < 3_000_000
    assert len(ask(shop.api, keys, features)["errors"]) == 100


class SlowClock(MovableClock):
    """Four seconds pass whenever somebody looks."""

    def now(self) -> datetime:
        self.time += timedelta(seconds=4)
        return self.time


def test_an_answer_that_takes_long_goes_on_in_another(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for feature in ("tokens", "peak"):
        shop.entitle(featureKey=feature, issueAfterReset=1)
    for n in range(5):
        add_customer(shop.api, f"c{n}")
    wire(monkeypatch, clock=SlowClock(shop.clock.time))
    found = pages(shop.api, [f"c{n}" for n in range(5)], ["sso"], "")
    assert [name for page in found for name in names(page)] == [f"c{n}" for n in range(5)]
    assert len(found) > 1 and all(names(page) for page in found)

"""The genuine Python SDK makes a portal token, asks with it, lists it and invalidates it."""

from collections.abc import Iterator
from typing import Any

import openmeter
import pytest
from corehttp.exceptions import HttpResponseError
from openmeter import models

from tests.compat.conftest import Compat, refusal
from tests.compat.test_python_sdk import METER, START, event
from tests.handlers.genuine import problems
from tests.handlers.portal import forget_portal, wire_vault


@pytest.fixture
def counted(compat: Compat, monkeypatch: pytest.MonkeyPatch) -> Compat:
    wire_vault(monkeypatch)
    compat.sdk.meters.create(METER)
    compat.metering.count([event(n, "ada" if n < 3 else "bob", "gpt-4" if n % 2 else "gpt-5") for n in range(5)])
    return compat


@pytest.fixture
def page(counted: Compat) -> Iterator[Any]:
    made = counted.sdk.portal.portal_tokens.create(models.PortalToken(subject="bob", allowed_meter_slugs=["tokens"]))
    with openmeter.Client(endpoint=counted.endpoint, token=made.token) as sdk:
        yield sdk


def test_a_token_is_made_listed_and_invalidated(counted: Compat) -> None:
    tokens = counted.sdk.portal.portal_tokens
    made = tokens.create(models.PortalToken(subject="bob", allowed_meter_slugs=["tokens"]))
    assert (made.subject, made.allowed_meter_slugs, made.expired) == ("bob", ["tokens"], False)
    assert (made.expires_at - made.created_at).total_seconds() == 3_600
    (listed,) = tokens.list(limit=1)
    assert (listed.id, listed.token, listed.expired) == (made.id, None, False)
    assert tokens.invalidate(id=made.id) is None
    assert tokens.create(models.PortalToken(subject="ada")).allowed_meter_slugs is None
    assert tokens.invalidate(subject="ada") is None
    assert [each.expired for each in tokens.list()] == [True, True]
    answered = counted.api.post("/api/v1/portal/tokens", {"subject": "bob", "allowedMeterSlugs": ["tokens"]}).json
    assert problems(models.PortalToken, answered) == []


def test_a_page_asks_for_its_own_usage_with_every_parameter_the_package_has(page: Any) -> None:
    meters = page.portal.portal_meters
    assert meters.query_json("tokens").data[0].value == 7
    asked = meters.query_json(
        "tokens",
        client_id="page",
        from_parameter=START,
        window_size=models.WindowSize.DAY,
        window_time_zone="Europe/Berlin",
        group_by=["model"],
        filter_group_by={"model": "gpt-5"},
    )
    assert [(row.subject, row.group_by["model"], row.value) for row in asked.data] == [("bob", "gpt-5", 4)]
    assert "bob" in "".join(map(str, meters.query_csv("tokens")))


def test_a_page_is_refused_what_it_may_not_and_what_is_over(page: Any, counted: Compat) -> None:
    with pytest.raises(HttpResponseError) as other:
        page.portal.portal_meters.query_json("tokens", filter_customer_id=["acme"])
    with pytest.raises(HttpResponseError) as meter:
        page.portal.portal_meters.query_json("secret")
    with pytest.raises(HttpResponseError) as room:
        page.meters.list()
    counted.sdk.portal.portal_tokens.invalidate(subject="bob")
    forget_portal()
    with pytest.raises(HttpResponseError) as over:
        page.portal.portal_meters.query_json("tokens")
    assert [each.value.status_code for each in (other, meter, room, over)] == [400, 403, 403, 401]
    assert refusal(over.value)["extensions"]["validationErrors"][0]["code"] == "portal_token_revoked"

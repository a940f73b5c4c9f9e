"""Handlers are held against the policies of prod in every test here; these show that it fails when it should."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from functions.handlers.wiring import base
from tests.grants import grants, watching
from tests.grants.test_grants import of_planted, with_narrower_keys, without_condition_checks
from tests.handlers.gateway import Client

PHASE: dict[str, Any] = {"key": "main", "name": "Main", "duration": None, "rateCards": []}
PLAN = {"key": "pro", "name": "Pro", "currency": "USD", "billingCadence": "P1M", "phases": [PHASE]}


def subscribe(api: Client) -> None:
    """A subscription is written in one transaction with the check that its plan is the one that was read."""
    plan = api.post("/api/v1/plans", PLAN).json["id"]
    assert api.post(f"/api/v1/plans/{plan}/publish").status == 200
    customer = {"key": "acme", "name": "Acme", "usageAttribution": {"subjectKeys": ["acme"]}}
    assert api.post("/api/v1/customers", customer).status == 201
    assert api.post("/api/v1/subscriptions", {"customerKey": "acme", "plan": {"key": "pro"}}).status == 201


def told() -> set[str]:
    """What was refused since the last time."""
    refused = set(watching.refused)
    watching.refused.clear()
    return refused


@pytest.mark.parametrize("fault", [without_condition_checks, with_narrower_keys])
def test_a_missing_grant_is_told_by_function_action_resource_and_key(
    api: Client, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Any], None]
) -> None:
    subscribe(api)
    assert told() == set()
    planted = of_planted("api", fault)
    monkeypatch.setattr(grants, "of_prod", lambda: planted)

    subscribe(api.acting_as("admin", "other"))

    assert told() >= {
        "http_api needs dynamodb:ConditionCheckItem on BILLING_TABLE with the partition keys other#plan_family, "
        "and its policy in prod does not let it."
    }


def test_a_thread_that_a_handler_starts_asks_for_its_function(api: Client) -> None:
    def ask() -> None:
        base.billing_table().delete("acme#customer", "nobody")

    with watching.running("http_authorize"), ThreadPoolExecutor(1) as pool:
        pool.submit(ask).result()

    assert told() == {
        "http_authorize needs dynamodb:DeleteItem on BILLING_TABLE with the partition keys acme#customer, "
        "and its policy in prod does not let it."
    }


def test_what_a_test_does_itself_is_nobodys(api: Client) -> None:
    base.billing_table().delete("acme#customer", "nobody")

    assert told() == set()

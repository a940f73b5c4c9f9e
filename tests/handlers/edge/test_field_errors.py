"""What is wrong with a body is said once per field, in our words, under the names the caller sent."""

import sys
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from functions.domain.catalog.feature import FeatureCreate
from functions.domain.catalog.plan import PlanCreate
from functions.domain.errors import InvalidInput
from functions.domain.metering.meters.meter_record import MeterCreate
from functions.domain.subscriptions.customer import CustomerCreate
from functions.domain.wire import WireModel
from functions.handlers.edge.field_errors import MAX_FOUND, field_errors
from functions.handlers.edge.http import validated
from functions.handlers.subscriptions.subscription_body import SubscriptionCreate

CARD = {"type": "usage_based", "key": "a", "name": "A", "featureKey": "f", "billingCadence": "P1M"}


def plan(**card: Any) -> dict[str, Any]:
    phase = {"key": "a", "name": "A", "duration": None, "rateCards": [CARD | card]}
    return {"key": "k", "name": "n", "billingCadence": "P1M", "phases": [phase]}


PRICE = "phases[0].rateCards[0].price"
WRONG: list[tuple[type[BaseModel], Any, dict[str, str]]] = [
    (PlanCreate, [], {"$": "must be an object"}),
    (PlanCreate, plan(price={"type": "unit"}), {f"{PRICE}.amount": "is required"}),
    (PlanCreate, plan(price={"amount": "1"}), {PRICE: "needs `type`"}),
    (PlanCreate, plan(price="free"), {PRICE: "must be an object"}),
    (PlanCreate, plan(price={"type": "unit", "amount": "1", "x": 1}), {f"{PRICE}.x": "is not a field of this request"}),
    (PlanCreate, plan(price=None) | {"phases": []}, {"phases": "must not be empty"}),
    (SubscriptionCreate, {"plan": {"key": "a"}, "timing": "later"}, {"timing": "must be one of 'immediate', 'next_bi"}),
    (SubscriptionCreate, {"plan": {"key": "a"}, "settlementMode": "x"}, {"settlementMode": "must be 'credit_then"}),
    (SubscriptionCreate, {"plan": {"key": "a", "version": 0}}, {"plan.version": "must be at least 1"}),
    (MeterCreate, {"slug": "s", "eventType": "", "aggregation": "COUNT"}, {"eventType": "must not be empty"}),
    (FeatureCreate, {"key": "k", "name": "n", "meterGroupByFilters": {"a": "b"}}, {"$": "filters need a meterSlug"}),
    (FeatureCreate, {"key": "A B", "name": ""}, {"key": "must be lower-case letters", "name": "must not be empty"}),
    (CustomerCreate, {"name": "n", "metadata": {"a": 1}}, {"metadata.a": "must be a text"}),
    (
        CustomerCreate,
        {"name": "n", "usageAttribution": {"subjectKeys": "a"}},
        {"usageAttribution.subjectKeys": "must"},
    ),
]


@pytest.mark.parametrize(("model", "value", "expected"), WRONG, ids=lambda value: str(value)[:40])
def test_each_wrong_field_is_told_once_and_how_to_mend_it(
    model: type[BaseModel], value: Any, expected: dict[str, str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        validated(model, value)
    told = {field.field: field.message for field in refused.value.fields}
    assert len(refused.value.fields) == len(told)
    assert told.keys() == expected.keys()
    for path, start in expected.items():
        assert told[path].startswith(start)


def test_the_ways_a_field_could_have_been_right_are_one_message() -> None:
    with pytest.raises(InvalidInput) as refused:
        validated(SubscriptionCreate, {"plan": {"key": "a"}, "timing": "later"})
    (field,) = refused.value.fields
    assert "'next_billing_cycle', or must be an RFC 3339 instant" in field.message


def test_no_word_of_the_library_reaches_the_caller() -> None:
    for model, value, _ in WRONG:
        with pytest.raises(InvalidInput) as refused:
            validated(model, value)
        text = refused.value.detail + str(refused.value.fields)
        assert not any(word in text for word in ("Input should", "Extra inputs", "String should", "pydantic", "'loc'"))


def test_the_work_grows_with_the_errors_and_no_faster() -> None:
    """Every error is in a list that is too short for it: sixty thousand of them took a function to its end."""

    class Names(WireModel):
        names: list[Annotated[str, Field(min_length=1)]]

    value = {"names": [""] * 60_000}
    with pytest.raises(ValidationError) as caught:
        Names.model_validate(value)
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        found = field_errors(caught.value.errors(include_url=False, include_input=False), value)
    finally:
        sys.setprofile(None)
    assert (len(found), found[0].field) == (MAX_FOUND, "names[0]")
    assert steps < 100 * MAX_FOUND

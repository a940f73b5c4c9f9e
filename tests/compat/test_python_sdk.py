"""The genuine Python SDK, unchanged, does its work against the real handlers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import openmeter
import pytest
from corehttp.exceptions import HttpResponseError, ResourceExistsError
from openmeter import models

from tests.compat.conftest import Compat, refusal

START = (datetime.now(UTC) - timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
METER = {
    "slug": "tokens",
    "eventType": "prompt",
    "aggregation": "SUM",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}


def event(number: int, subject: str = "ada", model: str = "gpt-4") -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "sdk",
        "type": "prompt",
        "subject": subject,
        "time": (START + timedelta(minutes=number)).isoformat(),
        "data": {"tokens": number, "model": model},
    }


def test_a_meter_lives_its_life(compat: Compat) -> None:
    meters = compat.sdk.meters
    made = meters.create(
        models.MeterCreate(
            slug="tokens",
            aggregation=models.MeterAggregation.SUM,
            event_type="prompt",
            value_property="$.tokens",
            group_by={"model": "$.model"},
            metadata=models.Metadata({"team": "a"}),
        )
    )
    assert (made.slug, made.group_by, made.created_at.tzinfo is not None) == ("tokens", {"model": "$.model"}, True)
    assert meters.get("tokens").id == made.id
    assert [each.slug for each in meters.list(page=1, page_size=10, order="ASC", order_by="key")] == ["tokens"]
    updated = meters.update("tokens", models.MeterUpdate(name="Tokens", group_by={"model": "$.model"}))
    assert updated.name == "Tokens"
    meters.delete("tokens")
    with pytest.raises(HttpResponseError) as missing:
        meters.get("tokens")
    assert missing.value.status_code == 404


def test_usage_is_queried_in_every_way_the_sdk_knows(compat: Compat) -> None:
    meters = compat.sdk.meters
    meters.create(METER)
    compat.metering.count([event(n, "ada" if n < 3 else "bob", "gpt-4" if n % 2 else "gpt-5") for n in range(5)])
    assert meters.query_json("tokens").data[0].value == 10
    asked = meters.query_json(
        "tokens",
        from_parameter=START,
        to=START + timedelta(hours=1),
        window_size=models.WindowSize.HOUR,
        window_time_zone="Europe/Berlin",
        subject=["ada", "bob"],
        group_by=["subject", "model"],
        filter_group_by={"model": "gpt-5"},
    )
    assert {(row.subject, row.group_by["model"], row.value) for row in asked.data} == {
        ("ada", "gpt-5", 2),
        ("bob", "gpt-5", 4),
    }
    assert asked.from_property == START
    posted = meters.query(
        "tokens", models.MeterQueryRequest(filter_group_by={"model": ["gpt-4", "gpt-5"]}, group_by=["model"])
    )
    assert {(row.group_by["model"], row.value) for row in posted.data} == {("gpt-4", 4), ("gpt-5", 6)}
    csv = meters.query_csv("tokens", group_by=["subject"])
    text = csv if isinstance(csv, str) else b"".join(csv).decode()
    assert text.splitlines()[0] == "window_start,window_end,subject,value"


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        (models.MeterAggregation.SUM, 10),
        (models.MeterAggregation.COUNT, 5),
        (models.MeterAggregation.UNIQUE_COUNT, 4),
        (models.MeterAggregation.AVG, 2.5),
        (models.MeterAggregation.MIN, 1),
        (models.MeterAggregation.MAX, 4),
        (models.MeterAggregation.LATEST, 4),
    ],
)
def test_every_aggregation_of_the_sdk_is_counted(
    compat: Compat, aggregation: models.MeterAggregation, expected: float
) -> None:
    has_value = aggregation is not models.MeterAggregation.COUNT
    compat.sdk.meters.create(
        models.MeterCreate(
            slug="m",
            aggregation=aggregation,
            event_type="prompt",
            value_property="$.tokens" if has_value else None,
            group_by={"model": "$.model"},
        )
    )
    without_value = event(0) | {"data": {"tokens": None, "model": "gpt-4"}}
    compat.metering.count([without_value, *(event(n) for n in range(1, 5))])
    assert [row.value for row in compat.sdk.meters.query_json("m").data] == [expected]
    for window in models.WindowSize:
        rows = compat.sdk.meters.query_json("m", from_parameter=START, window_size=window).data
        assert rows[0].window_start <= START + timedelta(minutes=1)
        assert rows[-1].value == (expected if window != models.WindowSize.MINUTE else rows[-1].value)
    empty = compat.sdk.meters.query_json("m", to=START)
    is_count = aggregation in (models.MeterAggregation.COUNT, models.MeterAggregation.UNIQUE_COUNT)
    assert [row.value for row in empty.data] == ([0] if is_count else [])
    csv = compat.sdk.meters.query_csv("m", from_parameter=START, to=START + timedelta(hours=1), group_by=["model"])
    text = csv if isinstance(csv, str) else b"".join(csv).decode()
    (line,) = text.splitlines()[1:]
    assert line.endswith(f",gpt-4,{expected:f}")


def test_advanced_filters_subjects_and_values_of_a_group(compat: Compat) -> None:
    meters = compat.sdk.meters
    meters.create(METER)
    compat.metering.count([event(n, "ada" if n < 3 else "bob", "gpt-4" if n % 2 else "gpt-5") for n in range(5)])
    conditions: Any = {"model": {"$like": "%5"}}  # its own model of a filter cannot be put into a query string
    assert [row.value for row in meters.query_json("tokens", advanced_meter_group_by_filters=conditions).data] == [6]
    filters = {"model": models.FilterString(in_property=["gpt-4", "gpt-6"])}
    asked = models.MeterQueryRequest(advanced_meter_group_by_filters=filters, subject=["bob"])
    assert [(row.subject, row.value) for row in meters.query("tokens", asked).data] == [("bob", 3)]
    assert list(meters.list_subjects("tokens")) == ["ada", "bob"]
    assert list(meters.list_subjects("tokens", to=START)) == []
    assert list(meters.list_group_by_values("tokens", "model", from_parameter=START)) == ["gpt-4", "gpt-5"]


def test_events_are_listed_in_both_versions(compat: Compat) -> None:
    compat.sdk.meters.create(METER)
    customers = [
        compat.sdk.customers.create(models.CustomerCreate(name=name, key=name, currency="USD"))
        for name in ("ada", "bob")
    ]
    compat.metering.count([event(n, "ada" if n % 2 else "bob") for n in range(5)] + [event(5, "eve") | {"type": "x"}])
    events = compat.sdk.events.list()
    assert [each.event.id for each in events] == ["5", "4", "3", "2", "1", "0"]
    newest, next_one = events[0], events[1]
    assert newest.validation_error.split("\n")[0] == "no meter found for event type: x"
    assert (next_one.validation_error, next_one.customer_id) == (None, customers[1].id)
    assert next_one.event.time == START + timedelta(minutes=4)
    assert next_one.event.data == {"tokens": 4, "model": "gpt-4"}
    assert next_one.ingested_at.tzinfo is not None
    assert next_one.stored_at >= next_one.ingested_at
    narrowed = compat.sdk.events.list(
        client_id="me",
        ingested_at_from=START,
        ingested_at_to=datetime.now(UTC) + timedelta(minutes=1),
        id="3",
        subject="ad",
        customer_id=[each.id for each in customers],
        from_parameter=START,
        to=START + timedelta(minutes=3),
        limit=10,
    )
    assert [each.event.id for each in narrowed] == ["3"]
    wanted = {"subject": {"$in": ["ada", "bob"]}, "time": {"$gte": (START + timedelta(minutes=1)).isoformat()}}
    by_page = compat.sdk.events_v2.list(limit=2, client_id="me", filter=wanted)
    assert [each.event.id for each in by_page] == ["4", "3", "2", "1"]


def test_a_customer_lives_its_life(compat: Compat) -> None:
    customers = compat.sdk.customers
    made = customers.create(
        models.CustomerCreate(
            name="Acme",
            key="acme/eu ü",
            usage_attribution=models.CustomerUsageAttribution(subject_keys=["ada"]),
            currency="USD",
            billing_address=models.Address(country="US"),
        )
    )
    assert customers.get(made.id).usage_attribution.subject_keys == ["ada"]
    page = customers.list(page=1, page_size=5, key="ACME", subject="ada")
    assert (page.total_count, [each.id for each in page.items_property]) == (1, [made.id])
    replaced = customers.update(made.id, models.CustomerReplaceUpdate(name="Acme 2", key="acme"))
    assert (replaced.name, replaced.usage_attribution) == ("Acme 2", None)
    customers.delete("acme")
    assert customers.list().total_count == 0


def test_a_feature_lives_its_life(compat: Compat) -> None:
    compat.sdk.meters.create(METER)
    features = compat.sdk.features
    made = features.create(
        models.FeatureCreateInputs(
            key="gpt",
            name="GPT",
            meter_slug="tokens",
            advanced_meter_group_by_filters={"model": models.FilterString(eq="gpt-4")},
        )
    )
    assert features.get(made.id).advanced_meter_group_by_filters["model"]["$eq"] == "gpt-4"
    listed = features.list()
    assert [each["key"] for each in (listed if isinstance(listed, list) else listed["items"])] == ["gpt"]
    features.delete(made.id)
    assert features.get(made.id).archived_at is not None


def test_a_refusal_reaches_the_sdks_user_as_a_problem(compat: Compat) -> None:
    with pytest.raises(HttpResponseError) as refused:
        compat.sdk.meters.create(METER | {"slug": "Not A Slug"})
    assert refused.value.status_code == 400
    assert isinstance(refused.value.model, models.UnexpectedProblemResponse)
    assert "slug" in refused.value.model.detail


def test_a_conflict_is_the_sdks_resource_exists(compat: Compat) -> None:
    compat.sdk.meters.create(METER)
    with pytest.raises(ResourceExistsError) as refused:
        compat.sdk.meters.create(METER)
    assert "tokens" in refusal(refused.value)["detail"]


def test_a_bad_key_never_gets_in(compat: Compat) -> None:
    with (
        openmeter.Client(endpoint=compat.endpoint, token="tb_wrong") as stranger,
        pytest.raises(HttpResponseError) as refused,
    ):
        stranger.meters.list()
    assert refused.value.status_code == 403

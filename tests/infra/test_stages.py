"""The stages differ in a short list, each entry with its reason."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from infra import stage
from tests.infra.conftest import synthesized

# A developer who adds a difference says why here, or finds a way without it.
MOST_DIFFERENCES = 16


def test_every_setting_has_a_reason() -> None:
    reasons = stage.reasons()
    assert set(reasons) == set(asdict(stage.dev()))
    assert all(len(reason) > 20 for reason in reasons.values())


def test_the_list_of_differences_stays_short() -> None:
    stages = [asdict(each) for each in (stage.dev(), stage.prod(), stage.local("http://127.0.0.1:1"))]
    differing = {name for name in stages[0] if len({str(each[name]) for each in stages}) > 1}
    assert len(differing) <= MOST_DIFFERENCES, differing


def test_dev_is_prod_without_protection_and_noise() -> None:
    dev, prod = asdict(stage.dev()), asdict(stage.prod())
    differing = {name for name in dev if dev[name] != prod[name]}
    noise = {"name", "protect_data", "notify", "monthly_budget_dollars", "log_retention_days"}
    assert differing == {*noise, "account_concurrency", "stream_retention_hours"}


@pytest.mark.parametrize("hours", [24, 168])
def test_a_record_is_kept_whole_an_hour_before_it_would_expire(hours: int) -> None:
    assert replace(stage.dev(), stream_retention_hours=hours).max_record_age_hours == hours - 1


@pytest.mark.parametrize("hours", [23, 169])
def test_a_retention_the_event_source_cannot_follow_is_refused(hours: int) -> None:
    with pytest.raises(ValueError, match="from 24 to 168"):
        replace(stage.dev(), stream_retention_hours=hours)


@pytest.mark.parametrize(("name", "dollars"), [("dev", 100), ("prod", 0)])
def test_a_budget_nobody_hears_of_is_refused(name: str, dollars: int) -> None:
    settings = {"dev": stage.dev(), "prod": stage.prod()}[name]
    with pytest.raises(ValueError, match="monthly_budget_dollars"):
        replace(settings, monthly_budget_dollars=dollars)


def test_a_tenants_share_of_the_stream_grows_with_its_shards() -> None:
    four_shards = replace(stage.dev(), events_per_second=45_000, events_per_call=1_000)
    one, four = stage.dev().rate_limits, four_shards.rate_limits
    assert {kind: four[kind] // one[kind] for kind in one} == {"calls": 1, "questions": 1, "requests": 4, "bytes": 4}
    assert one["requests"] < 1_000, "the records a second that one shard takes of all tenants"


def test_a_day_has_room_for_a_question_to_the_archive_and_the_objects_it_opens() -> None:
    with pytest.raises(ValueError, match="at least twice archive_query_gigabytes"):
        replace(stage.dev(), archive_day_gigabytes=199)
    replace(stage.dev(), archive_day_gigabytes=200)


@pytest.mark.parametrize("limit", [name for name in stage.reasons() if name.startswith("tenant_")])
def test_a_limit_that_refuses_everything_is_refused(limit: str) -> None:
    wrong: dict[str, Any] = {limit: 0}
    with pytest.raises(ValueError, match=f"{limit} must be at least 1"):
        replace(stage.dev(), **wrong)


@pytest.mark.parametrize(
    ("events", "per_call", "shards", "lanes", "calls", "ingest", "warm"),
    [
        (500, 1, 1, 8, 2_000, 200, 4_000),
        (750, 1, 1, 8, 2_000, 200, 4_000),
        (751, 1, 2, 8, 2_000, 200, 4_000),
        (5_000, 1, 7, 64, 5_000, 500, 4_000),
        (10_000, 1_000, 1, 8, 2_000, 200, 5_000),
        (100_000, 1_000, 9, 64, 2_000, 200, 50_000),
        (100_000, 100, 86, 64, 0, 0, 0),
    ],
)
def test_one_figure_sizes_everything(
    events: int, per_call: int, shards: int, lanes: int, calls: int, ingest: int, warm: int
) -> None:
    settings = stage.prod()
    if shards > 32:
        with pytest.raises(ValueError, match=f"need {shards} shards"):
            replace(settings, events_per_second=events, events_per_call=per_call).sizing
        return
    settings = replace(settings, events_per_second=events, events_per_call=per_call)
    size = settings.sizing
    assert (settings.shards, settings.lanes, size.requests, size.ingest, size.warm_writes) == (
        shards, lanes, calls, ingest, warm
    )  # fmt: skip


def test_a_rate_that_the_gateway_does_not_take_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="Send more events a call"):
        replace(stage.dev(), events_per_second=10_001).sizing


def test_lanes_stay_as_they_were_first_made() -> None:
    later = replace(stage.prod(), events_per_second=100_000, events_per_call=1_000)
    assert later.lanes == 64
    with pytest.raises(ValueError, match="fewer than the 9 shards"):
        replace(later, fixed_lanes=8)
    assert replace(stage.prod(), events_per_second=45_000, events_per_call=1_000, fixed_lanes=8).lanes == 8
    assert replace(stage.prod(), events_per_second=9_000, events_per_call=100, fixed_lanes=64).shards == 8


def test_a_table_is_warmed_only_beyond_what_a_new_one_takes() -> None:
    large = synthesized(replace(stage.dev(), events_per_second=10_000, events_per_call=1_000))
    warmed = [each["Properties"].get("WarmThroughput") for each in large.all("AWS::DynamoDB::GlobalTable").values()]
    assert warmed.count({"WriteUnitsPerSecond": 5_000}) == 1
    assert warmed.count(None) == 1

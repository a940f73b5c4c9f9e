"""The stages differ in a short list, each entry with its reason."""

from dataclasses import asdict, replace

import pytest

from infra import stage

# Whoever adds a difference says why here, or finds a way without it.
MOST_DIFFERENCES = 14


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
    assert differing == {"name", "protect_data", "notify", "log_retention_days", "account_concurrency"}


@pytest.mark.parametrize("hours", [24, 168])
def test_a_record_is_kept_whole_an_hour_before_it_would_expire(hours: int) -> None:
    assert replace(stage.dev(), stream_retention_hours=hours).max_record_age_hours == hours - 1


@pytest.mark.parametrize("hours", [23, 169])
def test_a_retention_the_event_source_cannot_follow_is_refused(hours: int) -> None:
    with pytest.raises(ValueError, match="from 24 to 168"):
        replace(stage.dev(), stream_retention_hours=hours)


def test_a_tenants_share_of_the_stream_grows_with_its_shards() -> None:
    one, four = stage.dev().rate_limits, replace(stage.dev(), shards=4).rate_limits
    assert {kind: four[kind] // one[kind] for kind in one} == {"calls": 1, "questions": 1, "requests": 4, "bytes": 4}
    assert one["requests"] < 1_000, "the records a second that one shard takes of all tenants"


def test_a_day_has_room_for_a_question_to_the_archive_and_the_objects_it_opens() -> None:
    with pytest.raises(ValueError, match="at least twice archive_query_gigabytes"):
        replace(stage.dev(), archive_day_gigabytes=199)
    replace(stage.dev(), archive_day_gigabytes=200)


@pytest.mark.parametrize("limit", [name for name in stage.reasons() if name.startswith("tenant_")])
def test_a_limit_that_refuses_everything_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match=f"{limit} must be at least 1"):
        replace(stage.dev(), **{limit: 0})


@pytest.mark.parametrize("setting", ["lanes", "shards"])
def test_nothing_works_without_a_lane_or_a_shard(setting: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        replace(stage.dev(), **{setting: 0})

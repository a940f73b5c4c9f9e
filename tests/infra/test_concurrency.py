"""Counting, signing in and taking events have functions of their own, which no flood elsewhere can use up."""

from dataclasses import replace
from typing import Any

import pytest

from functions import names
from infra import sizing, stage
from infra.constructs import concurrency


def _reserved(synthesized: Any) -> dict[str, int]:
    handlers = {path: handler for handler, (_, path) in names.HANDLERS.items()}
    return {
        handlers[each["Properties"]["Handler"]]: each["Properties"]["ReservedConcurrentExecutions"]
        for each in synthesized.all("AWS::Lambda::Function").values()
        if "ReservedConcurrentExecutions" in each["Properties"]
    }


def test_prod_reserves_for_counting_and_for_the_doors(prod: Any) -> None:
    assert _reserved(prod) == {"stream_aggregate": 2, "http_authorize": 50, "http_ingest": 200, "http_api": 400}


def test_the_api_can_never_take_what_workflows_and_schedules_need(prod: Any) -> None:
    left = prod.settings.account_concurrency - sum(_reserved(prod).values())
    # Twenty workers of each running backfill, eight customers of a billing run, and the rest one each.
    assert left >= concurrency.LEAST_UNRESERVED + 100


def test_a_small_account_deploys_dev_and_the_local_stack(dev: Any, local: Any) -> None:
    assert _reserved(dev) == _reserved(local) == {}


@pytest.mark.parametrize("shards", [1, 20])
def test_each_shard_is_counted_also_while_shards_are_split(prod: Any, shards: int) -> None:
    (mapping,) = prod.all("AWS::Lambda::EventSourceMapping").values()
    settings = replace(stage.prod(), events_per_second=shards * sizing.EVENTS_PER_SHARD, events_per_call=1_000)
    assert settings.shards == shards
    shares = concurrency.reserved(settings)
    assert shares["stream_aggregate"] >= 2 * shards * mapping["Properties"]["ParallelizationFactor"]


@pytest.mark.parametrize("account", [10, 100, 751])
def test_an_account_that_is_too_small_is_refused_before_aws_does(account: int) -> None:
    with pytest.raises(ValueError, match="752 are needed"):
        concurrency.reserved(replace(stage.prod(), account_concurrency=account))
    assert concurrency.reserved(replace(stage.prod(), account_concurrency=752))

"""What was decided by price follows from the list prices of the bench."""

import json
from typing import Any

from functions.domain.analytics import archive_budget
from infra.prices import MONTHLY, PRICES
from infra.stacks.data import ARCHIVE_COLD_FROM_BYTES

MONTHS = 12
SMALLEST_BILLED = 128 * 1024  # of Glacier Instant Retrieval


def earned(size: int) -> float:
    """By an object of the archive in its first year in Glacier Instant Retrieval, read there once."""
    billed = max(size, SMALLEST_BILLED)
    saved = MONTHS * (size * MONTHLY["s3_storage"].usd - billed * MONTHLY["cold_storage"].usd)
    return saved - PRICES["cold_moves"].usd - PRICES["cold_gets"].usd - size * PRICES["cold_reads"].usd


def test_an_old_object_moves_where_the_move_and_a_reading_are_earned_back_within_a_year(each_stage: Any) -> None:
    (bucket,) = each_stage.all("AWS::S3::Bucket").values()
    rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    (cold,) = [rule for rule in rules if "Transitions" in rule]
    assert cold["ObjectSizeGreaterThan"] == ARCHIVE_COLD_FROM_BYTES
    assert earned(ARCHIVE_COLD_FROM_BYTES) > 0 > earned(ARCHIVE_COLD_FROM_BYTES - 2 * 1024), json.dumps(cold)


def test_a_small_object_would_take_years_to_earn_its_move() -> None:
    """Where commits hold 530 events: nobody should force them over."""
    saved = 28_000 * MONTHLY["s3_storage"].usd - SMALLEST_BILLED * MONTHLY["cold_storage"].usd
    assert PRICES["cold_moves"].usd > 10 * MONTHS * saved > 0


def test_a_request_of_a_question_counts_as_the_bytes_that_cost_as_much() -> None:
    byte = PRICES["athena_bytes"].usd
    assert round(PRICES["s3_gets"].usd / byte) == archive_budget.OBJECT_BYTES
    assert round(PRICES["s3_lists"].usd / byte) == archive_budget.LISTING_BYTES

"""Token buckets keep their promise in memory and on DynamoDB, with any number of takers at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from functions.adapters.dynamo.access.bucket_store import DynamoBuckets
from functions.adapters.memory.buckets import MemoryBuckets
from functions.application.ports.buckets import BucketBusy, Buckets, BucketsFailed, Taken
from functions.domain.rate_limit import MOST_SKEW, SECOND, Bucket, Policy
from tests.conftest import DynamoDb

NOW = 1_764_000_000 * SECOND
TEN = Policy("ten", 10, 1, 20)
ACME = Bucket("acme", "calls")


@pytest.fixture(params=["memory", "dynamodb"])
def buckets(request: pytest.FixtureRequest) -> Buckets:
    if request.param == "memory":
        return MemoryBuckets()
    database: DynamoDb = request.getfixturevalue("dynamodb")
    return DynamoBuckets(database.client, database.usage_table)


def take(buckets: Buckets, units: int, now: int, bucket: Bucket = ACME, expected: int | None = None) -> Taken:
    return buckets.take(
        bucket,
        TEN.time_of(units),
        now=now,
        latest=TEN.latest(units, now),
        believable=now + TEN.depth + MOST_SKEW,
        expected=expected,
    )


def test_a_bucket_nobody_used_is_full_and_gives_no_more_than_it_holds(buckets: Buckets) -> None:
    assert take(buckets, 20, NOW) == Taken(True, NOW + 2 * SECOND)
    assert take(buckets, 1, NOW) == Taken(False, NOW + 2 * SECOND)


def test_what_comes_back_comes_evenly(buckets: Buckets) -> None:
    take(buckets, 20, NOW)
    assert not take(buckets, 1, NOW + SECOND // 10 - 1).is_taken
    assert take(buckets, 1, NOW + SECOND // 10).is_taken
    assert not take(buckets, 6, NOW + SECOND // 2).is_taken
    assert take(buckets, 4, NOW + SECOND // 2).is_taken


def test_a_bucket_never_holds_more_than_a_full_one_however_long_it_waits(buckets: Buckets) -> None:
    take(buckets, 20, NOW)
    later = NOW + 3_600 * SECOND
    assert take(buckets, 20, later).is_taken
    assert not take(buckets, 1, later).is_taken


@pytest.mark.parametrize("expected", [None, 0, NOW, NOW + SECOND, NOW + 10_000 * SECOND])
def test_what_the_taker_believed_changes_nothing(buckets: Buckets, expected: int | None) -> None:
    take(buckets, 15, NOW)
    assert take(buckets, 5, NOW, expected=expected).is_taken
    assert not take(buckets, 1, NOW, expected=expected).is_taken


def test_buckets_of_tenants_keys_and_kinds_are_apart(buckets: Buckets) -> None:
    others = [Bucket("acm", "calls"), Bucket("acme", "questions"), Bucket("acme", "calls", "k1"), ACME]
    assert [take(buckets, 20, NOW, bucket).is_taken for bucket in others] == [True] * 4
    assert [take(buckets, 1, NOW, bucket).is_taken for bucket in others] == [False] * 4


def test_an_instant_written_by_a_wrong_clock_is_not_waited_for(buckets: Buckets) -> None:
    take(buckets, 1, NOW + 3_600 * SECOND)
    assert take(buckets, 20, NOW) == Taken(True, NOW + 2 * SECOND)
    assert not take(buckets, 1, NOW).is_taken


def test_a_clock_that_is_a_little_ahead_gains_that_little_once(buckets: Buckets) -> None:
    take(buckets, 20, NOW)
    ahead = NOW + SECOND // 2
    taken = sum(take(buckets, 1, ahead).is_taken for _ in range(20))
    taken += sum(take(buckets, 1, NOW).is_taken for _ in range(20))
    assert taken == 5


def test_takers_at_the_same_moment_get_what_is_there_and_not_one_more(dynamodb: DynamoDb) -> None:
    buckets = DynamoBuckets(dynamodb.client, dynamodb.usage_table)

    def taker(_: int) -> int:
        return sum(take(buckets, 1, NOW).is_taken for _ in range(6))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(taker, range(8))) == TEN.burst


def test_an_operator_gives_a_tenant_more_and_it_stays(dynamodb: DynamoDb) -> None:
    buckets = DynamoBuckets(dynamodb.client, dynamodb.usage_table)
    item = {"pk": {"S": "Q#acme"}, "sk": {"S": "calls"}, "percent": {"N": "400"}}
    dynamodb.client.put_item(TableName=dynamodb.usage_table, Item=item)
    assert [take(buckets, 20, NOW).percent, take(buckets, 1, NOW).percent] == [400, 400]


def _failing(error: Exception) -> Any:
    class Client:
        def update_item(self, **_: Any) -> Any:
            raise error

    return Client()


@pytest.mark.parametrize("field", ["ThrottlingReasons", "throttlingReasons"])
def test_a_bucket_that_is_too_busy_is_told_from_a_table_that_is(field: str) -> None:
    def refused(reason: str) -> ClientError:
        response: Any = {"Error": {"Code": "ThrottlingException"}, field: [{"reason": reason, "resource": "arn"}]}
        return ClientError(response, "UpdateItem")

    with pytest.raises(BucketBusy):
        take(DynamoBuckets(_failing(refused("TableWriteKeyRangeThroughputExceeded")), "usage"), 1, NOW)
    with pytest.raises(BucketsFailed):
        take(DynamoBuckets(_failing(refused("TableWriteAccountLimitExceeded")), "usage"), 1, NOW)


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "UpdateItem"),
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "UpdateItem"),
        ReadTimeoutError(endpoint_url="https://nowhere"),
    ],
    ids=str,
)
def test_a_store_that_fails_says_so_in_one_way(error: Exception) -> None:
    with pytest.raises(BucketsFailed):
        take(DynamoBuckets(_failing(error), "usage"), 1, NOW)

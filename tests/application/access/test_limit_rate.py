"""The limiter over many processes: what it lets through, what it costs, and what happens when something is wrong."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from functions.adapters.memory.buckets import MemoryBuckets
from functions.application.access import limit_rate
from functions.application.access.limit_rate import RateLimiter
from functions.application.ports.buckets import BucketsFailed
from functions.domain.errors import RateLimited
from functions.domain.rate_limit import MOST_DEBT, SECOND, Bucket, Charge, Policy

START = 1_764_000_000 * SECOND
CALLS = Policy("tenant-calls", 200, 1, 3_000)
KEY_CALLS = Policy("key-calls", 160, 1, 2_400)
ACME, KEY = Bucket("acme", "calls"), Bucket("acme", "calls", "k1")


class Fleet:
    """Processes over one store; time is the test's."""

    def __init__(self, processes: int = 1) -> None:
        self.now = START
        self.skew: dict[int, int] = {}
        self.buckets = MemoryBuckets()
        self.failures: list[BucketsFailed] = []
        self.limiters = [self._limiter(n) for n in range(processes)]

    def _limiter(self, number: int) -> RateLimiter:
        return RateLimiter(self.buckets, lambda: self.now + self.skew.get(number, 0), self.failures.append)

    def admits(self, charges: Sequence[Charge] | None = None, process: int = 0) -> bool:
        try:
            self.limiters[process].charge(charges or [Charge(ACME, CALLS, 1)])
        except RateLimited:
            return False
        return True


@pytest.mark.large
@pytest.mark.parametrize("processes", [1, 7, 40])
def test_a_flood_gets_the_burst_the_rate_and_at_most_a_lease_a_process_more(processes: int) -> None:
    fleet, chance, seconds = Fleet(processes), random.Random(processes), 20
    admitted = 0
    for _ in range(seconds * 1_000):
        fleet.now += SECOND // 1_000
        admitted += sum(fleet.admits(process=chance.randrange(processes)) for _ in range(2))
    most = CALLS.burst + CALLS.quota * seconds
    assert most - processes * CALLS.largest_lease <= admitted <= most + processes * CALLS.largest_lease


@pytest.mark.large
def test_a_refused_flood_costs_few_writes() -> None:
    fleet = Fleet(4)
    while fleet.admits(process=fleet.buckets.requests % 4):
        pass
    before, seconds = fleet.buckets.requests, 10
    for step in range(seconds * 2_000):
        fleet.now += SECOND // 2_000
        fleet.admits(process=step % 4)
    assert fleet.buckets.requests - before <= seconds * 4 * 15  # of 20,000 calls


def test_a_steady_caller_writes_once_for_many_calls_and_an_idle_one_never() -> None:
    fleet = Fleet()
    for _ in range(2_000):
        fleet.now += SECOND // 20
        assert fleet.admits()
    assert fleet.buckets.requests <= 2_000 // CALLS.largest_lease + 10
    written = fleet.buckets.requests
    fleet.now += 86_400 * SECOND
    assert fleet.buckets.requests == written


def test_a_thousand_processes_that_need_one_unit_each_do_not_drain_the_bucket_by_leasing() -> None:
    fleet = Fleet(1_000)
    assert all(fleet.admits(process=each) for each in range(1_000))


@pytest.mark.large
def test_a_quiet_tenant_is_never_refused_beside_a_flood() -> None:
    fleet = Fleet(4)
    quiet = [Charge(Bucket("quiet", "calls"), CALLS, 1)]
    refused = 0
    for step in range(10_000):
        fleet.now += SECOND // 1_000
        refused += not fleet.admits(process=step % 4)
        if step % 50 == 0:
            assert fleet.admits(quiet, process=step % 4)
    assert refused > 4_000


def test_what_a_key_is_refused_costs_its_tenant_nothing() -> None:
    fleet = Fleet()
    both = [Charge(KEY, KEY_CALLS, 1), Charge(ACME, CALLS, 1)]
    admitted = sum(fleet.admits(both) for _ in range(10_000))
    assert admitted == KEY_CALLS.burst
    rest = sum(fleet.admits([Charge(Bucket("acme", "calls", "k2"), KEY_CALLS, 1), both[1]]) for _ in range(10_000))
    assert admitted + rest == CALLS.burst


def test_a_charge_refused_in_the_second_place_takes_nothing_in_the_first() -> None:
    fleet = Fleet()
    fleet.admits([Charge(ACME, CALLS, 3_000)])
    both = [Charge(KEY, KEY_CALLS, 1), Charge(ACME, CALLS, 1)]
    assert not any(fleet.admits(both) for _ in range(3_000))
    assert sum(fleet.admits([Charge(KEY, KEY_CALLS, 1)]) for _ in range(3_000)) == KEY_CALLS.burst


def test_a_request_larger_than_the_bucket_waits_for_a_full_one_and_not_for_ever() -> None:
    fleet = Fleet()
    huge = [Charge(ACME, CALLS, 50_000)]
    assert fleet.admits(huge)
    assert not fleet.admits(huge)
    fleet.now += CALLS.depth
    assert fleet.admits(huge)


def test_what_is_owed_is_refused_until_it_is_refilled_and_never_longer_than_the_longest_debt() -> None:
    fleet = Fleet(2)
    fleet.limiters[0].owe(Charge(ACME, CALLS, CALLS.burst + 10 * CALLS.quota))
    assert not fleet.admits(process=1)
    fleet.now += 10 * SECOND
    assert not fleet.admits(process=1)
    fleet.now += SECOND
    assert fleet.admits(process=1)
    for _ in range(3):
        fleet.limiters[0].owe(Charge(ACME, CALLS, 10**12))
    assert fleet.buckets.full_at[ACME] == fleet.now + CALLS.depth + MOST_DEBT
    assert not fleet.admits(process=1)
    fleet.now += MOST_DEBT + SECOND
    assert fleet.admits(process=1)


def test_a_process_that_still_holds_units_spends_them_and_is_refused_then() -> None:
    fleet = Fleet(2)
    for _ in range(100):
        assert fleet.admits(process=1)
    fleet.limiters[0].owe(Charge(ACME, CALLS, 2 * CALLS.burst))
    admitted = 0
    while fleet.admits(process=1):
        admitted += 1
    assert admitted <= CALLS.largest_lease


def test_what_is_owed_is_measured_by_the_share_the_operator_set() -> None:
    fleet = Fleet()
    fleet.buckets.percent[ACME] = 400
    fleet.limiters[0].owe(Charge(ACME, CALLS, 4 * CALLS.quota))
    assert fleet.buckets.full_at[ACME] == fleet.now + SECOND


def test_a_debt_that_cannot_be_written_down_is_told_and_fails_nothing() -> None:
    fleet = Fleet()
    fleet.buckets.is_failing = True
    fleet.limiters[0].owe(Charge(ACME, CALLS, 1))
    assert len(fleet.failures) == 1


def test_a_bucket_that_is_written_too_often_refuses_its_own_tenant_and_opens_nothing_for_others() -> None:
    fleet, other = Fleet(), Charge(Bucket("other", "calls"), CALLS, 1)
    for _ in range(CALLS.burst):
        assert fleet.admits([other])
    fleet.buckets.busy.add(ACME)
    assert not fleet.admits()
    assert not fleet.failures
    while fleet.admits([other]):
        pass
    fleet.limiters[0].owe(Charge(ACME, CALLS, 1))
    fleet.buckets.busy.clear()
    fleet.now += SECOND
    assert fleet.admits()


def test_a_refusal_names_the_limit_the_remedy_and_when_to_come_back() -> None:
    fleet = Fleet()
    slow = Policy("tenant-questions", 60, 60, 60, remedy="ask less")
    asked = [Charge(Bucket("acme", "questions"), slow, 1)]
    for _ in range(60):
        assert fleet.admits(asked)
    with pytest.raises(
        RateLimited, match=r"This tenant .*'tenant-questions': 60 requests a 60 seconds.*ask less"
    ) as it:
        fleet.limiters[0].charge(asked)
    assert it.value.standing is not None
    assert (it.value.code, it.value.retry_after_seconds, it.value.standing.left) == ("rate_limited", 1, 0)
    fleet.now += SECOND
    assert fleet.admits(asked)
    with pytest.raises(RateLimited) as again:
        fleet.limiters[0].charge([Charge(asked[0].bucket, slow, 31)])
    assert again.value.retry_after_seconds == 31


def test_a_store_that_fails_lets_everything_through_and_is_asked_again_after_a_pause() -> None:
    fleet = Fleet()
    while fleet.admits():
        pass
    fleet.buckets.is_failing = True
    fleet.now += SECOND
    asked = fleet.buckets.requests
    assert all(fleet.admits() for _ in range(1_000))
    assert (fleet.buckets.requests - asked, len(fleet.failures)) == (1, 1)
    fleet.now += limit_rate.PAUSE
    fleet.buckets.is_failing = False
    assert sum(fleet.admits() for _ in range(5_000)) < 5_000


def test_a_clock_that_goes_back_refuses_nobody_for_that_long() -> None:
    fleet = Fleet()
    while fleet.admits():
        pass
    fleet.now -= 3_600 * SECOND
    assert fleet.admits()
    fleet.buckets.is_failing, fleet.now = True, fleet.now + 10 * SECOND
    assert all(fleet.admits() for _ in range(100))
    fleet.buckets.is_failing, fleet.now = False, fleet.now - 3_600 * SECOND
    asked = fleet.buckets.requests
    assert all(fleet.admits() for _ in range(500))
    assert fleet.buckets.requests > asked


@pytest.mark.large
@pytest.mark.parametrize("skew", [-200_000, 200_000])
def test_clocks_that_differ_by_a_fifth_of_a_second_change_the_rate_by_no_more_than_that(skew: int) -> None:
    fleet = Fleet(2)
    fleet.skew[1] = skew
    admitted = 0
    for step in range(40_000):
        fleet.now += SECOND // 2_000
        admitted += fleet.admits(process=step % 2)
    right = CALLS.burst + CALLS.quota * 20
    assert abs(admitted - right) <= 2 * CALLS.largest_lease + CALLS.quota // 5 + 1


@pytest.mark.parametrize(("percent", "admitted"), [(400, 12_000), (50, 1_500), (1, 30)])
def test_a_tenant_gets_the_share_its_operator_set(percent: int, admitted: int) -> None:
    fleet = Fleet()
    fleet.buckets.percent[ACME] = percent
    # A cold process learns of the share with its first lease, which it pays at the usual rate.
    assert admitted - 3 <= sum(fleet.admits() for _ in range(13_000)) <= admitted + 1


def test_a_process_remembers_a_bounded_number_of_buckets(monkeypatch: Any) -> None:
    monkeypatch.setattr(limit_rate, "MAX_BUCKETS", 3)
    fleet = Fleet()
    for number in range(10):
        assert fleet.admits([Charge(Bucket(f"t{number}", "calls"), CALLS, 1)])
    assert len(fleet.limiters[0]._leases) == 3


@pytest.mark.parametrize("wrong", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-5, 1, 1)])
def test_a_policy_without_a_quota_a_window_or_a_burst_is_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Policy("none", *wrong)


@pytest.mark.parametrize("quota", [1, 3, 7, 999, 3_000_000])
def test_rounding_never_gives_more_than_the_quota(quota: int) -> None:
    policy = Policy("odd", quota, 1, quota)
    assert policy.time_of(1) * quota >= SECOND
    assert policy.level(START, START) == quota
    assert policy.level(START + policy.time_of(quota), START) == 0

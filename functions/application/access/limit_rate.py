"""Refuse what is above a rate, over all running processes: units are leased in chunks and spent here.

A process leases from the bucket all share, and holds at most `Policy.largest_lease` unspent. So within any t seconds
at most burst + rate x t + processes x largest lease are let through, and a process that dies loses its lease.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from functions.application.ports.buckets import BucketBusy, Buckets, BucketsFailed, Taken
from functions.domain.errors import RateLimited
from functions.domain.rate_limit import MOST_DEBT, SECOND, Bucket, Charge, Policy, Standing, seconds

# Buckets a process remembers: some MB. Forgetting one loses its lease, nothing else.
MAX_BUCKETS = 10_000
# While the storage fails, everything is let through and it is asked again this late: nobody waits for it each time.
PAUSE = 5 * SECOND
# One lease, a smaller one if that is too much, and both again by a share that the operator set in the meantime.
MAX_TRIES = 4
# By the first word of a policy's name; any other is of an API key.
WHOSE = {"tenant": "tenant", "portal": "portal", "holder": "holder of portal tokens"}


@dataclass
class _Lease:
    """Units in hand, the size and instant of the last lease, and what was last known of the bucket."""

    units: int = 0
    size: int = 0
    at: int = 0
    full_at: int | None = None
    percent: int = 100
    short_at: int | None = None  # when the bucket had less than was wanted

    def wanted(self, policy: Policy, missing: int, now: int) -> int:
        """How much to ask for; less than `missing` when the bucket is known to be too empty.

        Others only make it emptier. After a refusal, this process asks again when a whole lease can be there, so that
        not every request of a refused flood costs a write.
        """
        chunk = max(missing, policy.next_lease(self.size, self.at, now))
        if self.short_at is None or self.full_at is None or not policy.is_believable(self.full_at, now):
            return chunk
        level = policy.level(self.full_at, now)
        least = missing if self.short_at == now else max(missing, policy.largest_lease)
        return min(chunk, level) if level >= least else 0

    def learn(self, taken: Taken, units: int, now: int) -> None:
        self.full_at, self.percent = taken.full_at, taken.percent
        if not taken.is_taken:
            self.short_at = now
        elif self.short_at != now:  # otherwise it was the rest of a bucket that had too little
            self.short_at = None
        if taken.is_taken:
            self.units += units
            self.size, self.at = units, now

    def standing(self, policy: Policy, now: int) -> Standing:
        full_at = now if self.full_at is None else self.full_at
        return Standing(policy, self.units + policy.level(full_at, now), seconds(full_at - now))


class RateLimiter:
    """`now` tells microseconds since the epoch; `failed` is told when the storage fails."""

    def __init__(self, buckets: Buckets, now: Callable[[], int], failed: Callable[[BucketsFailed], None]) -> None:
        self._buckets = buckets
        self._now = now
        self._failed = failed
        self._leases: dict[Bucket, _Lease] = {}
        self._failed_at: int | None = None

    def charge(self, charges: Sequence[Charge]) -> list[Standing]:
        """All of the charges or none; raises RateLimited naming the first that is too much.

        Put narrow limits first: what they refuse then costs the wide ones nothing. Fails open: a limiter that cannot
        count protects nobody by refusing everybody, and the gateway's own throttle stays.
        """
        now = self._now()
        if self._failed_at is not None and self._failed_at <= now < self._failed_at + PAUSE:
            return []
        try:
            leases = [self._filled(charge, now) for charge in charges]
        except BucketsFailed as failure:
            self._failed_at = now
            self._failed(failure)
            return []
        self._failed_at = None
        standings = []
        for charge, lease in zip(charges, leases, strict=True):
            policy = charge.policy.scaled(lease.percent)
            lease.units -= policy.payable(charge.units)
            standings.append(lease.standing(policy, now))
        return standings

    def owe(self, charge: Charge) -> None:
        """Take what was used already, from an empty bucket too: who shares it is refused until it is refilled.

        What would be owed beyond `MOST_DEBT` is let off.
        """
        now = self._now()
        lease = self._lease(charge.bucket)
        units = charge.units if lease.full_at is not None else 0  # at first it asks for the share the operator set
        try:
            for _ in range(MAX_TRIES):
                policy = charge.policy.scaled(lease.percent)
                room = policy.most_owed(now) - policy.believed(lease.full_at, now)
                time = min(policy.time_of(units), room)
                taken = self._take(charge.bucket, policy, time, policy.most_owed(now) - time, lease, now)
                lease.full_at, lease.percent = taken.full_at, taken.percent
                if taken.is_taken and units:
                    return
                units = charge.units
        except BucketsFailed as failure:
            self._failed(failure)
        except BucketBusy:
            pass  # the callers that make it busy are refused for that

    def _take(self, bucket: Bucket, policy: Policy, time: int, latest: int, lease: _Lease, now: int) -> Taken:
        return self._buckets.take(
            bucket, time, now=now, latest=latest, believable=policy.believable(now), expected=lease.full_at
        )

    def _filled(self, charge: Charge, now: int) -> _Lease:
        """The lease of the bucket with enough in hand; raises RateLimited."""
        lease = self._lease(charge.bucket)
        for tries in range(MAX_TRIES + 1):
            policy = charge.policy.scaled(lease.percent)
            missing = policy.payable(charge.units) - lease.units
            if missing <= 0:
                return lease
            units = lease.wanted(policy, missing, now)
            if units < missing or tries == MAX_TRIES:
                break
            latest = policy.latest(units, now)
            try:
                lease.learn(self._take(charge.bucket, policy, policy.time_of(units), latest, lease, now), units, now)
            except BucketBusy:
                break  # no outage: others are not let through for it
        raise _too_much(charge, policy, lease, missing, now)

    def _lease(self, bucket: Bucket) -> _Lease:
        lease = self._leases.pop(bucket, None) or _Lease()
        self._leases[bucket] = lease  # the last used is the last forgotten
        if len(self._leases) > MAX_BUCKETS:
            del self._leases[next(iter(self._leases))]
        return lease


def _too_much(charge: Charge, policy: Policy, lease: _Lease, missing: int, now: int) -> RateLimited:
    full_at = now if lease.full_at is None else lease.full_at
    wait = seconds(min(policy.depth + MOST_DEBT, full_at - policy.latest(missing, now)))
    whose = WHOSE.get(policy.name.partition("-")[0], "API key")
    window = "second" if policy.window_seconds == 1 else f"{policy.window_seconds} seconds"
    left = min(lease.units + policy.level(full_at, now), charge.units - 1)
    return RateLimited(
        f"This {whose} is above its limit {policy.name!r}: {policy.quota} {policy.unit} a {window}, at most "
        f"{policy.burst} at once. Try again in {wait} s; {policy.remedy}.",
        standing=Standing(policy, left, wait),
    )

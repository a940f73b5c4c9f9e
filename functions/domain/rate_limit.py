"""A token bucket as one instant, the one at which it is full again: taking tokens is moving it, refilling is waiting.

Whole microseconds and whole units throughout. Taking is an addition that any number of takers can make in any order, so
no taker has to win a race against the others.
"""

from dataclasses import dataclass, replace

SECOND = 1_000_000  # microseconds
# A clock that is this far from the others is wrong; what it wrote is not waited for.
MOST_SKEW = 60 * SECOND
# So long at most a tenant is refused for what it has used beyond an empty bucket.
MOST_DEBT = 300 * SECOND
# How many units a taker holds in reserve: at most what comes in a fifth of a second, so that takers together are ahead
# by their number times that; at first fewer, so that a hundred takers who need one unit each do not drain a bucket.
LEASES_A_SECOND = 5
FIRST_LEASE_SHARE = 32
LEASE_GROWS_WITHIN = 60 * SECOND
LEASE_STARTS_OVER_AFTER = 600 * SECOND


@dataclass(frozen=True)
class Policy:
    """`quota` units every `window_seconds`, refilled evenly; a full bucket holds `burst`. Refusals say the `remedy`."""

    name: str
    quota: int
    window_seconds: int
    burst: int
    unit: str = "requests"
    remedy: str = "send fewer at once"

    def __post_init__(self) -> None:
        if min(self.quota, self.window_seconds, self.burst) < 1:
            raise ValueError(f"{self.name}: quota, window and burst must be at least 1, not {self}.")

    def scaled(self, percent: int) -> "Policy":
        """The same policy for a tenant that may take so many percent of it."""
        if percent == 100:
            return self
        quota, burst = (max(1, each * percent // 100) for each in (self.quota, self.burst))
        return replace(self, quota=quota, burst=burst)

    def time_of(self, units: int) -> int:
        """How long so many units take to come, rounded up: nobody gets more than the quota by rounding."""
        return -(-units * self.window_seconds * SECOND // self.quota)

    @property
    def depth(self) -> int:
        """How long an empty bucket takes to fill."""
        return self.time_of(self.burst)

    def payable(self, units: int) -> int:
        """What a request is charged: one that is larger than the bucket waits for a full one, not for ever."""
        return min(units, self.burst)

    def latest(self, units: int, now: int) -> int:
        """The bucket holds so many units if it is full again at this instant or earlier."""
        return now + self.depth - self.time_of(units)

    def most_owed(self, now: int) -> int:
        """The bucket is full again at this instant at the latest, after any use."""
        return now + self.depth + MOST_DEBT

    def level(self, full_at: int, now: int) -> int:
        missing = min(self.depth, max(0, full_at - now))
        return (self.depth - missing) * self.quota // (self.window_seconds * SECOND)

    def is_believable(self, full_at: int, now: int) -> bool:
        """No taker with a right clock moves the instant further."""
        return full_at <= self.believable(now)

    def believed(self, full_at: int | None, now: int) -> int:
        """Now, of a bucket that is full, or that nobody knows of."""
        return now if full_at is None or not self.is_believable(full_at, now) else max(full_at, now)

    def believable(self, now: int) -> int:
        return self.most_owed(now) + MOST_SKEW

    @property
    def largest_lease(self) -> int:
        return max(1, min(self.burst, self.quota // (self.window_seconds * LEASES_A_SECOND)))

    def next_lease(self, last_units: int, last_at: int, now: int) -> int:
        """Twice the last one while leases are soon used up; `last_units` is 0 before the first."""
        first = max(1, self.largest_lease // FIRST_LEASE_SHARE)
        lasted = now - last_at
        if not last_units or not 0 <= lasted <= LEASE_STARTS_OVER_AFTER:
            return first
        return min(self.largest_lease, last_units * 2 if lasted < LEASE_GROWS_WITHIN else last_units)


@dataclass(frozen=True)
class Bucket:
    """Whose bucket it is, and of what: a key of the tenant, or the tenant itself when `key_id` is None."""

    tenant: str
    kind: str
    key_id: str | None = None


@dataclass(frozen=True)
class Charge:
    bucket: Bucket
    policy: Policy
    units: int


@dataclass(frozen=True)
class Standing:
    """How a bucket stood when it was last looked at: units left, and whole seconds until it is full, or has enough."""

    policy: Policy
    left: int
    seconds: int


def seconds(microseconds: int) -> int:
    """Whole ones, at least 1."""
    return max(1, -(-microseconds // SECOND))

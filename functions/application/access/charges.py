"""What each request is charged, and to which buckets; small enough for the ingest path.

The caller's own tenant pays, also when an operator acts for another tenant. Without quotas nothing is limited.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b

from functions.application.access.limit_rate import RateLimiter
from functions.domain.access.api_key import Caller
from functions.domain.rate_limit import Bucket, Charge, Policy, Standing

CALLS, QUESTIONS, REQUESTS, BYTES = "calls", "questions", "requests", "bytes"

# A bucket holds what comes in so long: a deployment script or a page of a console asks much in a moment.
BURST_SECONDS = 15
# What one may take of the whole of a tenant: who runs wild leaves something to the others. `portal` are all portal
# tokens together, `holder` are those of one subject or customer.
SHARES = {"tenant": (1, 1), "key": (4, 5), "portal": (4, 5), "holder": (1, 10)}
# Every lane an event is in makes a record of the stream, which takes 1,000 a second and shard: a request counts for as
# many as its size lets expect, without being parsed first.
BYTES_A_RECORD = 512

# What a delivery cost beyond its bytes is charged behind it: too little is let off, and others are not kept waiting.
LEAST_SURPLUS = 100_000
MOST_CHARGED = 20  # tenants of a delivery, those that cost most

# All callers share the functions that run at once, so a slow call counts as several: with 200 a second a tenant keeps
# ten functions busy, and its burst 150 seconds of one. Usual answers take less and are not written down.
SLOW_SECONDS = 0.5
SECONDS_A_CALL = 0.05

# A correction finds its event in the archive, while the lane waits: up to a tenth of a second for a large object.
CORRECTION_BYTES = 250_000

REMEDIES = {
    CALLS: "spread the calls, or read lists page by page and less often; a slow one counts once for each "
    f"{SECONDS_A_CALL} s",
    QUESTIONS: "ask fewer expensive questions (archive, exact, backtest, simulate, invoice now, access of many), or "
    "ask them later",
    REQUESTS: f"send more events in each request (it counts once for each {BYTES_A_RECORD} bytes, at most once a lane)",
    BYTES: "send the same events again then; they are counted once. Paths that search, events of long ago, new "
    "subjects or groups, and corrections count as more bytes (see Limits in the guide)",
}


@dataclass(frozen=True)
class Charges:
    """`quotas` are units by kind, each second (of questions: each minute); functions are asked when needed."""

    quotas: Mapping[str, int]
    lanes: Callable[[], int]
    limiter: Callable[[], RateLimiter]

    def call(self, caller: Caller, *, is_question: bool) -> list[Standing]:
        """Raises RateLimited."""
        return self._charge(caller, {QUESTIONS: 1, CALLS: 1} if is_question else {CALLS: 1})

    def time(self, caller: Caller, seconds: float) -> None:
        """What a call has taken beyond a usual one, behind its answer: the next ones wait until that is refilled."""
        if self.quotas and seconds >= SLOW_SECONDS:
            for each in self._charges(caller, CALLS, int(seconds / SECONDS_A_CALL) - 1):
                self.limiter().owe(each)

    def question(self, caller: Caller) -> None:
        """Raises RateLimited."""
        self._charge(caller, {QUESTIONS: 1})

    def arrival(self, caller: Caller, body_bytes: int) -> list[Standing]:
        """A request and its bytes as they came, before anything is made of them; raises RateLimited."""
        return self._charge(caller, {REQUESTS: 1, BYTES: max(1, body_bytes)})

    def contents(self, caller: Caller, arrived_bytes: int, body_bytes: int) -> list[Standing]:
        """What the body is beyond how it came; raises RateLimited."""
        if not self.quotas:
            return []
        records = min(self.lanes(), 1 + body_bytes // BYTES_A_RECORD)
        further = {REQUESTS: records - 1, BYTES: body_bytes - arrived_bytes}
        return self._charge(caller, {kind: units for kind, units in further.items() if units > 0})

    def correction(self, caller: Caller) -> None:
        """Raises RateLimited."""
        self._charge(caller, {BYTES: CORRECTION_BYTES})

    def surplus(self, surplus: Mapping[str, int]) -> None:
        """What was counted cost its tenants more than its bytes: their next requests wait until that is refilled."""
        if not self.quotas or max(surplus.values(), default=0) < LEAST_SURPLUS:
            return
        of_tenant = _policy("tenant", BYTES, self.quotas[BYTES])
        for tenant in sorted(surplus, key=lambda tenant: -surplus[tenant])[:MOST_CHARGED]:
            if surplus[tenant] >= LEAST_SURPLUS:
                self.limiter().owe(Charge(Bucket(tenant, BYTES), of_tenant, surplus[tenant]))

    def _charge(self, caller: Caller, units: Mapping[str, int]) -> list[Standing]:
        if not self.quotas:
            return []
        return self.limiter().charge(
            [each for kind, amount in units.items() for each in self._charges(caller, kind, amount)]
        )

    def _charges(self, caller: Caller, kind: str, amount: int) -> list[Charge]:
        """The narrow ones first: what they refuse is not taken from the tenant."""
        ids = {"key": caller.key_id}
        if caller.portal is not None:
            # Of each subject or customer, not of each token: buckets stay. All portal tokens together are as one key.
            ids = {"holder": f"portal-{_digest(caller.portal.holder)}", "portal": "portal"}
        buckets = {whose: Bucket(caller.tenant, kind, key_id) for whose, key_id in ids.items()}
        buckets["tenant"] = Bucket(caller.tenant, kind)
        quota = self.quotas[kind]
        return [Charge(bucket, _policy(whose, kind, quota), amount) for whose, bucket in buckets.items()]


def _digest(holder: Iterable[str]) -> str:
    return blake2b("#".join(holder).encode(), digest_size=16).hexdigest()


@cache
def _policy(whose: str, kind: str, quota: int) -> Policy:
    of, whole = SHARES[whose]
    window = 60 if kind == QUESTIONS else 1
    burst = quota if kind == QUESTIONS else quota * BURST_SECONDS
    unit = "bytes" if kind == BYTES else "requests"
    share, most = max(1, quota * of // whole), max(1, burst * of // whole)
    return Policy(f"{whose}-{kind}", share, window, most, unit, REMEDIES[kind])

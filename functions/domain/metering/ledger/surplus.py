"""What counting costs beyond the bytes that came, in bytes of a tenant's rate limit.

At about the price of a byte: 10,000 events of 300 bytes are counted in 50 ms.
"""

from collections import Counter
from collections.abc import Collection, Iterable

from functions.domain.metering.ledger.ledger import BUCKET_SECONDS, Group, bucket_of

VISITS_PAID = 100  # of an event; seven meters with two dimensions make some 30
BYTES_A_VISIT = 50  # most of a microsecond, as each may make several generators
# A fingerprint chunk is read and another written, for this tenant alone; what is younger is read for everybody.
BYTES_A_LATE_BUCKET = 25_000
LATE_SECONDS = 3_600
# From so much on a tenant is charged while the delivery is still counted: it goes on sending meanwhile.
CHARGED_AT_ONCE = 1_000_000
# A subject or a combination of groups that was never seen makes items that stay; each meter keeps texts of its own.
BYTES_A_NEW_ITEM = 2_000
BYTES_A_NEW_BYTE = 10


def work_surplus(visits: int, events: int, new_items: int, new_bytes: int) -> int:
    """Of events that made so much of it."""
    searched = max(0, visits - VISITS_PAID * events) * BYTES_A_VISIT
    return searched + new_items * BYTES_A_NEW_ITEM + new_bytes * BYTES_A_NEW_BYTE


def late_surplus(groups: Iterable[Group], buckets: Collection[int], now: int) -> Counter[str]:
    """Of a commit's events in these buckets, by tenant."""
    found = Counter[str]()
    begun = bucket_of(now - LATE_SECONDS)
    if min(buckets, default=begun) < begun:
        late = {bucket for bucket in buckets if bucket < begun}
        by_tenant: dict[str, set[int]] = {}
        for tenant, _, events in groups:
            by_tenant.setdefault(tenant, set()).update(event.time // BUCKET_SECONDS for event in events)
        found.update({tenant: len(touched & late) * BYTES_A_LATE_BUCKET for tenant, touched in by_tenant.items()})
    return found

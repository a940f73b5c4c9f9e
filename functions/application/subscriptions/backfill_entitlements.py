"""Entitle everybody who subscribed before there were entitlements: tenant by tenant, a page of customers at a time.

What became of a page is written with the backfill that counts it, all or nothing. A process that is killed before that
leaves customers entitled whom nobody has counted: the next one finds nothing to do for them and goes on.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from functions.application.ports.clock import Clock
from functions.application.ports.entitlement_backfills import EntitlementBackfills
from functions.application.ports.stored import Stale
from functions.application.ports.subscriptions import Subscriptions
from functions.application.step_failure import INTERNAL
from functions.application.subscriptions.entitle_subscriptions import entitle_subscriptions
from functions.domain.errors import TollboothError
from functions.domain.subscriptions.entitlement_backfill import (
    MAX_REASON_CHARACTERS,
    EntitlementBackfill,
    Looked,
    NotEntitled,
    TenantSearch,
)

# Of those who take turns in one call; the next call takes others.
TENANTS_AT_ONCE = 1_000
# Who failed before and is tried again in one turn.
TRIED_AGAIN_AT_ONCE = 25
# Parts of the store, of 1 MB each, after which it is noted how far the search for tenants is.
PARTS_AT_ONCE = 25

HasTime = Callable[[], bool]
# An error nobody planned for, and of which customer of which tenant.
Note = Callable[[Exception, str, str], None]


@dataclass(frozen=True)
class EntitlementBackfillPorts:
    """What entitling everybody reads and writes, and who hears of errors of our own making."""

    backfills: EntitlementBackfills
    subscriptions: Subscriptions
    clock: Clock
    note: Note

    def now(self) -> datetime:
        return self.clock.now().replace(microsecond=0)


@dataclass
class Entitling:
    """What one call came to; `broken` counts the customers for whom we have failed, of all who failed."""

    customers: int = 0
    entitled: int = 0
    failed: int = 0
    broken: int = 0
    is_done: bool = True


def backfill_entitlements(has_time: HasTime, *, ports: EntitlementBackfillPorts) -> Entitling:
    """As far as there is time; what is left is for the next call.

    A customer who cannot be entitled is kept for their tenant with the reason, stops nobody, and is tried again later.
    """
    done = Entitling()
    try:
        tenants = _tenants_to_do(has_time, ports, done)
    except Stale:  # another call is at it
        done.is_done = False
        return done
    waiting = deque(tenants)
    while waiting:
        tenant = waiting.popleft()
        if _turn(tenant, has_time, ports, done):
            waiting.append(tenant)
        if waiting and not has_time():
            done.is_done = False
            break
    return done


def _tenants_to_do(has_time: HasTime, ports: EntitlementBackfillPorts, done: Entitling) -> list[str]:
    now = ports.now()
    to_do = ports.backfills.to_do(now, TENANTS_AT_ONCE)
    search = to_do.search
    if search is None or not search.is_current:
        version = search.version if search else 0
        search = ports.backfills.save_search(TenantSearch(noted_at=now, version=version))
    if not search.is_settled(now):
        done.is_done = False
        return []
    if search.is_over:
        return [*to_do.tenants]
    _search(search, has_time, ports, done)
    return [*ports.backfills.to_do(now, TENANTS_AT_ONCE).tenants]


def _search(search: TenantSearch, has_time: HasTime, ports: EntitlementBackfillPorts, done: Entitling) -> None:
    """Begins a backfill for every tenant with subscriptions, also for one that only an operator's key works for."""
    known: set[str] = set()
    while not search.is_over:
        place = search.position
        for _ in range(PARTS_AT_ONCE):
            found, place = ports.backfills.subscribing_tenants(place)
            for tenant in found:
                if tenant not in known:
                    _begin(tenant, ports)
                    known.add(tenant)
            if place is None or not has_time():
                break
        search = ports.backfills.save_search(search.searched(place, ports.now()))
        if place is not None and not has_time():
            done.is_done = False
            return


def _begin(tenant: str, ports: EntitlementBackfillPorts) -> None:
    before = ports.backfills.get(tenant)
    if before is None or not before.is_current:
        now = ports.now()
        ports.backfills.save(tenant, before, before.again(now) if before else EntitlementBackfill.begun(now))


def _turn(tenant: str, has_time: HasTime, ports: EntitlementBackfillPorts, done: Entitling) -> bool:
    """A page of a tenant's customers; whether there is more to do for it now."""
    before = ports.backfills.get(tenant)
    if before is None or before.due_at is None or before.due_at > ports.now():
        return False
    after = before
    if before.is_running:
        if before.position is None:
            after = before.counted(ports.backfills.count_customers(tenant))
        asked, has_more = ports.backfills.subscribed_customers(tenant, before.position)
    else:
        page = ports.backfills.failures(tenant).read_slice(
            after=before.position, descending=False, most=TRIED_AGAIN_AT_ONCE
        )
        asked, has_more = [each.position for each in page.entries], page.end is not None
    results = list[Looked]()
    for customer_id in asked:
        if results and not has_time():
            has_more = True
            break
        results.append(_looked(tenant, customer_id, ports, done))
    known = ports.backfills.failures_of(tenant, [each.customer_id for each in results])
    after = after.worked(results, {each.customer_id for each in known}, ports.now())
    try:
        ports.backfills.save(tenant, before, after if has_more else after.ended(ports.now()), results, known)
    except Stale:  # another call is at it, or it was begun again
        done.is_done = False
        return False
    done.customers += len(results)
    return has_more


def _looked(tenant: str, customer_id: str, ports: EntitlementBackfillPorts, done: Entitling) -> Looked:
    try:
        made = entitle_subscriptions(tenant, customer_id, subscriptions=ports.subscriptions, clock=ports.clock)
    except TollboothError as refusal:
        code, reason = refusal.code, refusal.detail
    except Exception as error:  # a defect of ours must not keep the others from what is theirs
        ports.note(error, tenant, customer_id)
        done.broken += 1
        code, reason = INTERNAL.code, INTERNAL.message
    else:
        done.entitled += made
        return Looked(customer_id, made)
    done.failed += 1
    shortened = reason[:MAX_REASON_CHARACTERS]
    failure = NotEntitled(customer_id=customer_id, code=code, reason=shortened, failed_at=ports.now())
    return Looked(customer_id, failure=failure)

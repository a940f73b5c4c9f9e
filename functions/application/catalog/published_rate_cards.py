"""What is sold now: the rate cards of all plans and add-ons that can be had."""

from collections.abc import Iterator

from functions.application.ports.catalog import Addons, Plans
from functions.application.ports.clock import Clock
from functions.domain.catalog.rate_card import Card
from functions.domain.catalog.versioned import VersionStatus

PUBLISHED = (VersionStatus.ACTIVE, VersionStatus.SCHEDULED)


def published_rate_cards(tenant: str, plans: Plans, addons: Addons, clock: Clock) -> Iterator[tuple[str, Card]]:
    """Each with the version that sells it. Drafts are left out: they are looked at again when they are published."""
    now = clock.now()
    for plan in plans.all(tenant):
        if plan.status(now) in PUBLISHED:
            yield from ((plan.label, card) for phase in plan.phases for card in phase.rate_cards)
    for addon in addons.all(tenant):
        if addon.status(now) in PUBLISHED:
            yield from ((addon.label, card) for card in addon.rate_cards)

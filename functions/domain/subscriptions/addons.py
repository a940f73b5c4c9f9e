"""Add-ons of a subscription: how many of each it has at any time, and the items that come of plan and add-ons."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from functions.domain.catalog.addon import Addon, InstanceType
from functions.domain.catalog.merging import merged, why_not
from functions.domain.catalog.rate_card import RateCard
from functions.domain.errors import Conflict, InvalidInput
from functions.domain.subscriptions.base_and_addons import ItemSpan, Merge, Wanted
from functions.domain.subscriptions.item import FOREVER, MeteredFeature, SubscriptionPhase
from functions.domain.wire import Description, Instant, Key, Metadata, Name, WireModel

# Each keeps a copy of its rate cards in the subscription's one item.
MAX_ADDONS = 50
MAX_CHANGES = 500


class AddonReference(WireModel):
    id: str
    key: Key
    version: int
    instance_type: InstanceType


class QuantityChange(WireModel):
    """So many from this instant on; 0 ends it."""

    starts_at: Instant
    quantity: int


class SubscriptionAddon(WireModel):
    id: str
    name: Name
    description: Description | None = None
    metadata: Metadata = None
    created_at: Instant
    updated_at: Instant
    addon: AddonReference
    max_quantity: int | None = None
    cards: tuple[RateCard, ...]
    features: dict[str, MeteredFeature]
    timeline: tuple[QuantityChange, ...]

    @property
    def active_from(self) -> datetime:
        return self.timeline[0].starts_at

    @property
    def active_to(self) -> datetime | None:
        last = self.timeline[-1]
        return last.starts_at if last.quantity == 0 else None

    def quantity_at(self, at: datetime) -> int:
        return next((each.quantity for each in reversed(self.timeline) if each.starts_at <= at), 0)

    def with_quantity(self, quantity: int, at: datetime, now: datetime) -> "SubscriptionAddon":
        """From `at` on so many, in place of what was scheduled for later; raises InvalidInput beyond what it may be."""
        require_quantity(self.addon, quantity, self.max_quantity)
        kept = [each for each in self.timeline if each.starts_at < at]
        if not kept or kept[-1].quantity != quantity:
            kept.append(QuantityChange(starts_at=at, quantity=quantity))
        if len(kept) > MAX_CHANGES:
            raise Conflict(
                f"The quantity of add-on {self.addon.key!r} has changed {MAX_CHANGES} times, the most it can."
            )
        return self.model_copy(update={"timeline": tuple(kept), "updated_at": now})


def bought(
    addon: Addon,
    *,
    id: str,
    name: str,
    description: str | None,
    metadata: dict[str, str] | None,
    quantity: int,
    max_quantity: int | None,
    features: Mapping[str, MeteredFeature],
    at: datetime,
    now: datetime,
) -> SubscriptionAddon:
    """Raises InvalidInput for a quantity that it cannot have."""
    reference = AddonReference(id=addon.id, key=addon.key, version=addon.version, instance_type=addon.instance_type)
    if quantity < 1:
        raise InvalidInput("An add-on is bought at least once; send a quantity of 1 or more.", code="invalid_quantity")
    require_quantity(reference, quantity, max_quantity)
    return SubscriptionAddon(
        id=id,
        name=name,
        description=description,
        metadata=metadata,
        created_at=now,
        updated_at=now,
        addon=reference,
        max_quantity=max_quantity,
        cards=addon.rate_cards,
        features=dict(features),
        timeline=(QuantityChange(starts_at=at, quantity=quantity),),
    )


def require_quantity(addon: AddonReference, quantity: int, max_quantity: int | None) -> None:
    most = 1 if addon.instance_type == "single" else max_quantity
    if most is not None and quantity > most:
        message = f"Add-on {addon.key!r} can be had at most {most} times on this plan, not {quantity}."
        raise InvalidInput(message, code="invalid_quantity")


def merging(addons: Sequence[SubscriptionAddon]) -> Merge:
    """What a phase sells with these add-ons on top; the merge raises Conflict for cards that do not go together."""

    def merge(phase: SubscriptionPhase, base: Sequence[ItemSpan]) -> list[Wanted]:
        keys = dict.fromkeys([*(each.key for each in base), *(card.key for each in addons for card in each.cards)])
        return [wanted for key in keys for wanted in _of_key(phase, key, base, addons)]

    return merge


def _of_key(
    phase: SubscriptionPhase, key: str, base: Sequence[ItemSpan], addons: Sequence[SubscriptionAddon]
) -> list[Wanted]:
    mine = [each for each in base if each.key == key]
    adding = [(each, card) for each in addons for card in each.cards if card.key == key]
    if not adding:
        return [Wanted(each, each.card) for each in mine]
    end = phase.ends_at or FOREVER
    cuts = {phase.starts_at, FOREVER, *(bound for each in mine for bound in (each.start, each.end))}
    cuts |= {change.starts_at for each, _ in adding for change in each.timeline}
    inside = sorted(cut for cut in cuts if phase.starts_at <= cut < end or cut == FOREVER)
    found: list[Wanted] = []
    for start, until in pairwise(inside):
        below = next((each for each in mine if each.is_on(start)), None)
        additions = [(card, each.quantity_at(start)) for each, card in adding]
        for each, quantity in additions:
            if below is not None and quantity and (reason := why_not(below.card, each)):
                raise Conflict(f"The add-on's rate card {key!r} {reason}.", code="addon_not_compatible")
        card = merged(below.card if below else None, additions)
        if card is None:
            continue
        feature = below.feature if below and below.feature else None
        feature = feature or next((each.features.get(key) for each, _ in adding if each.features.get(key)), None)
        wanted = Wanted(ItemSpan(card, feature, start, until), below.card if below else None)
        before = found[-1] if found else None
        if before is not None and before.span.end == start and _is_one(before, wanted):
            found[-1] = Wanted(ItemSpan(card, feature, before.span.start, until), wanted.base)
        else:
            found.append(wanted)
    return found


def _is_one(before: Wanted, after: Wanted) -> bool:
    return (
        before.span.card == after.span.card and before.span.feature == after.span.feature and before.base == after.base
    )

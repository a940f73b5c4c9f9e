"""The two layers of a phase: what the plan and edits sell, and the items that come of it with add-ons merged in."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from functions.domain.catalog.rate_card import Card
from functions.domain.subscriptions.item import FOREVER, MeteredFeature, SubscriptionItem, SubscriptionPhase

NewId = Callable[[], str]


@dataclass(frozen=True)
class ItemSpan:
    """A rate card under its key from `start` to `end`; FOREVER is until the phase ends, whenever that is."""

    card: Card
    feature: MeteredFeature | None
    start: datetime
    end: datetime = FOREVER

    @property
    def key(self) -> str:
        return self.card.key

    def is_on(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True)
class Wanted:
    """What shall be sold in a span; `base` is its card without add-ons, None when only add-ons bring it."""

    span: ItemSpan
    base: Card | None


# Makes the wanted spans of one phase from its base.
Merge = Callable[[SubscriptionPhase, Sequence[ItemSpan]], list[Wanted]]


def base_of(phase: SubscriptionPhase) -> list[ItemSpan]:
    """The layer below add-ons, read back from the items."""
    spans = [
        ItemSpan(card, item.feature, phase.start_of(item), item.ends_at or FOREVER)
        for item in phase.items
        if (card := item.base_card) is not None and (item.ends_at is None or item.ends_at > phase.start_of(item))
    ]
    return joined(spans)


def joined(spans: Iterable[ItemSpan]) -> list[ItemSpan]:
    """Stretches that touch and sell the same are one."""
    found: list[ItemSpan] = []
    for each in spans:
        before = next((n for n, one in enumerate(found) if one.key == each.key and one.end == each.start), None)
        if before is not None and found[before].card == each.card and found[before].feature == each.feature:
            found[before] = replace(found[before], end=each.end)
        else:
            found.append(each)
    return found


def settled(
    phase: SubscriptionPhase, wanted: Sequence[Wanted], at: datetime, now: datetime, new_id: NewId
) -> SubscriptionPhase:
    """The phase with the wanted items: those that stay the same stay themselves, others end and get a successor.

    Nothing before `at` may differ between what is there and what is wanted.
    """
    left = list(wanted)
    items = []
    for item in phase.items:
        match = next((each for each in left if _is_same(phase, item, each)), None)
        if match is not None:
            left.remove(match)
            end = None if match.span.end == FOREVER else match.span.end
            items.append(item.model_copy(update={"ends_at": end}))
        elif phase.start_of(item) < at:
            items.append(item.model_copy(update={"ends_at": min(at, item.ends_at or at)}))
        elif item.billed_to is not None:
            # It is on an invoice already, although it never was on: kept so that it is credited.
            items.append(item.model_copy(update={"ends_at": phase.start_of(item)}))
    for each in left:
        items.append(_successor(phase, items, each, now, new_id))
    order = {key: n for n, key in enumerate(dict.fromkeys(item.key for item in (*phase.items, *items)))}
    items.sort(key=lambda item: (order[item.key], item.version))
    return phase.model_copy(update={"items": tuple(items)})


def _is_same(phase: SubscriptionPhase, item: SubscriptionItem, wanted: Wanted) -> bool:
    span = wanted.span
    # One that ended as it began was billed and credited back: the item in its place has an invoice line of its own.
    is_void = item.ends_at is not None and item.ends_at <= phase.start_of(item)
    return (
        not is_void and item.card == span.card and item.base_card == wanted.base and phase.start_of(item) == span.start
    )


def _successor(
    phase: SubscriptionPhase, items: Sequence[SubscriptionItem], wanted: Wanted, now: datetime, new_id: NewId
) -> SubscriptionItem:
    span = wanted.span
    same = [each for each in items if each.key == span.key]
    before = next((each for each in same if phase.end_of(each) == span.start), None)
    made = SubscriptionItem(
        id=new_id(),
        key=span.key,
        version=max((each.version + 1 for each in same), default=0),
        card=span.card,
        feature=span.feature,
        starts_at=None if span.start == phase.starts_at else span.start,
        ends_at=None if span.end == FOREVER else span.end,
        base=None if wanted.base is None or wanted.base == span.card else wanted.base,
        is_added=wanted.base is None,
        created_at=now,
    )
    if before is not None and before.sells_the_same(made):
        return made.model_copy(update={"counts_from": before.counts_from or phase.start_of(before)})
    # Whose place it takes before that was ever on.
    instead = next((each for each in phase.items if each.key == span.key and phase.start_of(each) == span.start), None)
    if instead is not None and instead.sells_the_same(made):
        return made.model_copy(update={"counts_from": instead.counts_from})
    return made

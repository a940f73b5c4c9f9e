"""Edits of a running subscription: what each operation does to phases and items."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from functions.domain.catalog.merging import why_too_much
from functions.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from functions.domain.period import rfc3339
from functions.domain.subscriptions.addons import SubscriptionAddon, merging
from functions.domain.subscriptions.base_and_addons import ItemSpan, NewId, base_of, joined, settled
from functions.domain.subscriptions.item import (
    FOREVER,
    MeteredFeature,
    Offset,
    SubscriptionItem,
    SubscriptionPhase,
)
from functions.domain.subscriptions.operations import (
    AddItem,
    AddPhase,
    Operation,
    RemoveItem,
    RemovePhase,
    StretchPhase,
    SubscriptionPhaseCreate,
    UnscheduleEdit,
)
from functions.domain.subscriptions.subscribe import dated, offset_of
from functions.domain.subscriptions.subscription import Subscription

MAX_PHASES = 50
MAX_ITEMS_ON = 100


@dataclass
class _Layout:
    """A phase while it is edited, with the layer that edits change."""

    phase: SubscriptionPhase
    base: list[ItemSpan]


def edited(
    subscription: Subscription,
    operations: Sequence[Operation],
    *,
    at: datetime,
    now: datetime,
    features: Mapping[str, MeteredFeature],
    new_id: NewId,
) -> Subscription:
    """The subscription with all operations in effect from `at` on; what was before stays as it is.

    Raises NotFound for phases and items, Conflict for what has passed or is there already, InvalidInput for the rest;
    each names the operation.
    """
    editor = _Editor(subscription, max(at, subscription.active_from), now, features, new_id)
    for n, operation in enumerate(operations):
        try:
            editor.apply(operation)
        except (NotFound, Conflict, InvalidInput) as error:
            fields = [FieldError(f"customizations[{n}]", error.code, error.detail)]
            raise type(error)(f"customizations[{n}]: {error.detail}", code=error.code, fields=fields) from error
    return editor.result()


def with_addons(
    subscription: Subscription, addons: Sequence[SubscriptionAddon], *, at: datetime, now: datetime, new_id: NewId
) -> Subscription:
    """The subscription with these add-ons instead of those it has, which differ from `at` on; raises Conflict."""
    changed = subscription.model_copy(update={"addons": tuple(addons)})
    return _Editor(changed, max(at, subscription.active_from), now, {}, new_id).result()


def with_carried_addons(
    subscription: Subscription,
    addons: Sequence[SubscriptionAddon],
    charged: Collection[tuple[str, str]],
    *,
    now: datetime,
    new_id: NewId,
) -> Subscription:
    """A new subscription with the add-ons of the one before, whose one-time fees of these keys were `charged` there."""
    if not addons:
        return subscription
    start = subscription.active_from
    made = with_addons(subscription, addons, at=start, now=now, new_id=new_id)

    def after(phase: SubscriptionPhase, item: SubscriptionItem) -> SubscriptionItem:
        is_charged = item.card.billing_cadence is None and (phase.key, item.key) in charged and item.billed_to is None
        return item.model_copy(update={"billed_to": start}) if is_charged else item

    return made.with_items(after)


class _Editor:
    def __init__(
        self,
        subscription: Subscription,
        at: datetime,
        now: datetime,
        features: Mapping[str, MeteredFeature],
        new_id: NewId,
    ) -> None:
        self._subscription = subscription
        self._at = at
        self._now = now
        self._features = features
        self._new_id = new_id
        self._layouts = [_Layout(phase, base_of(phase)) for phase in subscription.phases]

    def apply(self, operation: Operation) -> None:
        match operation:
            case AddItem():
                self._add_item(operation)
            case RemoveItem():
                self._remove_item(operation)
            case AddPhase():
                self._add_phase(operation.phase)
            case RemovePhase():
                self._remove_phase(operation)
            case StretchPhase():
                self._stretch_phase(operation)
            case UnscheduleEdit():
                self._unschedule()

    def result(self) -> Subscription:
        merge = merging(self._subscription.addons)
        phases = tuple(
            settled(each.phase, merge(each.phase, joined(each.base)), self._at, self._now, self._new_id)
            for each in self._layouts
        )
        for phase in phases:
            on = sum(1 for item in phase.items if item.ends_at is None)
            if on > MAX_ITEMS_ON:
                message = f"Phase {phase.key!r} would have {on} items, at most {MAX_ITEMS_ON} are possible."
                raise InvalidInput(message, code="too_many_items")
            self._require_sayable(phase)
        return self._subscription.model_copy(update={"phases": phases, "updated_at": self._now})

    def _require_sayable(self, phase: SubscriptionPhase) -> None:
        """Each quantity of an add-on may be right, and what all of them come to be more than can be said."""
        for item in phase.items:
            is_merged = item.is_added or item.base is not None
            if is_merged and (reason := why_too_much(item.card, self._subscription.currency)):
                message = f"With so many add-ons, {item.key!r} is too much: {reason}. Have fewer of them."
                raise InvalidInput(message, code="invalid_quantity")

    def _find(self, key: str) -> int:
        """A phase that is on or will be; raises NotFound, and Conflict for one that is over."""
        for n, layout in enumerate(self._layouts):
            if layout.phase.key == key:
                if layout.phase.ends_at is not None and layout.phase.ends_at <= self._at:
                    raise Conflict(f"Phase {key!r} is over; what has passed cannot be edited.", code="phase_over")
                return n
        keys = ", ".join(each.phase.key for each in self._layouts)
        raise NotFound(f"There is no phase {key!r}; there are {keys}.", code="phase_not_found")

    def _since(self, phase: SubscriptionPhase) -> datetime:
        return max(self._at, phase.starts_at)

    def _add_item(self, operation: AddItem) -> None:
        layout = self._layouts[self._find(operation.phase_key)]
        card, since = operation.rate_card, self._since(layout.phase)
        if any(each.key == card.key and each.start > since for each in layout.base):
            message = f"Another change of {card.key!r} is scheduled; unschedule_edit it first."
            raise Conflict(message, code="edit_scheduled")
        if since > self._at and any(each.key == card.key for each in layout.base):
            message = f"Phase {layout.phase.key!r} has an item {card.key!r} already; remove it first."
            raise Conflict(message, code="item_exists")
        self._cut(layout, card.key, since)
        layout.base.append(ItemSpan(card, self._features.get(card.feature_key or ""), since))

    def _remove_item(self, operation: RemoveItem) -> None:
        layout = self._layouts[self._find(operation.phase_key)]
        since = self._since(layout.phase)
        there = [each for each in layout.base if each.key == operation.item_key and each.end > since]
        if not there:
            keys = ", ".join(sorted({each.key for each in layout.base if each.end > since}))
            message = f"Phase {layout.phase.key!r} has no item {operation.item_key!r}; it has {keys or 'none'}."
            raise NotFound(message, code="item_not_found")
        self._cut(layout, operation.item_key, since)

    def _cut(self, layout: _Layout, key: str, since: datetime) -> None:
        """Nothing of the key is sold from `since` on."""
        layout.base = [
            replace(each, end=since) if each.key == key and each.end > since else each
            for each in layout.base
            if each.key != key or each.start < since
        ]

    def _add_phase(self, create: SubscriptionPhaseCreate) -> None:
        if create.key in {each.phase.key for each in self._layouts}:
            raise Conflict(f"There is a phase {create.key!r} already.", code="phase_exists")
        if len(self._layouts) >= MAX_PHASES:
            raise Conflict(f"A subscription has at most {MAX_PHASES} phases.", code="too_many_phases")
        start = self._subscription.active_from
        origin = self._subscription.phases[0].began_at or start
        offset = offset_of(create.start_after) if create.start_after is not None else Offset()
        begins = offset.after(origin, self._subscription.time_zone)
        if begins < self._at or (begins == self._at and self._at > start):
            message = f"A phase can only be added ahead; {rfc3339(begins)} is not after {rfc3339(self._at)}."
            raise Conflict(message, code="phase_not_ahead")
        later = [each for each in self._layouts if each.phase.starts_at >= begins]
        if later and create.duration is None:
            raise InvalidInput("Only the last phase has no duration; say how long the new one lasts.")
        if create.duration is not None and not later:
            raise InvalidInput("The new phase would be the last one, which has no duration; leave it out.")
        if later:
            assert create.duration is not None
            shift = offset + offset_of(create.duration) - later[0].phase.offset
            self._shift(later, shift)
        phase = SubscriptionPhase(
            id=self._new_id(),
            key=create.key,
            name=create.name,
            description=create.description,
            offset=offset,
            starts_at=begins,
            ends_at=None,
            items=(),
        )
        self._layouts.insert(len(self._layouts) - len(later), _Layout(phase, []))
        self._date()

    def _remove_phase(self, operation: RemovePhase) -> None:
        n = self._find(operation.phase_key)
        phase = self._layouts[n].phase
        if phase.starts_at <= self._at or n == 0:
            raise Conflict(f"Phase {phase.key!r} has begun; only a coming phase can be removed.", code="phase_begun")
        del self._layouts[n]
        later = self._layouts[n:]
        if later and operation.shift == "next":
            self._shift(later, phase.offset - later[0].phase.offset)
        self._date()

    def _stretch_phase(self, operation: StretchPhase) -> None:
        n = self._find(operation.phase_key)
        later = self._layouts[n + 1 :]
        if not later:
            message = f"Phase {operation.phase_key!r} is the last one and goes on anyway."
            raise InvalidInput(message, code="last_phase")
        self._shift(later, offset_of(operation.extend_by))
        self._date()

    def _unschedule(self) -> None:
        """What the phase that is on sells now, it goes on selling."""
        now = max(self._now, self._subscription.active_from)
        for layout in self._layouts:
            phase = layout.phase
            if phase.starts_at <= now and (phase.ends_at is None or now < phase.ends_at):
                layout.base = [
                    replace(each, end=FOREVER) if each.end > now else each for each in layout.base if each.start <= now
                ]

    def _shift(self, layouts: Sequence[_Layout], by: Offset) -> None:
        for each in layouts:
            each.phase = each.phase.model_copy(update={"offset": each.phase.offset + by})

    def _date(self) -> None:
        """New times for every phase; an item that begins with its phase still does."""
        before = [layout.phase.starts_at for layout in self._layouts]
        phases = dated(
            [layout.phase for layout in self._layouts], self._subscription.active_from, self._subscription.time_zone
        )
        for layout, was, phase in zip(self._layouts, before, phases, strict=True):
            layout.phase = phase
            layout.base = [replace(each, start=phase.starts_at) if each.start == was else each for each in layout.base]

"""What a customer's subscriptions entitle to: the templates of their items as entitlements, kept in step with them.

An entitlement has the id of its item, so the same subscriptions always come to the same entitlements. Whatever an edit,
a change of plan or an add-on puts in the place of an item goes on with the usage period of the one before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.domain.catalog.entitlement_template import EntitlementTemplate, MeteredEntitlement, StaticEntitlement
from functions.domain.catalog.feature import MeteredFeature
from functions.domain.entitlements.entitlement import Entitled, Entitlement
from functions.domain.entitlements.entitlement_create import IssueAfterReset, to_minute
from functions.domain.entitlements.grant_record import GrantRecord, Recurring
from functions.domain.errors import InvalidInput
from functions.domain.period import Period
from functions.domain.subscriptions.item import FOREVER, SubscriptionItem, SubscriptionPhase
from functions.domain.subscriptions.subscription import Subscription


@dataclass(frozen=True)
class _Span:
    """One item with a template, and when it is on."""

    subscription: Subscription
    phase: SubscriptionPhase
    item: SubscriptionItem
    feature: MeteredFeature
    template: EntitlementTemplate
    on: Period

    @property
    def ends_at(self) -> datetime | None:
        return None if self.on.end >= FOREVER else self.on.end

    def goes_on_with(self, before: "_Span") -> bool:
        """Is it what came of `before`, so that its usage period goes on?"""
        if before.on.end != self.on.start or before.template.type != "metered":
            return False
        if before.subscription.id == self.subscription.id:
            return before.phase.id == self.phase.id
        follows = self.subscription.follows
        return follows is not None and follows.id == before.subscription.id


def entitled_by(
    customer_id: str, subscriptions: Sequence[Subscription], entitled: Sequence[Entitled], now: datetime
) -> list[tuple[Entitled, Entitled]]:
    """What changes of all that a customer is entitled to, before and after, where these are all their subscriptions.

    Raises Conflict where the customer has another entitlement to a feature of theirs, and InvalidInput for a limit of
    what nothing measures.
    """
    spans: dict[str, list[_Span]] = {}
    for span in _spans(subscriptions):
        spans.setdefault(span.feature.key, []).append(span)
    known = {each.feature_key: each for each in entitled}
    managed = [each.feature_key for each in entitled if any(one.is_managed for one in each.entitlements)]
    changes = []
    for feature_key in dict.fromkeys([*spans, *managed]):
        before = known.get(feature_key) or Entitled(customer_id=customer_id, feature_key=feature_key)
        after = _in_step(before, spans.get(feature_key, []), now)
        if after.entitlements != before.entitlements:
            changes.append((before, after))
    return changes


def entitles(subscription: Subscription) -> bool:
    """Whether any item of it has a template."""
    return any(item.card.entitlement_template for phase in subscription.phases for item in phase.items)


def _spans(subscriptions: Sequence[Subscription]) -> Iterator[_Span]:
    for subscription in subscriptions:
        for phase in subscription.phases:
            for item in phase.items:
                template, feature = item.card.entitlement_template, item.feature
                on = subscription.schedule.on(phase, item)
                if template is not None and feature is not None and on.length:
                    yield _Span(subscription, phase, item, feature, template, on)


def _in_step(entitled: Entitled, spans: Sequence[_Span], now: datetime) -> Entitled:
    wanted: Mapping[str, _Span] = {each.item.id: each for each in spans}
    kept = []
    for one in entitled.entitlements:
        span = wanted.get(one.id)
        if span is not None:
            kept.append(_until(one, span.ends_at, now))
        elif not one.is_managed or (one.ends_at is not None and one.ends_at <= now):
            kept.append(one)
        elif one.active_from < now:
            kept.append(_until(one, now, now))
    known = {each.id for each in entitled.entitlements}
    after = entitled.with_these(kept)
    for span in sorted(spans, key=lambda each: each.on.start):
        if span.item.id not in known and span.on.end > now:
            after = after.with_one(_made(span, spans, _free_from(after, span, now), now), now)
    return after


def _free_from(entitled: Entitled, span: _Span, now: datetime) -> datetime:
    """One that comes later than its item leaves the time before to whatever allowed the feature then."""
    over = [each.ends_at for each in entitled.entitlements if each.ends_at is not None and each.ends_at <= now]
    return max([span.on.start, *over]) if span.on.start < now else span.on.start


def _until(entitlement: Entitlement, ends_at: datetime | None, now: datetime) -> Entitlement:
    if entitlement.active_to == ends_at:
        return entitlement
    return entitlement.model_copy(update={"active_to": ends_at, "updated_at": now})


def _made(span: _Span, spans: Sequence[_Span], active_from: datetime, now: datetime) -> Entitlement:
    template = span.template
    is_whole = active_from == span.on.start
    before = next((each for each in spans if span.goes_on_with(each)), None) if is_whole else None
    made = Entitlement(
        id=span.item.id,
        type=template.type,
        customer_id=span.subscription.customer_id,
        feature=span.feature,
        metadata=template.metadata,
        active_from=active_from,
        active_to=span.ends_at,
        created_at=now,
        updated_at=now,
        subscription_id=span.subscription.id,
    )
    if isinstance(template, StaticEntitlement):
        return made.model_copy(update={"config": template.config})
    if isinstance(template, MeteredEntitlement):
        return _metered(made, span, template, before.item.id if before else None, now)
    return made


def _metered(
    made: Entitlement, span: _Span, template: MeteredEntitlement, carries: str | None, now: datetime
) -> Entitlement:
    if span.feature.meter_slug is None:
        message = (
            f"The rate card {span.item.key!r} limits usage of feature {span.feature.key!r}, which has no meter; make "
            "its entitlement boolean or static, or sell a feature with a meter."
        )
        raise InvalidInput(message, code="feature_without_meter")
    measured = to_minute(made.active_from)
    issued = template.issue_after_reset
    grants: tuple[GrantRecord, ...] = ()
    if issued is not None:
        issue = IssueAfterReset(amount=issued, priority=template.issue_after_reset_priority)
        grants = (GrantRecord.issued(issue, made.id, measured, now),)
    return made.model_copy(
        update={
            "usage_period": _usage_period(span, template),
            "measure_usage_from": measured,
            "is_soft_limit": template.is_soft_limit,
            "preserve_overage_at_reset": template.preserve_overage_at_reset,
            "grants": grants,
            "carries": carries,
        }
    )


def _usage_period(span: _Span, template: MeteredEntitlement) -> Recurring:
    """Aligned with billing; of what is billed once, as long as the subscription's own period."""
    subscription = span.subscription
    interval = template.usage_period or span.item.card.billing_cadence or subscription.billing_cadence
    return Recurring(interval=interval, anchor=to_minute(subscription.billing_anchor), time_zone=subscription.time_zone)

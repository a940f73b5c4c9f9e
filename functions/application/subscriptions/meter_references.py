"""Who needs a meter: features measured by it, rate cards that are for sale, and subscriptions that are billed by it."""

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass

from functions.application.catalog.published_rate_cards import published_rate_cards
from functions.application.ports.catalog import Addons, Features, Plans, SaleCounts
from functions.application.ports.clock import Clock
from functions.application.ports.entitlements import HeldEntitlements
from functions.application.ports.subscriptions import SellingSubscriptions
from functions.application.subscriptions.held_by_subscriptions import Holders
from functions.domain.catalog.feature import Feature
from functions.domain.catalog.rate_card import Card
from functions.domain.entitlements.entitlement import Entitlement
from functions.domain.errors import Conflict, FieldError
from functions.domain.metering.meters.meter_record import MeterRecord
from functions.domain.subscriptions.held import dimensions_needed, items_measured
from functions.domain.subscriptions.item import SubscriptionItem

MAX_NAMED_FEATURES = 10  # in the sentence
MAX_LOOKED_THROUGH = 100_000

# Rate cards that can be had, each with the version that sells it.
Sold = Iterable[tuple[str, Card]]


@dataclass(frozen=True)
class MeterReferences:
    """As `change_meter` asks for them."""

    features: Features
    plans: Plans
    addons: Addons
    subscriptions: SellingSubscriptions
    entitlements: HeldEntitlements
    clock: Clock

    def sale_counts(self, tenant: str) -> SaleCounts:
        return self.plans.sale_counts(tenant)

    def require_none(self, tenant: str, meter: MeterRecord) -> None:
        if used := _used_by(tenant, meter, self.features):
            message = f"{_named(used)} measured by meter {meter.slug!r}; archive each before deleting the meter."
            raise Conflict(message, code="meter_in_use")
        holders = Holders(self.subscriptions, self.clock)
        if holding := holders.of(tenant, meter.slug, items_measured, _by_meter(meter)):
            who = holders.told(holding, "edit it so that it no longer sells what the meter measures")
            raise Conflict(f"Meter {meter.slug!r} is needed to bill {who}.", code="meter_in_use")
        if entitlement := next(self._limiting(tenant, meter), None):
            message = f"Meter {meter.slug!r} measures what {_whose(entitlement)} allows; delete that first."
            raise Conflict(message, code="meter_in_use")

    def require_none_by(self, tenant: str, meter: MeterRecord, dimensions: Set[str]) -> None:
        sold = published_rate_cards(tenant, self.plans, self.addons, self.clock)
        _require_unused(meter, dimensions, _used_by(tenant, meter, self.features), sold)
        _require_unsubscribed(tenant, meter, dimensions, Holders(self.subscriptions, self.clock))
        for each in self._limiting(tenant, meter):
            if dropped := sorted(dimensions & set(each.feature.filters)):
                message = f"groupBy {', '.join(dropped)} of {meter.slug!r} tells what counts for {_whose(each)}."
                problems = [FieldError(f"groupBy.{name}", "in_use", message) for name in dropped]
                raise Conflict(message, code="meter_group_by_in_use", fields=problems)

    def _limiting(self, tenant: str, meter: MeterRecord) -> Iterator[Entitlement]:
        """Those that limit what the meter measures, now or later: also to a feature that is archived."""
        now = self.clock.now()
        for each in self.entitlements.mentioning(tenant, meter.slug, most=MAX_LOOKED_THROUGH):
            is_over = each.ends_at is not None and each.ends_at <= now
            if each.is_metered and each.feature.meter_slug == meter.slug and not is_over:
                yield each


def _whose(entitlement: Entitlement) -> str:
    return f"entitlement {entitlement.id} of customer {entitlement.customer_id}"


def _used_by(tenant: str, meter: MeterRecord, features: Features) -> list[Feature]:
    return [each for each in features.all(tenant) if not each.is_archived and each.meter_id == meter.id]


def _require_unused(meter: MeterRecord, dropped: Set[str], features: list[Feature], sold: Sold) -> None:
    keys = {each.key for each in features}
    priced = [(label, card.price.needs.dimensions) for label, card in sold if card.feature_key in keys and card.price]
    problems = []
    for name in sorted(dropped):
        if using := [each for each in features if name in each.filters]:
            message = f"{_named(using)} filtering by {name}; archive it before dropping this groupBy of {meter.slug!r}."
            problems.append(FieldError(f"groupBy.{name}", "in_use", message))
        if using := [each for each in features if name in each.dimensions]:
            message = f"{_named(using)} given a cost by {name}; archive it before dropping it from {meter.slug!r}."
            problems.append(FieldError(f"groupBy.{name}", "in_use", message))
        if selling := next((label for label, needed in priced if name in needed), None):
            message = f"{selling} has a price by {name}; archive it before dropping this groupBy of {meter.slug!r}."
            problems.append(FieldError(f"groupBy.{name}", "in_use", message))
    if problems:
        raise Conflict(" ".join(each.message for each in problems), code="meter_group_by_in_use", fields=problems)


def _require_unsubscribed(tenant: str, meter: MeterRecord, dropped: Set[str], holders: Holders) -> None:
    """Subscriptions keep the price and the filters they were made with, also when plan and feature changed since."""
    is_by_meter = _by_meter(meter)

    def needs(item: SubscriptionItem) -> bool:
        return is_by_meter(item) and not dropped.isdisjoint(dimensions_needed(item))

    if not (holding := holders.of(tenant, meter.slug, items_measured, needs)):
        return
    now = holders.clock.now()
    items = [item for each in holding for item in items_measured(each, now) if is_by_meter(item)]
    needed = dropped & {name for item in items for name in dimensions_needed(item)}
    who = holders.told(holding, "edit it so that it no longer sells by what is dropped")
    message = f"groupBy {', '.join(sorted(needed))} of {meter.slug!r} is needed to bill {who}."
    problems = [FieldError(f"groupBy.{name}", "in_use", message) for name in sorted(needed)]
    raise Conflict(message, code="meter_group_by_in_use", fields=problems)


def _by_meter(meter: MeterRecord) -> Callable[[SubscriptionItem], bool]:
    return lambda item: item.feature is not None and item.feature.meter_slug == meter.slug


def _named(features: list[Feature]) -> str:
    keys = [repr(each.key) for each in features[:MAX_NAMED_FEATURES]]
    more = f" and {len(features) - len(keys)} more" if len(features) > len(keys) else ""
    return f"Feature {', '.join(keys)}{more} is" if len(features) == 1 else f"Features {', '.join(keys)}{more} are"

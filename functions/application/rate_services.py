"""Measure and rate a subscription's services: the one way to a line, whether it is issued, previewed or tried out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from functions.application.ports.billing import UsageMeter
from functions.domain.catalog.pricing import Group, Needs
from functions.domain.errors import NotFound
from functions.domain.invoicing.coupons import as_paid
from functions.domain.invoicing.line import InvoiceLine, UsageSnapshot, line_from
from functions.domain.invoicing.rating import rate
from functions.domain.invoicing.rating_steps import summed
from functions.domain.money import EXACT, Money
from functions.domain.period import Period
from functions.domain.subscriptions.item import Split
from functions.domain.subscriptions.subscription import MeteredFeature, Service, Subscription

NOTHING_MORE = Needs()
NOTHING = Decimal(0)


@dataclass(frozen=True)
class _Measured:
    usage: UsageSnapshot
    groups: Mapping[Group, Decimal]


@dataclass(frozen=True)
class Rater:
    """Rates what one customer used; `subjects` are whose usage that is."""

    tenant: str
    subjects: tuple[str, ...]
    usage: UsageMeter

    def lines(self, subscription: Subscription, services: Iterable[Service], now: datetime) -> list[InvoiceLine]:
        """One line for each service that is worth one.

        Raises NotFound for a meter that is gone, Unbillable for usage that its price cannot be applied to.
        """
        return [line for _, line in self._rated(subscription, services, now)]

    def lines_so_far(
        self, subscription: Subscription, at: datetime, now: datetime
    ) -> list[tuple[InvoiceLine, Service, Split | None]]:
        """What can be billed at `at` of periods that have not ended, each line with what its item has to remember.

        An item of which nothing was used is left as it is. Raises as `lines` does.
        """
        services = [each for each in subscription.services_so_far(at) if self._can_be_split(each)]
        rated = self._rated(subscription, services, now)
        worth = {
            service.item.id for service, line in rated if line.total_minor or (line.working and line.working.metered)
        }
        return [(line, service, _split(service, line)) for service, line in rated if service.item.id in worth]

    def _can_be_split(self, service: Service) -> bool:
        meter = _meter_of(service).meter_slug
        assert meter is not None
        return self.usage.only_grows(self.tenant, meter)

    def _rated(
        self, subscription: Subscription, services: Iterable[Service], now: datetime
    ) -> list[tuple[Service, InvoiceLine]]:
        lines = []
        for service in services:
            measured = self._measured(service, now) if service.item.card.is_metered else None
            rated = rate(
                service,
                measured.usage.quantity if measured else None,
                subscription.currency,
                prorate=subscription.pro_rating_config.enabled,
                groups=measured.groups if measured else None,
                before=self._before(service) if measured else None,
                previously_billed=_previously_billed(service, subscription.currency),
            )
            if rated.is_worth_a_line:
                line = line_from(rated, subscription.id, measured.usage if measured else None)
                line = as_paid(line, service.item, subscription.currency) if service.is_credit else line
                lines.append((service, line))
        return lines

    def _before(self, service: Service) -> Decimal | None:
        """What was used of the period before, on earlier lines or under an item that this one follows; None if neither.

        What was used under another item stays as the period's first line had it.
        """
        price, feature = service.item.card.price, _meter_of(service)
        if (split := service.split) is not None:
            return EXACT.add(split.metered, split.carried or NOTHING)
        if not service.is_carried or price is None or price.needs or not price.is_splittable:
            return None
        if not self.subjects:
            return NOTHING
        assert feature.meter_slug is not None
        earlier = Period(service.counted_from, service.period.start)
        used, _ = self.usage.usage(self.tenant, feature.meter_slug, self.subjects, feature.filters, earlier)
        return max(used, NOTHING)

    def _measured(self, service: Service, now: datetime) -> _Measured:
        feature, subjects = _meter_of(service), self.subjects
        needs = service.item.card.price.needs if service.item.card.price else NOTHING_MORE
        assert feature.meter_slug is not None
        billed_before = service.split.metered if service.split else NOTHING
        quantity, lanes, groups = NOTHING, dict[int, int](), dict[Group, Decimal]()
        if subjects:
            # No subjects means nobody's usage; a meter asked without subjects would answer with everybody's.
            asked = (self.tenant, feature.meter_slug, subjects, feature.filters, service.measured)
            quantity, lanes = self.usage.usage(*asked)
            # Corrections may outweigh the usage of a short period; nobody is paid for using less than nothing.
            quantity = max(EXACT.subtract(quantity, billed_before), NOTHING)
            if needs:
                groups = {group: max(part, NOTHING) for group, part in self.usage.parts(*asked, needs).items()}
                quantity = summed(groups)
        usage = UsageSnapshot(
            meter=feature.meter_slug,
            subjects=subjects,
            filters=feature.filters,
            quantity=quantity,
            lanes={str(lane): commit for lane, commit in lanes.items()},
            taken_at=now,
            group_by=needs.dimensions,
            window="HOUR" if needs.time_zone else None,
            time_zone=needs.time_zone,
            counted_from=service.split.starts_at if service.split else None,
            billed_before=billed_before,
        )
        return _Measured(usage, groups)


def _previously_billed(service: Service, currency: str) -> Money | None:
    return Money(service.split.billed_minor, currency) if service.split else None


def _split(service: Service, line: InvoiceLine) -> Split | None:
    assert line.working is not None
    carried = line.working.metered_before if service.is_carried else None
    return service.after(line.working.metered, line.total_minor, carried)


def _meter_of(service: Service) -> MeteredFeature:
    feature = service.item.feature
    if feature is None or feature.meter_slug is None:
        raise NotFound(f"Item {service.item.key!r} has no meter to be billed by.", code="meter_not_found")
    return feature

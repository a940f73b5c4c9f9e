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
from functions.domain.period import Period
from functions.domain.subscriptions.subscription import MeteredFeature, Service, Subscription

NOTHING_MORE = Needs()


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
            )
            if rated.is_worth_a_line:
                line = line_from(rated, subscription.id, measured.usage if measured else None)
                lines.append(as_paid(line, service.item, subscription.currency) if service.is_credit else line)
        return lines

    def _before(self, service: Service) -> Decimal | None:
        """What was used of the period under the item that this one follows; None when it follows none."""
        price, feature = service.item.card.price, _meter_of(service)
        is_carried = service.counted_from < service.period.start
        if not is_carried or price is None or price.needs or not price.is_splittable:
            return None
        if not self.subjects:
            return Decimal(0)
        assert feature.meter_slug is not None
        earlier = Period(service.counted_from, service.period.start)
        used, _ = self.usage.usage(self.tenant, feature.meter_slug, self.subjects, feature.filters, earlier)
        return max(used, Decimal(0))

    def _measured(self, service: Service, now: datetime) -> _Measured:
        feature, subjects = _meter_of(service), self.subjects
        needs = service.item.card.price.needs if service.item.card.price else NOTHING_MORE
        assert feature.meter_slug is not None
        quantity, lanes, groups = Decimal(0), dict[int, int](), dict[Group, Decimal]()
        if subjects:
            # No subjects means nobody's usage; a meter asked without subjects would answer with everybody's.
            asked = (self.tenant, feature.meter_slug, subjects, feature.filters, service.period)
            quantity, lanes = self.usage.usage(*asked)
            # Corrections may outweigh the usage of a short period; nobody is paid for using less than nothing.
            quantity = max(quantity, Decimal(0))
            if needs:
                groups = {group: max(part, Decimal(0)) for group, part in self.usage.parts(*asked, needs).items()}
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
        )
        return _Measured(usage, groups)


def _meter_of(service: Service) -> MeteredFeature:
    feature = service.item.feature
    if feature is None or feature.meter_slug is None:
        raise NotFound(f"Item {service.item.key!r} has no meter to be billed by.", code="meter_not_found")
    return feature

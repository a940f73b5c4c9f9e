"""Measure and rate a subscription's services: the one way to a line, whether it is issued, previewed or tried out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from functions.application.ports.usage import UsageMeter
from functions.domain.billing.coupons import as_paid
from functions.domain.billing.line import InvoiceLine, UsageSnapshot, line_from
from functions.domain.billing.rating import RatedService, rate
from functions.domain.billing.rating_steps import summed
from functions.domain.catalog.feature import GroupFilter
from functions.domain.catalog.pricing import Group, Needs
from functions.domain.catalog.pricing.price import NO_LEVELS
from functions.domain.errors import NotFound
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.metering.values.holding import Holding, held_within
from functions.domain.money import EXACT, Money
from functions.domain.period import Period
from functions.domain.subscriptions.item import BilledPart, Split
from functions.domain.subscriptions.lineage import Lineages, Piece
from functions.domain.subscriptions.subscription import MeteredFeature, Service, Subscription

NOTHING_MORE = Needs()
NOTHING = Decimal(0)


@dataclass(frozen=True)
class _Before:
    """What was used of a period before a line's own usage, on earlier lines or under items that this one follows."""

    quantity: Decimal | None = None
    groups: Mapping[Group, Decimal] = field(default_factory=dict)
    levels: LevelTimes = NO_LEVELS


@dataclass(frozen=True)
class _Measured:
    usage: UsageSnapshot
    groups: Mapping[Group, Decimal]
    levels: LevelTimes | None


@dataclass(frozen=True)
class RatedServices:
    """Services that are worth a line, each with its line; what an item's part of a period came to, and left over."""

    lines: Sequence[tuple[Service, InvoiceLine]]
    parts: Mapping[str, BilledPart]
    left_over: Mapping[str, Decimal]


@dataclass(frozen=True)
class Rater:
    """Rates what one customer used; `held` says whose usage that is, `lineages` are those of the subscriptions.

    Whoever rates the items of a lineage by one rater has each know what those before it came to.
    """

    tenant: str
    held: tuple[Holding, ...]
    usage: UsageMeter
    lineages: Lineages
    _parts: dict[str, BilledPart] = field(default_factory=dict)
    _left_over: dict[str, Decimal] = field(default_factory=dict)

    def lines(self, subscription: Subscription, services: Iterable[Service], now: datetime) -> list[InvoiceLine]:
        """One line for each service that is worth one.

        Raises NotFound for a meter that is gone, Unbillable for usage that its price cannot be applied to.
        """
        return [line for _, line in self.rated(subscription, services, now).lines]

    def billed_so_far(
        self, subscription: Subscription, at: datetime, now: datetime
    ) -> tuple[list[InvoiceLine], Subscription]:
        """What can be billed at `at` of periods that have not ended, and the subscription once that is on an invoice.

        An item of which nothing was used is left as it is. Raises as `lines` does.
        """
        services = [each for each in subscription.services_so_far(at) if self._can_be_split(each)]
        rated = self.rated(subscription, services, now)
        worth = {
            service.item.id
            for service, line in rated.lines
            if line.total_minor or (line.working and line.working.metered)
        }
        billed = [(service, line) for service, line in rated.lines if service.item.id in worth]
        after = subscription.progressed([(service, _split(service, line)) for service, line in billed], at, now)
        parts = {item_id: part for item_id, part in rated.parts.items() if item_id in worth}
        return [line for _, line in billed], after.with_billed_parts(parts)

    def _can_be_split(self, service: Service) -> bool:
        return self.usage.only_grows(self.tenant, _slug_of(service))

    def rated(self, subscription: Subscription, services: Iterable[Service], now: datetime) -> RatedServices:
        """As `lines`, with what the items have to remember."""
        lines, parts, left_over = [], {}, {}
        for service in services:
            rate_one = self._usage_line if service.item.card.is_metered else self._fee_line
            line, part = rate_one(subscription, service, now)
            if line is not None:
                lines.append((service, line))
            if part is not None:
                parts[service.item.id] = self._parts[service.item.id] = part
            if service.item.id in self._left_over:
                left_over[service.item.id] = self._left_over[service.item.id]
        return RatedServices(lines, parts, left_over)

    def credit_line(self, subscription: Subscription, service: Service) -> InvoiceLine | None:
        return self._fee_line(subscription, service, service.invoice_at)[0]

    def _fee_line(
        self, subscription: Subscription, service: Service, _now: datetime
    ) -> tuple[InvoiceLine | None, BilledPart | None]:
        is_prorated, carried = subscription.pro_rating_config.enabled, self._carried(service)
        rated = rate(service, None, subscription.currency, prorate=is_prorated, carried=carried)
        self._remember(rated)
        if not rated.is_worth_a_line:
            return None, None
        line = line_from(rated, subscription.id, None, subscription.time_zone)
        return (as_paid(line, service.item, subscription.currency) if service.is_credit else line), None

    def _usage_line(
        self, subscription: Subscription, service: Service, now: datetime
    ) -> tuple[InvoiceLine | None, BilledPart | None]:
        """No line for a piece of a period that leaves its usage to the next one."""
        piece, currency = self._piece(subscription, service), subscription.currency
        billed, line = self._previously_billed(service, piece, currency), None
        came_to = billed.minor if billed else 0
        if piece.run is not None:
            before, measured = self._before(service, piece), self._measured(service, piece, piece.run, now)
            rated = rate(
                service,
                measured.usage.quantity,
                currency,
                prorate=subscription.pro_rating_config.enabled,
                groups=measured.groups,
                before=before.quantity,
                groups_before=before.groups,
                levels=measured.levels,
                levels_before=before.levels,
                previously_billed=billed,
                piece=piece,
                carried=self._carried(service),
            )
            self._remember(rated)
            line = line_from(rated, subscription.id, measured.usage, subscription.time_zone)
            came_to += line.total_minor
        if piece.closes_deal or not service.is_last:
            return line, None
        return line, BilledPart(starts_at=service.full.start, amount_minor=came_to)

    def _carried(self, service: Service) -> Decimal:
        """What earlier periods of the item left over."""
        return self._left_over.get(service.item.id, service.item.left_over) if _carries(service) else NOTHING

    def _remember(self, rated: RatedService) -> None:
        if _carries(rated.service) and rated.line.left_over != self._carried(rated.service):
            self._left_over[rated.service.item.id] = rated.line.left_over

    def _piece(self, subscription: Subscription, service: Service) -> Piece:
        if service.period == service.full:
            return Piece.whole(service)
        slug = _slug_of(service)
        # Nobody's usage is nothing, whatever measures it.
        adds_up = not self.held or self.usage.adds_up(self.tenant, slug)
        grows = adds_up or self.usage.only_grows(self.tenant, slug)
        return self.lineages.piece(subscription, service, adds_up=adds_up, grows=grows)

    def _previously_billed(self, service: Service, piece: Piece, currency: str) -> Money | None:
        """What earlier lines of the same deal came to in the period."""
        if service.split is not None:
            return Money(service.split.billed_minor, currency)
        if piece.before is None:
            return None
        part = self._parts.get(piece.before.id, piece.before.billed_part)
        return Money(part.amount_minor, currency) if part and part.starts_at == service.full.start else None

    def _before(self, service: Service, piece: Piece) -> _Before:
        """What was used under another item stays as the period's first line had it."""
        price = service.item.card.price
        if (split := service.split) is not None:
            return _Before(EXACT.add(split.metered, split.carried or NOTHING))
        if price is None or not service.is_carried or not price.is_splittable or piece.run != service.period:
            return _Before()
        if not self.held:
            return _Before(NOTHING)
        asked = self._asked(service, Period(piece.used_since, service.period.start))
        if not price.needs:
            return _Before(max(self.usage.usage(*asked)[0], NOTHING))
        if price.needs.levels:
            levels = self.usage.levels(*asked)
            return _Before(levels.value_hours, levels=levels)
        groups = _not_negative(self.usage.parts(*asked, price.needs))
        return _Before(summed(groups), groups)

    def _measured(self, service: Service, piece: Piece, run: Period, now: datetime) -> _Measured:
        feature = _meter_of(service)
        needs = service.item.card.price.needs if service.item.card.price else NOTHING_MORE
        start = service.split.starts_at if service.split else run.start
        billed_before = service.split.metered if service.split else NOTHING
        quantity, lanes, groups = NOTHING, dict[int, int](), dict[Group, Decimal]()
        levels = NO_LEVELS if needs.levels else None
        if self.held:
            # Nothing held means nobody's usage; a meter asked without subjects would answer with everybody's.
            if piece.used_since < start and self._only_grows(service):
                # Only what it grew by is this line's: whatever was there before is on the lines of others.
                earlier, _ = self.usage.usage(*self._asked(service, Period(piece.used_since, start)))
                start, billed_before = piece.used_since, EXACT.add(billed_before, earlier)
            asked = self._asked(service, Period(start, run.end))
            quantity, lanes = self.usage.usage(*asked)
            # Corrections may outweigh the usage of a short period; nobody is paid for using less than nothing.
            quantity = max(EXACT.subtract(quantity, billed_before), NOTHING)
            if needs.levels:
                levels = self.usage.levels(*asked)
                quantity = levels.value_hours
            elif needs:
                groups = _not_negative(self.usage.parts(*asked, needs))
                quantity = summed(groups)
        held = held_within(self.held, min(start, run.start), run.end) if start < run.end else ()
        usage = UsageSnapshot(
            meter=_slug_of(service),
            subjects=tuple(dict.fromkeys(each.subject for each in held)),
            held=held if any(each.is_cut for each in held) else (),
            filters=feature.filters,
            quantity=quantity,
            lanes={str(lane): commit for lane, commit in lanes.items()},
            taken_at=now,
            group_by=needs.dimensions,
            window="HOUR" if needs.time_zone else None,
            time_zone=needs.time_zone,
            counted_from=start if start < service.period.start or service.split else None,
            billed_before=billed_before,
            by_level=needs.levels,
        )
        return _Measured(usage, groups, levels)

    def _only_grows(self, service: Service) -> bool:
        """Is what a piece of a period adds to its usage more than nothing, and not what is measured in it?"""
        slug = _slug_of(service)
        return self.usage.only_grows(self.tenant, slug) and not self.usage.adds_up(self.tenant, slug)

    def _asked(
        self, service: Service, period: Period
    ) -> tuple[str, str, tuple[Holding, ...], Mapping[str, GroupFilter], Period]:
        return self.tenant, _slug_of(service), self.held, _meter_of(service).filters, period


def _carries(service: Service) -> bool:
    """One that is a period, and no piece of one, that others follow."""
    return service.period == service.full and service.item.card.billing_cadence is not None and not service.is_credit


def _not_negative(parts: Mapping[Group, Decimal]) -> dict[Group, Decimal]:
    return {group: max(part, NOTHING) for group, part in parts.items()}


def _split(service: Service, line: InvoiceLine) -> Split | None:
    assert line.working is not None
    carried = line.working.metered_before if service.is_carried else None
    billed = line.total_minor
    if service.split is None:
        billed += line.working.previously_billed_minor
    return service.after(line.working.metered, billed, carried)


def _slug_of(service: Service) -> str:
    slug = _meter_of(service).meter_slug
    assert slug is not None
    return slug


def _meter_of(service: Service) -> MeteredFeature:
    feature = service.item.feature
    if feature is None or feature.meter_slug is None:
        raise NotFound(f"Item {service.item.key!r} has no meter to be billed by.", code="meter_not_found")
    return feature

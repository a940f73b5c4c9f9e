"""Measure and rate a subscription's billable periods: the one way to a line, issued, previewed or tried out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from functions.application.ports.usage import UsageMeter
from functions.domain.billing.coupons import as_paid
from functions.domain.billing.line import InvoiceLine, UsageSnapshot, line_from
from functions.domain.billing.rating import RatedPeriod, rate
from functions.domain.billing.rating_steps import summed
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.catalog.pricing import Group, Needs
from functions.domain.catalog.pricing.price import NO_LEVELS
from functions.domain.errors import NotFound
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.metering.values.holding import Holding, held_within
from functions.domain.money import EXACT, Money
from functions.domain.period import Period
from functions.domain.subscriptions.item import BilledPart, ProgressivePart
from functions.domain.subscriptions.lineage import Lineages, Piece
from functions.domain.subscriptions.subscription import BillablePeriod, MeteredFeature, Subscription

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
class RatedPeriods:
    """Services that are worth a line, each with its line; what an item's part of a period came to, and left over."""

    lines: Sequence[tuple[BillablePeriod, InvoiceLine]]
    parts: Mapping[str, BilledPart]
    left_over: Mapping[str, Decimal]


@dataclass(frozen=True)
class Rater:
    """Rates what one customer used; `held` says whose usage that is, `lineages` are those of the subscriptions.

    When one rater rates all items of a lineage, each item knows what those before it came to.
    """

    tenant: str
    held: tuple[Holding, ...]
    usage: UsageMeter
    lineages: Lineages
    _parts: dict[str, BilledPart] = field(default_factory=dict)
    _left_over: dict[str, Decimal] = field(default_factory=dict)

    def lines(
        self, subscription: Subscription, billables: Iterable[BillablePeriod], now: datetime
    ) -> list[InvoiceLine]:
        """One line for each billable period that is worth one.

        Raises NotFound for a meter that is gone, Unbillable for usage that its price cannot be applied to.
        """
        return [line for _, line in self.rated(subscription, billables, now).lines]

    def billed_so_far(
        self, subscription: Subscription, at: datetime, now: datetime
    ) -> tuple[list[InvoiceLine], Subscription]:
        """What can be billed at `at` of periods that have not ended, and the subscription once that is on an invoice.

        An item of which nothing was used is left as it is. Raises as `lines` does.
        """
        billables = [each for each in subscription.progressive_parts(at) if self._can_be_split(each)]
        rated = self.rated(subscription, billables, now)
        worth = {
            billable.item.id
            for billable, line in rated.lines
            if line.total_minor or (line.working and line.working.metered)
        }
        billed = [(billable, line) for billable, line in rated.lines if billable.item.id in worth]
        after = subscription.progressed([(billable, _split(billable, line)) for billable, line in billed], at, now)
        parts = {item_id: part for item_id, part in rated.parts.items() if item_id in worth}
        return [line for _, line in billed], after.with_billed_parts(parts)

    def _can_be_split(self, billable: BillablePeriod) -> bool:
        return self.usage.only_grows(self.tenant, _slug_of(billable))

    def rated(self, subscription: Subscription, billables: Iterable[BillablePeriod], now: datetime) -> RatedPeriods:
        """As `lines`, with what the items have to remember."""
        lines, parts, left_over = [], {}, {}
        for billable in billables:
            rate_one = self._usage_line if billable.item.card.is_metered else self._fee_line
            line, part = rate_one(subscription, billable, now)
            if line is not None:
                lines.append((billable, line))
            if part is not None:
                parts[billable.item.id] = self._parts[billable.item.id] = part
            if billable.item.id in self._left_over:
                left_over[billable.item.id] = self._left_over[billable.item.id]
        return RatedPeriods(lines, parts, left_over)

    def credit_line(self, subscription: Subscription, billable: BillablePeriod) -> InvoiceLine | None:
        return self._fee_line(subscription, billable, billable.invoice_at)[0]

    def _fee_line(
        self, subscription: Subscription, billable: BillablePeriod, _now: datetime
    ) -> tuple[InvoiceLine | None, BilledPart | None]:
        is_prorated, carried = subscription.pro_rating_config.enabled, self._carried(billable)
        rated = rate(billable, None, subscription.currency, prorate=is_prorated, carried=carried)
        self._remember(rated)
        if not rated.is_worth_a_line:
            return None, None
        line = line_from(rated, subscription.id, None, subscription.time_zone)
        return (as_paid(line, billable.item, subscription.currency) if billable.is_credit else line), None

    def _usage_line(
        self, subscription: Subscription, billable: BillablePeriod, now: datetime
    ) -> tuple[InvoiceLine | None, BilledPart | None]:
        """No line for a piece of a period that leaves its usage to the next one."""
        piece, currency = self._piece(subscription, billable), subscription.currency
        billed, line = self._previously_billed(billable, piece, currency), None
        came_to = billed.minor if billed else 0
        if piece.run is not None:
            before, measured = self._before(billable, piece), self._measured(billable, piece, piece.run, now)
            rated = rate(
                billable,
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
                carried=self._carried(billable),
            )
            self._remember(rated)
            line = line_from(rated, subscription.id, measured.usage, subscription.time_zone)
            came_to += line.total_minor
        if piece.closes_deal or not billable.is_last:
            return line, None
        return line, BilledPart(starts_at=billable.full.start, amount_minor=came_to)

    def _carried(self, billable: BillablePeriod) -> Decimal:
        """What earlier periods of the item left over."""
        return self._left_over.get(billable.item.id, billable.item.left_over) if _carries(billable) else NOTHING

    def _remember(self, rated: RatedPeriod) -> None:
        if _carries(rated.billable) and rated.line.left_over != self._carried(rated.billable):
            self._left_over[rated.billable.item.id] = rated.line.left_over

    def _piece(self, subscription: Subscription, billable: BillablePeriod) -> Piece:
        if billable.period == billable.full:
            return Piece.whole(billable)
        slug = _slug_of(billable)
        # Nobody's usage is nothing, by any meter.
        adds_up = not self.held or self.usage.adds_up(self.tenant, slug)
        grows = adds_up or self.usage.only_grows(self.tenant, slug)
        return self.lineages.piece(subscription, billable, adds_up=adds_up, grows=grows)

    def _previously_billed(self, billable: BillablePeriod, piece: Piece, currency: str) -> Money | None:
        """What earlier lines of the same deal came to in the period."""
        if billable.split is not None:
            return Money(billable.split.billed_minor, currency)
        if piece.before is None:
            return None
        part = self._parts.get(piece.before.id, piece.before.billed_part)
        return Money(part.amount_minor, currency) if part and part.starts_at == billable.full.start else None

    def _before(self, billable: BillablePeriod, piece: Piece) -> _Before:
        """What was used under another item stays as the period's first line had it."""
        price = billable.item.card.price
        if (split := billable.split) is not None:
            return _Before(EXACT.add(split.metered, split.carried or NOTHING))
        if price is None or not billable.is_carried or not price.is_splittable or piece.run != billable.period:
            return _Before()
        if not self.held:
            return _Before(NOTHING)
        question = self._question(billable, Period(piece.used_since, billable.period.start))
        if not price.needs:
            return _Before(max(self.usage.usage(question)[0], NOTHING))
        if price.needs.levels:
            levels = self.usage.levels(question)
            return _Before(levels.value_hours, levels=levels)
        groups = _not_negative(self.usage.parts(question, price.needs))
        return _Before(summed(groups), groups)

    def _measured(self, billable: BillablePeriod, piece: Piece, run: Period, now: datetime) -> _Measured:
        feature = _meter_of(billable)
        needs = billable.item.card.price.needs if billable.item.card.price else NOTHING_MORE
        start = billable.split.starts_at if billable.split else run.start
        billed_before = billable.split.metered if billable.split else NOTHING
        quantity, lanes, groups = NOTHING, dict[int, int](), dict[Group, Decimal]()
        levels = NO_LEVELS if needs.levels else None
        if self.held:
            # Nothing held means nobody's usage; a meter asked without subjects would answer with everybody's.
            if piece.used_since < start and self._only_grows(billable):
                # Only what it grew by is this line's: the usage before that is on the lines of others.
                earlier, _ = self.usage.usage(self._question(billable, Period(piece.used_since, start)))
                start, billed_before = piece.used_since, EXACT.add(billed_before, earlier)
            question = self._question(billable, Period(start, run.end))
            quantity, lanes = self.usage.usage(question)
            # Corrections may outweigh the usage of a short period; nobody is paid for using less than nothing.
            quantity = max(EXACT.subtract(quantity, billed_before), NOTHING)
            if needs.levels:
                levels = self.usage.levels(question)
                quantity = levels.value_hours
            elif needs:
                groups = _not_negative(self.usage.parts(question, needs))
                quantity = summed(groups)
        held = held_within(self.held, min(start, run.start), run.end) if start < run.end else ()
        usage = UsageSnapshot(
            meter=_slug_of(billable),
            subjects=tuple(dict.fromkeys(each.subject for each in held)),
            held=held if any(each.is_cut for each in held) else (),
            filters=feature.filters,
            quantity=quantity,
            lanes={str(lane): commit for lane, commit in lanes.items()},
            taken_at=now,
            group_by=needs.dimensions,
            window="HOUR" if needs.time_zone else None,
            time_zone=needs.time_zone,
            counted_from=start if start < billable.period.start or billable.split else None,
            billed_before=billed_before,
            by_level=needs.levels,
        )
        return _Measured(usage, groups, levels)

    def _only_grows(self, billable: BillablePeriod) -> bool:
        """Is what a piece of a period adds to its usage more than nothing, and not what is measured in it?"""
        slug = _slug_of(billable)
        return self.usage.only_grows(self.tenant, slug) and not self.usage.adds_up(self.tenant, slug)

    def _question(self, billable: BillablePeriod, period: Period) -> UsageQuestion:
        return UsageQuestion(self.tenant, _slug_of(billable), self.held, _meter_of(billable).filters, period)


def _carries(billable: BillablePeriod) -> bool:
    """One that is a period, and no piece of one, that others follow."""
    return (
        billable.period == billable.full and billable.item.card.billing_cadence is not None and not billable.is_credit
    )


def _not_negative(parts: Mapping[Group, Decimal]) -> dict[Group, Decimal]:
    return {group: max(part, NOTHING) for group, part in parts.items()}


def _split(billable: BillablePeriod, line: InvoiceLine) -> ProgressivePart | None:
    assert line.working is not None
    carried = line.working.metered_before if billable.is_carried else None
    billed = line.total_minor
    if billable.split is None:
        billed += line.working.previously_billed_minor
    return billable.after(line.working.metered, billed, carried)


def _slug_of(billable: BillablePeriod) -> str:
    slug = _meter_of(billable).meter_slug
    assert slug is not None
    return slug


def _meter_of(billable: BillablePeriod) -> MeteredFeature:
    feature = billable.item.feature
    if feature is None or feature.meter_slug is None:
        raise NotFound(f"Item {billable.item.key!r} has no meter to be billed by.", code="meter_not_found")
    return feature

"""What a subscription consists of: phases laid out in time, and in each of them items with a timeline per key."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from functions.domain.catalog.feature import MeteredFeature as MeteredFeature
from functions.domain.catalog.pricing import FlatPrice
from functions.domain.catalog.rate_card import Card, RateCard
from functions.domain.period import later
from functions.domain.wire import Exact, Instant, Key, Numeric, WireModel

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


class Deduction(WireModel):
    """What one coupon took off a fee."""

    coupon_id: str
    coupon_key: str
    amount_minor: int
    percentage: Numeric | None = None


class DiscountedFee(WireModel):
    """A fee that was paid in advance with coupons; a credit for its time is less by what they deducted."""

    starts_at: Instant
    ends_at: Instant
    taken_off: tuple[Deduction, ...]  # the field is stored under this name


class AdvanceFee(WireModel):
    """A fee of time to come as an invoice line charges it, after coupons: the most that can be credited back of it."""

    invoice_id: str
    line_id: str
    starts_at: Instant
    ends_at: Instant
    amount_minor: int
    given_back_minor: int = 0  # the field is stored under this name


class ProgressivePart(WireModel):
    """What lines have billed of a period that is billed progressively; its next line bills the rest.

    `metered` is the usage they billed of what was measured since `starts_at`, `billed_minor` what they came to before
    coupons. `carried` is what was used of the period under an item before this one, None when there is none.
    """

    starts_at: Instant
    metered: Exact
    billed_minor: int
    carried: Exact | None = None


class BilledPart(WireModel):
    """What the lines of a deal came to in the period that starts at `starts_at`, before coupons, when an item ended."""

    starts_at: Instant
    amount_minor: int


class SubscriptionItem(WireModel):
    """One rate card for one stretch of its phase; `version` counts the items of a key within the phase.

    Without times of its own it starts and ends with its phase. `billed_to` is the instant up to which it is on
    invoices. `counts_from` is since when an item before it sold the same usage, so that tiers go on where they were.
    `discounted` are the fees of time to come that coupons made smaller, `advances` all fees that are on invoices for
    time to come, or that a claim waits for. `split` is what is billed already of the period into which `billed_to`
    falls. `times_credited` is on how many invoices what was paid for it was credited. `billed_part` is for the item
    after it, which settles the minimum and maximum of their period. `left_over` is what its whole periods so far came
    to below the smallest amount that can be collected, in major units: the next one rounds with it.
    `base` is the card before add-ons were merged into it; `is_added` says that only add-ons brought the item.
    """

    id: str
    key: Key
    version: int = 0
    card: RateCard
    feature: MeteredFeature | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    counts_from: Instant | None = None
    billed_to: Instant | None = None
    split: ProgressivePart | None = None
    discounted: tuple[DiscountedFee, ...] = ()
    times_credited: int = 0
    advances: tuple[AdvanceFee, ...] = ()
    billed_part: BilledPart | None = None
    left_over: Exact = Decimal(0)
    base: RateCard | None = None
    is_added: bool = False
    created_at: Instant | None = None

    @property
    def base_card(self) -> Card | None:
        """What the plan and edits sell under this key, without add-ons."""
        return None if self.is_added else self.base or self.card

    @property
    def is_splittable(self) -> bool:
        """Whether its price lets a period be billed progressively; whether its meter does is for the meter to say.

        Not by parts of the usage: each part would have to be remembered.
        """
        price = self.card.price
        return price is not None and not price.is_flat and price.is_splittable and not price.needs

    def sells_the_same(self, other: "SubscriptionItem") -> bool:
        """Do both bill the same usage?"""
        if not (self.card.is_metered and other.card.is_metered) or self.feature is None or other.feature is None:
            return False
        return (self.feature.meter_slug, self.feature.filters) == (other.feature.meter_slug, other.feature.filters)

    @property
    def is_in_advance(self) -> bool:
        return isinstance(self.card.price, FlatPrice) and self.card.price.payment_term == "in_advance"


class Offset(WireModel):
    """Calendar months and then seconds after the subscription's start: two months after 31 January is 31 March."""

    months: int = 0
    seconds: int = 0

    def after(self, start: datetime, zone: str) -> datetime:
        return later(start, self.months, timedelta(seconds=self.seconds), zone)

    def __add__(self, other: "Offset") -> "Offset":
        return Offset(months=self.months + other.months, seconds=self.seconds + other.seconds)

    def __sub__(self, other: "Offset") -> "Offset":
        return Offset(months=self.months - other.months, seconds=self.seconds - other.seconds)


class SubscriptionPhase(WireModel):
    """Its times follow from the offsets of all phases; `items` are all there ever were, by key and start."""

    id: str
    key: Key
    name: str
    description: str | None = None
    metadata: dict[str, str] | None = None
    offset: Offset = Offset()
    starts_at: Instant
    ends_at: Instant | None
    # When it began, if it did so in a subscription that this one was migrated from.
    began_at: Instant | None = None
    items: tuple[SubscriptionItem, ...]

    def start_of(self, item: SubscriptionItem) -> datetime:
        return item.starts_at or self.starts_at

    def end_of(self, item: SubscriptionItem) -> datetime:
        return min(item.ends_at or FOREVER, self.ends_at or FOREVER)


class Follows(WireModel):
    """The subscription whose place another one took; a migration goes on with its deal, a change of plan makes anew."""

    id: str
    is_migration: bool = False


class PlanReference(WireModel):
    id: str
    key: Key
    version: int

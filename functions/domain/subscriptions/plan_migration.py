"""All subscriptions of a plan to one of its versions: how far that is, and what became of each."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Self

from functions.domain.catalog.pricing import FlatPrice
from functions.domain.money import EXACT, Money, minor_digits
from functions.domain.period import Cadence
from functions.domain.subscriptions.item import SubscriptionItem
from functions.domain.subscriptions.subscription import Subscription
from functions.domain.wire import CurrencyCode, Instant, WireModel

# Shown with the migration itself; all of them are in its list.
MAX_FAILURES = 20
MAX_MESSAGE_CHARACTERS = 500
# Every page of work says that the run is alive; a step ends within five minutes and is tried again within two.
STALLED_AFTER = timedelta(minutes=15)
# How often one subscription is tried when others are in the way, or something failed on our side.
MAX_TRIES = 4
STALLED = "The run did not go on; send the same request again, and it goes on where it was."


class MigrationStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ResultStatus(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class Fees(WireModel):
    """Recurring flat fees in one billing period of the version that is migrated to, in minor units."""

    before_minor: int
    after_minor: int


class FollowingInvoice(WireModel):
    """What would be invoiced at once, usage so far included, in minor units."""

    charges_minor: int
    credits_minor: int


class MigratedSubscription(WireModel):
    """What became of one subscription; `fees` is None where the periods of the two versions cannot be compared."""

    subscription_id: str
    customer_id: str
    from_version: int
    currency: CurrencyCode
    status: ResultStatus = ResultStatus.PENDING
    following_id: str | None = None
    fees: Fees | None = None
    invoice: FollowingInvoice | None = None
    code: str | None = None
    message: str | None = None

    def refused(self, code: str, message: str) -> Self:
        shortened = message[:MAX_MESSAGE_CHARACTERS]
        return self.model_copy(update={"status": ResultStatus.FAILED, "code": code, "message": shortened})

    def compared(
        self,
        before: Subscription,
        after: Subscription,
        *,
        following_id: str | None = None,
        invoice: FollowingInvoice | None = None,
    ) -> Self:
        """It went well: `before` is what ends when `after` begins."""
        fees = tuple(recurring_fees(each, after.active_from, after.billing_cadence) for each in (before, after))
        known = Fees(before_minor=fees[0].minor, after_minor=fees[1].minor) if fees[0] and fees[1] else None
        changed = {"status": ResultStatus.DONE, "following_id": following_id, "fees": known, "invoice": invoice}
        return self.model_copy(update=changed)


class Sums(WireModel):
    """Of one currency: `compared` counts the subscriptions whose fees are in the sums."""

    before_minor: int = 0
    after_minor: int = 0
    compared: int = 0
    charges_minor: int = 0
    credits_minor: int = 0

    def plus(self, each: MigratedSubscription) -> "Sums":
        fees, invoice = each.fees, each.invoice
        return Sums(
            before_minor=self.before_minor + (fees.before_minor if fees else 0),
            after_minor=self.after_minor + (fees.after_minor if fees else 0),
            compared=self.compared + (fees is not None),
            charges_minor=self.charges_minor + (invoice.charges_minor if invoice else 0),
            credits_minor=self.credits_minor + (invoice.credits_minor if invoice else 0),
        )


class PlanMigration(WireModel):
    """First all subscriptions are listed (up to `listed_to`), then they are worked off (up to `worked_to`).

    `attempt` counts the executions, `tries` how often the next subscription was tried in vain. `updated_at` is when a
    worker last said something; `version` counts the stored writes.
    """

    id: str
    plan_key: str
    to_version: int
    dry_run: bool
    status: MigrationStatus = MigrationStatus.RUNNING
    attempt: int = 1
    started_at: Instant
    updated_at: Instant
    ended_at: Instant | None = None
    reason: str | None = None
    from_versions: tuple[int, ...] = ()
    is_listed: bool = False
    listed_to: str | None = None
    worked_to: str | None = None
    tries: int = 0
    total: int = 0
    done: int = 0
    failed: int = 0
    amounts: Mapping[CurrencyCode, Sums] = {}
    failures: tuple[MigratedSubscription, ...] = ()
    version: int = 0

    @property
    def run_id(self) -> str:
        """The name of its execution."""
        return f"migration-{self.id}-{self.attempt}"

    def asks_the_same(self, plan_key: str, to_version: int, *, dry_run: bool) -> bool:
        return (self.plan_key, self.to_version, self.dry_run) == (plan_key, to_version, dry_run)

    def status_at(self, now: datetime) -> MigrationStatus:
        is_dead = self.status is MigrationStatus.RUNNING and now > self.updated_at + STALLED_AFTER
        return MigrationStatus.FAILED if is_dead else self.status

    def concerns(self, subscription: Subscription, now: datetime) -> bool:
        """Does it have an older version, and has it not ended?"""
        plan = subscription.plan
        is_older = plan is not None and plan.key == self.plan_key and plan.version < self.to_version
        return is_older and not subscription.is_over(now)

    def resumed(self, now: datetime) -> Self:
        """To go on where it was, under another execution."""
        changed = {"status": MigrationStatus.RUNNING, "attempt": self.attempt + 1, "updated_at": now, "tries": 0}
        return self.model_copy(update=changed | {"ended_at": None, "reason": None})

    def listed(self, found: Sequence[MigratedSubscription], end: str | None, now: datetime) -> Self:
        """With a stretch of the tenant's subscriptions looked at up to `end`, None behind the last."""
        versions = tuple(sorted({*self.from_versions, *(each.from_version for each in found)}))
        changed = {"listed_to": end, "is_listed": end is None, "total": self.total + len(found)}
        return self.model_copy(update={**changed, "from_versions": versions, "updated_at": now})

    def worked(self, results: Sequence[MigratedSubscription], now: datetime) -> Self:
        done = [each for each in results if each.status is ResultStatus.DONE]
        failed = [each for each in results if each.status is ResultStatus.FAILED]
        amounts = dict(self.amounts)
        for each in done:
            amounts[each.currency] = amounts.get(each.currency, Sums()).plus(each)
        changed = {
            "worked_to": results[-1].subscription_id if results else self.worked_to,
            "tries": 0 if results else self.tries,
            "done": self.done + len(done),
            "failed": self.failed + len(failed),
            "amounts": amounts,
            "failures": (*self.failures, *failed)[:MAX_FAILURES],
            "updated_at": now,
        }
        return self.model_copy(update=changed)

    def tried(self) -> Self:
        """The next one could not be worked off this time."""
        return self.model_copy(update={"tries": self.tries + 1})

    def ended(self, reason: str | None, now: datetime) -> Self:
        """Done unless there is a reason why not."""
        status = MigrationStatus.FAILED if reason else MigrationStatus.DONE
        return self.model_copy(update={"status": status, "reason": reason, "ended_at": now, "updated_at": now})


def recurring_fees(of: Subscription, at: datetime, billing: str) -> Money | None:
    """What its flat fees at an instant come to in one period of a cadence, as if it had no end.

    After the discounts of their rate cards, before coupons and tax; one-time fees and usage are not in it. None when a
    fee's period is neither a multiple nor a part of the cadence: a week is not a part of a month.
    """
    endless = of.model_copy(update={"active_to": None})
    phase, schedule, minor = endless.phase_at(at), endless.schedule, Fraction(0)
    if phase is None:
        return Money.zero(of.currency)
    for item in phase.items:
        fee = _fee(item, of.currency)
        if fee is None or at not in schedule.on(phase, item):
            continue
        times = _times(billing, item.card.billing_cadence or billing)
        if times is None:
            return None
        minor += fee.minor * times
    major = EXACT.divide(Decimal(minor.numerator), Decimal(minor.denominator)).scaleb(-minor_digits(of.currency), EXACT)
    return Money.rounded(major, of.currency)


def _fee(item: SubscriptionItem, currency: str) -> Money | None:
    """In its own period; None for what is no recurring flat fee."""
    card = item.card
    if not isinstance(card.price, FlatPrice) or card.billing_cadence is None:
        return None
    off = card.discounts.percentage.percentage if card.discounts and card.discounts.percentage else Decimal(0)
    return Money.rounded(EXACT.multiply(card.price.amount, (100 - off).scaleb(-2, EXACT)), currency)


def _times(whole: str, part: str) -> Fraction | None:
    """How many periods of one cadence there are in a period of another, if their lengths say so."""
    a, b = Cadence.parse(whole), Cadence.parse(part)
    if a == b:
        return Fraction(1)
    if not a.rest and not b.rest:
        return Fraction(a.months, b.months)
    if not a.months and not b.months:
        return Fraction(int(a.rest.total_seconds()), int(b.rest.total_seconds()))
    return None

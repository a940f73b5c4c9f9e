"""The course of a metered entitlement: since when it counts, with which grants, and from where it can be worked out.

An entitlement that carries another one goes on with its usage period: what was used of that is used of this, and its
top-ups come along. What the one before issued does not: this one issues its own, as if it had always been there.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from functions.domain.entitlements.allowance import Allowance
from functions.domain.entitlements.engine import State
from functions.domain.entitlements.entitlement import ClosedPeriod, Entitled, Entitlement
from functions.domain.entitlements.grant import MINUTE, Grant
from functions.domain.entitlements.grant_record import GrantRecord
from functions.domain.period import Period

ZERO = Decimal(0)


@dataclass(frozen=True)
class Course:
    """`before` is the course that it carries, None for one of its own. `grants` are all that count in it."""

    entitlement: Entitlement
    starts_at: datetime
    grants: tuple[GrantRecord, ...]
    before: "Course | None" = None

    @classmethod
    def of(cls, entitled: Entitled, entitlement: Entitlement) -> "Course":
        carried = entitled.by_id(entitlement.carries)
        if carried is None or not carried.is_metered:
            assert entitlement.measure_usage_from is not None, entitlement.id
            return cls(entitlement, entitlement.measure_usage_from, entitlement.grants)
        before = cls.of(entitled, carried)
        starts_at = max(before.period_at(entitlement.active_from).start, before.starts_at)
        issued = [each.model_copy(update={"effective_at": starts_at}) for each in _issued(entitlement)]
        top_ups = [each for each in before.grants if not each.is_issued]
        return cls(entitlement, starts_at, (*issued, *top_ups, *entitlement.top_ups), before)

    def period_at(self, at: datetime) -> Period:
        """The usage period that contains the instant; the first one may have begun before anything was measured."""
        return self.entitlement.periods.at(at)

    def measured_period_at(self, at: datetime) -> Period:
        """As much of it as counts."""
        period = self.period_at(at)
        return Period(min(max(period.start, self.starts_at), period.end), period.end)

    def allowance(self, until: datetime, since: datetime | None = None) -> Allowance:
        """For the engine, with all resets behind an instant, its beginning unless given, and up to another one."""
        since = self.starts_at if since is None else max(since, self.starts_at)
        preserves = self.entitlement.preserve_overage_at_reset
        resets = self.entitlement.periods.all_resets(since, until, preserves_overage=preserves)
        return Allowance(since, tuple(each.allowance() for each in self.grants), resets)

    def before_last_reset(self, at: datetime) -> datetime:
        """An instant between the last two resets up to `at`, as far as there are any."""
        return max(self.period_at(at).start - MINUTE, self.starts_at)

    def closed_by(self, at: datetime) -> ClosedPeriod | None:
        """The last period that is closed and ended by an instant."""
        return next((each for each in reversed(self.entitlement.closed) if each.ends_at <= at), None)

    def opening(self, found: State) -> State:
        """What it begins with, by what its beginning finds in the course before."""
        top_ups = {each.id for each in self.grants if not each.is_issued}
        balances = {grant: balance for grant, balance in found.balances.items() if grant in top_ups}
        return State(balances, found.shown_overage)


def _issued(entitlement: Entitlement) -> list[GrantRecord]:
    return [] if entitlement.issued is None else [entitlement.issued]


def restart(allowance: Allowance, at: datetime, *, forgets: bool = False) -> tuple[datetime, State] | None:
    """The latest reset up to `at` that leaves the same whatever was used before it, and what it finds.

    None where there is none. `forgets` says that usage is a level, of which nothing is ever left.
    """
    for reset in reversed(allowance.resets):
        if reset.at > at:
            continue
        former = [grant for grant in allowance.grants if grant.effective_at < reset.at]
        staying = [grant for grant in former if grant.is_active_at(reset.at)]
        if forgets or (not reset.preserves_overage and all(_is_fixed(each, reset.at) for each in staying)):
            return reset.at, State({grant.id: ZERO for grant in staying})
    return None


def _is_fixed(grant: Grant, reset_at: datetime) -> bool:
    """Whether a reset leaves the same of it, whatever it finds."""
    return grant.min_rollover >= grant.max_rollover or grant.recurs_at(reset_at)

"""Owns how usage burns down grants: from a state, the grants and the usage between cuts to balances and overage.

A usage period is cut where the rules change. Between two cuts the usage of a phase burns from the active grants, in
burn order; what they do not cover is overage, which is carried and paid by grants that become active later.

A state is what an instant finds: all usage before it, and nothing of what begins at it. `run` leads from one state to
the next; `arrive` adds what begins at the instant, and gives what a caller is told of it (`value_of`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from itertools import pairwise

from functions.domain.entitlements.allowance import Allowance
from functions.domain.money import EXACT
from functions.domain.period import Period

# What moved at each grant, in the order in which it moved.
Parts = tuple[tuple[str, Decimal], ...]

_ZERO = Decimal(0)


class Counted(StrEnum):
    """How usage is said: as what is added in a phase, or as a level (LATEST, AVG, MIN) that grants are limits of."""

    ADDED = "added"
    LEVEL = "level"


@dataclass(frozen=True, slots=True)
class State:
    """What an instant finds. A new entitlement begins with `State()`.

    `balances` has every grant that was active just before, so also one that ends at this very instant. One that is
    used up has 0: an active grant that is missing gets its amount. `usage` is that of the current usage period,
    `covered` what grants paid of it and of carried overage. `overage` below zero is a credit of negative usage, which
    later usage of the period takes first. `burnt` is what negative usage can give back to each grant. `arrived` is the
    latest instant whose beginnings are in here; whoever keeps a state keeps it, too, so that nothing begins twice.
    """

    balances: Mapping[str, Decimal] = field(default_factory=dict)
    overage: Decimal = _ZERO
    usage: Decimal = _ZERO
    covered: Decimal = _ZERO
    burnt: Mapping[str, Decimal] = field(default_factory=dict)
    arrived: datetime | None = field(default=None, compare=False)

    @property
    def shown_overage(self) -> Decimal:
        return max(_ZERO, self.overage)


@dataclass(frozen=True, slots=True)
class Phase:
    """The time between two cuts.

    `opening` has all that begins at its start. `paid` is the carried overage that grants paid there, before the
    opening. `grant_usages` is what they paid of the phase's own usage; below zero it was given back.
    """

    period: Period
    usage: Decimal
    opening: State
    closing: State
    paid: Parts
    grant_usages: Parts
    ends_usage_period: bool

    @property
    def balances_at_start(self) -> Mapping[str, Decimal]:
        return self.opening.balances

    @property
    def balances_at_end(self) -> Mapping[str, Decimal]:
        return self.closing.balances

    @property
    def overage_at_start(self) -> Decimal:
        return self.opening.shown_overage

    @property
    def overage_at_end(self) -> Decimal:
        return self.closing.shown_overage


def run(
    allowance: Allowance,
    state: State,
    cuts: Sequence[datetime],
    usages: Sequence[Decimal],
    kind: Counted = Counted.ADDED,
) -> tuple[tuple[Phase, ...], State]:
    """The phases between the cuts, and the state that the last cut finds; `state` is what the first one finds.

    `usages` has the usage of each phase, or for a LEVEL the level at the end of each.
    """
    phases = []
    for (start, end), usage in zip(pairwise(cuts), usages, strict=True):
        opening, paid = _opened(allowance, state, start, kind)
        state, burnt = _levelled(opening, usage) if kind is Counted.LEVEL else _used(opening, usage)
        ends_usage_period = allowance.reset_at(end) is not None
        phases.append(Phase(Period(start, end), usage, opening, state, paid, burnt, ends_usage_period))
    return tuple(phases), state


def arrive(allowance: Allowance, state: State, at: datetime, kind: Counted = Counted.ADDED) -> State:
    """The state with what begins at `at`: a reset, grants that become active or recur, and the overage they pay.

    A grant that ends at `at` is still shown with what is left of it, unless something begins there: a void shows to
    whoever asks after its minute began, not to whoever asks for that instant. `run` can go on from either state.
    """
    if not _begins(allowance, at):
        return state
    opening, _ = _opened(allowance, state, at, kind)
    return _levelled(opening, opening.usage)[0] if kind is Counted.LEVEL else opening


def _begins(allowance: Allowance, at: datetime) -> bool:
    if allowance.reset_at(at) is not None:
        return True
    return any(grant.effective_at == at or grant.recurs_at(at) for grant in allowance.active_at(at))


def _opened(allowance: Allowance, state: State, at: datetime, kind: Counted) -> tuple[State, Parts]:
    """The state with what begins at `at`, in burn order, and what grants paid there of carried overage.

    First balances roll over, then grants become active or recur, then overage is paid. Balances of a LEVEL are whole.
    """
    reset, active = allowance.reset_at(at), allowance.active_at(at)
    if kind is Counted.LEVEL:
        usage = state.usage if reset is None else _ZERO
        return State({grant.id: grant.amount for grant in active}, usage=usage, arrived=at), ()
    if state.arrived == at:
        return state, ()
    balances, burnt = {}, {}
    for grant in active:
        balance = state.balances.get(grant.id)
        if balance is None or grant.recurs_at(at):
            balances[grant.id] = grant.amount
        elif reset is not None:
            balances[grant.id] = grant.rolled(balance)
        else:
            balances[grant.id] = balance
            burnt[grant.id] = state.burnt.get(grant.id, _ZERO)
    if reset is None:
        return _used(replace(state, balances=balances, burnt=burnt, arrived=at), _ZERO)
    overage = state.shown_overage if reset.preserves_overage else _ZERO
    paid_off, paid = _used(State(balances, overage, arrived=at), _ZERO)
    return replace(paid_off, covered=_ZERO, burnt={}), paid


def _used(state: State, usage: Decimal) -> tuple[State, Parts]:
    """Burn usage and overage from the balances in their order; below zero, give back what was burnt, last first."""
    owed = EXACT.add(state.overage, usage)
    if owed >= 0:
        moved = _shared(owed, state.balances)
    else:
        burnt = {grant: state.burnt.get(grant, _ZERO) for grant in reversed(tuple(state.balances))}
        moved = {grant: part.copy_negate() for grant, part in _shared(owed.copy_negate(), burnt).items()}
    total = _sum(moved.values())
    after = replace(
        state,
        balances={grant: EXACT.subtract(left, moved.get(grant, _ZERO)) for grant, left in state.balances.items()},
        burnt={grant: EXACT.add(state.burnt.get(grant, _ZERO), moved.get(grant, _ZERO)) for grant in state.balances},
        overage=EXACT.subtract(owed, total),
        usage=EXACT.add(state.usage, usage),
        covered=EXACT.add(state.covered, total),
    )
    return after, tuple(moved.items())


def _levelled(opening: State, level: Decimal) -> tuple[State, Parts]:
    """The level held against whole balances."""
    state, burnt = _used(State(opening.balances), level)
    return replace(state, usage=level, burnt={}, arrived=opening.arrived), burnt


def _shared(amount: Decimal, limits: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """The amount in parts up to each limit, the first limit first; what exceeds all of them is in none."""
    parts = {}
    for name, limit in limits.items():
        if part := min(limit, amount):
            parts[name] = part
            amount = EXACT.subtract(amount, part)
    return parts


@dataclass(frozen=True, slots=True)
class Value:
    """What a caller is told. `total_available` is what grants paid in this usage period and what is left of them."""

    balance: Decimal
    overage: Decimal
    usage: Decimal
    total_available: Decimal
    grant_balances: Mapping[str, Decimal]


def value_of(state: State) -> Value:
    """The value of a state that has arrived."""
    balance = _sum(state.balances.values())
    return Value(balance, state.shown_overage, state.usage, EXACT.add(state.covered, balance), dict(state.balances))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return reduce(EXACT.add, amounts, _ZERO)

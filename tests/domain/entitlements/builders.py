"""Short words for grants, resets and usage, so that tests read as examples."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from itertools import pairwise
from typing import Any

from functions.domain.entitlements.allowance import Allowance, Reset, cuts
from functions.domain.entitlements.engine import Counted, Phase, State, Value, arrive, run, value_of
from functions.domain.entitlements.grant import Grant, Recurrence
from functions.domain.money import EXACT
from functions.domain.period import Cadence
from tests.domain.builders import at

START = at("2026-01-01")

# Hours after START, and how much was used then.
Uses = Sequence[tuple[float, str]]


def hour(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def grant(id: str = "A", amount: str = "100", *, since: float = 0, until: float | None = None, **said: Any) -> Grant:
    """From hour to hour, as are `voided` and `created`; `every` recurs from START on, `rollover` is (least, most)."""
    every, voided = said.pop("every", None), said.pop("voided", None)
    least, most = said.pop("rollover", ("0", "0"))
    return Grant(
        id=id,
        amount=Decimal(amount),
        priority=said.pop("priority", 1),
        effective_at=hour(since),
        created_at=hour(said.pop("created", 0)),
        expires_at=None if until is None else hour(until),
        voided_at=None if voided is None else hour(voided),
        recurrence=None if every is None else Recurrence(Cadence.parse(every), START),
        min_rollover=Decimal(least),
        max_rollover=Decimal(most),
        **said,
    )


def reset(hours: float, *, preserves: bool = False) -> Reset:
    return Reset(hour(hours), preserves)


def allowance(*rules: Grant | Reset) -> Allowance:
    grants = tuple(rule for rule in rules if isinstance(rule, Grant))
    return Allowance(START, grants, tuple(rule for rule in rules if isinstance(rule, Reset)))


def ran(
    of: Allowance, uses: Uses, to: float, kind: Counted = Counted.ADDED, extra: Sequence[datetime] = ()
) -> tuple[tuple[Phase, ...], State]:
    """From START to that hour; of a LEVEL the last use of a phase counts, and goes on until the next."""
    instants = cuts(of, START, hour(to), extra)
    amounts = []
    level = Decimal(0)
    for start, end in pairwise(instants):
        within = [Decimal(amount) for hours, amount in uses if start <= hour(hours) < end]
        level = within[-1] if within else level
        amounts.append(level if kind is Counted.LEVEL else reduce(EXACT.add, within, Decimal(0)))
    return run(of, State(), instants, amounts, kind)


def value(of: Allowance, uses: Uses, to: float, kind: Counted = Counted.ADDED, extra: Sequence[datetime] = ()) -> Value:
    _, state = ran(of, uses, to, kind, extra)
    return value_of(arrive(of, state, hour(to), kind))

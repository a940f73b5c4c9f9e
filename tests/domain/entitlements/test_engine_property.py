"""The engine against a simulation that goes minute by minute and knows nothing of phases."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.domain.entitlements.allowance import Allowance, Reset, cuts
from functions.domain.entitlements.engine import Counted, Phase, State, Value, arrive, run, value_of
from functions.domain.entitlements.grant import Grant, Recurrence
from functions.domain.period import Cadence
from tests.domain.entitlements.builders import START

MINUTES = 40
Rules = list[dict[str, Any]]


def simulated(grants: Rules, resets: dict[int, bool], usage: list[Decimal], ends_at: int) -> dict[str, Any]:
    """What is told at minute `ends_at`; all instants are numbers of minutes."""
    left: dict[str, Decimal] = {}
    burnt: dict[str, Decimal] = {}
    owed = used = covered = Decimal(0)
    in_order = sorted(grants, key=lambda g: (g["priority"], g["expires"] is None, g["expires"], g["id"]))

    def settle() -> None:
        nonlocal owed, covered
        for name in [g["id"] for g in (active if owed > 0 else reversed(active))]:
            part = max(-burnt[name], min(owed, left[name]))
            owed, covered, left[name], burnt[name] = owed - part, covered + part, left[name] - part, burnt[name] + part

    for minute in range(ends_at + 1):
        active = [g for g in in_order if g["starts"] <= minute < min(g["expires"] or 999, g["voided"] or 999)]
        whole = [g for g in active if g["starts"] == minute or (g["every"] and minute % g["every"] == 0)]
        if minute == ends_at and minute not in resets and not whole:
            break
        left = {g["id"]: left.get(g["id"], Decimal(0)) for g in active}
        burnt = {g["id"]: burnt.get(g["id"], Decimal(0)) for g in active}
        if minute in resets:
            owed = max(owed, Decimal(0)) if resets[minute] else Decimal(0)
            left |= {g["id"]: min(g["most"], max(g["least"], left[g["id"]])) for g in active}
        left |= {g["id"]: g["amount"] for g in whole}
        burnt |= {g["id"]: Decimal(0) for g in whole}
        settle()
        if minute in resets:
            burnt = dict.fromkeys(burnt, Decimal(0))
            used = covered = Decimal(0)
        if minute < ends_at:
            owed, used = owed + usage[minute], used + usage[minute]
            settle()
    shown = {"balances": left, "overage": max(owed, Decimal(0)), "usage": used}
    return shown | {"available": covered + sum(left.values())}


AMOUNTS = st.integers(0, 90).map(lambda tenths: Decimal(tenths) / 10)
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "amount": AMOUNTS,
            "priority": st.integers(1, 2),
            "starts": st.just(0) | st.integers(0, MINUTES),
            "expires": st.none() | st.none() | st.integers(1, MINUTES),
            "voided": st.none() | st.none() | st.integers(1, MINUTES),
            "every": st.none() | st.integers(2, 15),
            "least": AMOUNTS,
            "most": AMOUNTS,
        }
    ),
    min_size=1,
    max_size=4,
).map(lambda rules: [rule | {"id": "ABCD"[number]} for number, rule in enumerate(rules)])
RESETS = st.dictionaries(st.integers(1, MINUTES), st.booleans(), max_size=3)


def used(least: int) -> st.SearchStrategy[list[Decimal]]:
    some = st.just(Decimal(0)) | st.integers(least, 25).map(lambda tenths: Decimal(tenths) / 10)
    return st.lists(some, min_size=MINUTES, max_size=MINUTES)


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def allowance(grants: Rules, resets: dict[int, bool]) -> Allowance:
    return Allowance(START, tuple(map(_grant, grants)), tuple(Reset(minute(at), resets[at]) for at in sorted(resets)))


def _grant(rule: dict[str, Any]) -> Grant:
    every = rule["every"] and Recurrence(Cadence(rest=timedelta(minutes=rule["every"])), START)
    ends = {f"{end}_at": rule[end] and minute(rule[end]) for end in ("expires", "voided")}
    return Grant(
        id=rule["id"],
        amount=rule["amount"],
        priority=rule["priority"],
        effective_at=minute(rule["starts"]),
        created_at=START,
        recurrence=every,
        min_rollover=rule["least"],
        max_rollover=rule["most"],
        **ends,
    )


def ran(
    of: Allowance, usage: list[Decimal], ends_at: int, extra: Iterable[int] = (), kind: Counted = Counted.ADDED
) -> tuple[tuple[Phase, ...], State]:
    instants = cuts(of, START, minute(ends_at), map(minute, extra))
    numbers = [(instant - START) // timedelta(minutes=1) for instant in instants]
    if kind is Counted.LEVEL:
        return run(of, State(), instants, [usage[end - 1] for end in numbers[1:]], kind)
    return run(of, State(), instants, [sum(usage[start:end], Decimal(0)) for start, end in pairwise(numbers)])


def told(value: Value) -> dict[str, Any]:
    shown = {"balances": dict(value.grant_balances), "overage": value.overage, "usage": value.usage}
    return shown | {"available": value.total_available}


ENDS = st.just(MINUTES) | st.integers(0, MINUTES)


@settings(max_examples=150)
@given(grants=RULES, resets=RESETS, usage=used(0), ends_at=ENDS)
def test_the_engine_tells_what_the_simulation_tells(
    grants: Rules, resets: dict[int, bool], usage: list[Decimal], ends_at: int
) -> None:
    of = allowance(grants, resets)
    _, state = ran(of, usage, ends_at)

    value = value_of(arrive(of, state, minute(ends_at)))

    assert told(value) == simulated(grants, resets, usage, ends_at)
    assert value.balance == sum(value.grant_balances.values())


@settings(max_examples=150)
@given(grants=RULES, resets=RESETS, usage=used(-25), ends_at=ENDS)
def test_negative_usage_of_each_minute_moves_what_the_simulation_moves(
    grants: Rules, resets: dict[int, bool], usage: list[Decimal], ends_at: int
) -> None:
    of = allowance(grants, resets)
    _, state = ran(of, usage, ends_at, range(MINUTES))

    assert told(value_of(arrive(of, state, minute(ends_at)))) == simulated(grants, resets, usage, ends_at)


@settings(max_examples=60)
@given(grants=RULES, resets=RESETS, usage=used(0), ends_at=ENDS, extra=st.sets(st.integers(0, MINUTES)))
def test_more_cuts_change_nothing_at_the_end(
    grants: Rules, resets: dict[int, bool], usage: list[Decimal], ends_at: int, extra: set[int]
) -> None:
    of = allowance(grants, resets)

    assert ran(of, usage, ends_at, extra)[1] == ran(of, usage, ends_at)[1]


@settings(max_examples=60)
@given(grants=RULES, resets=RESETS, usage=used(-25), ends_at=ENDS)
def test_history_adds_up(grants: Rules, resets: dict[int, bool], usage: list[Decimal], ends_at: int) -> None:
    of = allowance(grants, resets)
    phases, state = ran(of, usage, ends_at)

    assert sum(phase.usage for phase in phases) == sum(usage[:ends_at])
    since = max((at for at in resets if at < ends_at), default=0)
    assert state.usage == sum(usage[since:ends_at])
    assert all(phase.ends_usage_period == ((phase.period.end - START).seconds // 60 in resets) for phase in phases)
    for phase in phases:
        burnt = dict(phase.grant_usages)
        assert sum(burnt.values()) + phase.closing.overage - phase.opening.overage == phase.usage
        assert phase.balances_at_end == {
            grant: left - burnt.get(grant, 0) for grant, left in phase.balances_at_start.items()
        }
        assert min(phase.balances_at_end.values(), default=0) >= 0
        assert 0 in (phase.overage_at_end, sum(phase.balances_at_end.values()))


@settings(max_examples=60)
@given(grants=RULES, resets=RESETS, usage=used(0), ends_at=ENDS)
def test_a_level_is_covered_as_far_as_amounts_go(
    grants: Rules, resets: dict[int, bool], usage: list[Decimal], ends_at: int
) -> None:
    phases, _ = ran(allowance(grants, resets), usage, ends_at, kind=Counted.LEVEL)

    for phase in phases:
        whole, level = sum(phase.balances_at_start.values()), phase.usage
        assert phase.balances_at_start == {
            rule["id"]: rule["amount"] for rule in grants if _grant(rule).is_active_at(phase.period.start)
        }
        assert phase.closing.usage == level
        assert sum(phase.balances_at_end.values()) == max(whole - level, Decimal(0))
        assert phase.overage_at_end == max(level - whole, Decimal(0))

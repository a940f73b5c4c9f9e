from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal, localcontext
from itertools import pairwise

import pytest

from functions.domain.entitlements.allowance import MAX_CUTS, Allowance, Reset, cuts
from functions.domain.entitlements.engine import Counted, State, arrive, run, value_of
from functions.domain.entitlements.grant import Grant, Recurrence
from functions.domain.errors import InvalidInput
from functions.domain.money import EXACT
from functions.domain.period import Cadence, Period
from tests.domain.builders import at
from tests.domain.entitlements.builders import START, Uses, allowance, grant, hour, ran, reset, value

DAY = 24.0


@dataclass(frozen=True)
class Case:
    """Hours after START: what is granted and reset, what is used, and the value at `to`; `extra` are more cuts."""

    rules: list[Grant | Reset]
    uses: Uses
    to: float
    balances: Mapping[str, int | str]
    overage: int | str = 0
    usage: int | str = 0
    total: int | str = 0
    kind: Counted = Counted.ADDED
    extra: tuple[float, ...] = ()


BURNING = {
    "a grant burns": Case([grant()], [(1, "1")], 2, {"A": 99}, usage=1, total=100),
    "what no grant covers is overage": Case(
        [grant()], [(1, "1"), (2, "120")], 3, {"A": 0}, overage=21, usage=121, total=100
    ),
    "a later grant pays the overage": Case(
        [grant(), grant("B", "50", since=3)],
        [(1, "1"), (2, "120")],
        3,
        {"A": 0, "B": 29},
        usage=121,
        total=150,
    ),
    "a later grant pays as much of the overage as it can": Case(
        [grant("A", "10"), grant("B", "5", since=2), grant("C", "5", since=3)],
        [(1, "25"), (4, "1")],
        5,
        {"A": 0, "B": 0, "C": 0},
        overage=6,
        usage=26,
        total=20,
    ),
    "without grants all is overage": Case([], [(1, "50")], 2, {}, overage=50, usage=50),
    "priority, then expiry, never last": Case(
        [grant("B", created=-1), grant("A", until=30 * DAY), grant("C", priority=2)],
        [(1, "120")],
        2,
        {"A": 0, "B": 80, "C": 100},
        usage=120,
        total=300,
    ),
    "priority goes before expiry": Case(
        [grant("A", until=9), grant("B", priority=0)], [(1, "40")], 2, {"A": 100, "B": 60}, usage=40, total=200
    ),
    "of equals the one created first": Case(
        [grant("A", created=-1), grant("B", created=-2)], [(1, "40")], 2, {"A": 100, "B": 60}, usage=40, total=200
    ),
    "a grant of the future is not there": Case([grant(since=5)], [(1, "40")], 2, {}, overage=40, usage=40),
    "a grant that becomes active at the very instant is there": Case([grant(since=2)], [], 2, {"A": 100}, total=100),
    "a grant in force before the measuring is whole": Case([grant(since=-5)], [(1, "40")], 2, {"A": 60}, 0, 40, 100),
    "decimals add up": Case(
        [grant("A", "0.3")], [(1, "0.1"), (1.5, "0.2")], 2, {"A": 0}, overage=0, usage="0.3", total="0.3"
    ),
    "forty digits stay forty": Case(
        [grant("A", "9" * 40)],
        [(1, "0." + "0" * 39 + "1")],
        2,
        {"A": "9" * 39 + "8." + "9" * 40},
        usage="0." + "0" * 39 + "1",
        total="9" * 40,
    ),
}

ENDING = {
    "a void keeps what was burnt": Case(
        [grant(voided=2)], [(1, "60"), (3, "10")], 4, {}, overage=10, usage=70, total=60
    ),
    "a deleted grant is as a void one": Case(
        [grant(deleted_at=hour(2))], [(1, "60"), (3, "10")], 4, {}, overage=10, usage=70, total=60
    ),
    "a grant voided before it begins never was": Case([grant(since=2, voided=1)], [(1, "60")], 4, {}, 60, 60),
    "the next grant burns when one has expired": Case(
        [grant(until=2), grant("B", priority=2)], [(1, "60"), (3, "60")], 4, {"B": 40}, usage=120, total=160
    ),
    "at its expiry the rest is still shown": Case([grant(until=2)], [(1, "60")], 2, {"A": 40}, usage=60, total=100),
    "after its expiry it is gone": Case([grant(until=2)], [(1, "60")], 2.5, {}, usage=60, total=60),
    "not shown when a reset falls there": Case([grant(until=2, rollover=("0", "100")), reset(2)], [(1, "60")], 2, {}),
    "not shown when another recurs there": Case(
        [grant(until=DAY), grant("B", "10", every="P1D")],
        [(1, "60")],
        DAY,
        {"B": 10},
        usage=60,
        total=70,
    ),
    "not shown when its successor begins there": Case(
        [grant(until=2), grant("B", "10", since=2)], [(1, "60")], 2, {"B": 10}, usage=60, total=70
    ),
    "two that expire together are both shown": Case(
        [grant(until=2), grant("B", until=2, priority=2)], [(1, "60")], 2, {"A": 40, "B": 100}, usage=60, total=200
    ),
}

RECURRING = {
    "a recurrence pays the carried overage": Case(
        [grant(every="P1D")], [(1, "120")], 25, {"A": 80}, usage=120, total=200
    ),
    "the rest of a recurring grant is not carried": Case(
        [grant(every="P1D")], [(1, "30")], 25, {"A": 100}, usage=30, total=130
    ),
    "at the very instant it has recurred": Case([grant(every="P1D")], [(1, "120")], DAY, {"A": 80}, 0, 120, 200),
    "it recurs many times": Case(
        [grant("A", "10", every="PT1H")], [(n + 0.5, "15") for n in range(4)], 4, {"A": 0}, 10, 60, 50
    ),
    "one that becomes active late recurs by its anchor": Case(
        [grant(since=12, every="P1D")], [(13, "30")], DAY, {"A": 100}, usage=30, total=130
    ),
    "it does not recur where it expires": Case(
        [grant(until=DAY, every="P1D")], [(1, "30")], DAY, {"A": 70}, usage=30, total=100
    ),
    "after its end it does not recur": Case([grant(voided=5, every="P1D")], [(1, "30")], 25, {}, usage=30, total=30),
    "a recurrence knows no roll-over": Case(
        [grant(every="P1D", rollover=("0", "500"))], [(1, "30")], DAY, {"A": 100}, usage=30, total=130
    ),
}

RESETTING = {
    "by default nothing rolls over": Case([grant(), reset(5)], [(1, "10")], 6, {"A": 0}),
    "no more than the most rolls over": Case(
        [grant(rollover=("0", "50")), reset(5)], [(1, "10")], 6, {"A": 50}, total=50
    ),
    "what is left rolls over up to the most": Case(
        [grant(rollover=("0", "100")), reset(5)], [(1, "10")], 6, {"A": 90}, total=90
    ),
    "no less than the least is given": Case(
        [grant(rollover=("30", "100")), reset(5)], [(1, "90")], 6, {"A": 30}, total=30
    ),
    "least and most alike issue anew": Case(
        [grant(rollover=("100", "100")), reset(5)], [(1, "90"), (7, "1")], 8, {"A": 99}, usage=1, total=100
    ),
    "each grant rolls over by itself": Case(
        [grant(rollover=("0", "100")), grant("B", priority=2, rollover=("0", "20")), reset(5)],
        [(1, "70")],
        6,
        {"A": 30, "B": 20},
        total=50,
    ),
    "overage is forgiven": Case([grant(rollover=("100", "100")), reset(5)], [(1, "110")], 6, {"A": 100}, total=100),
    "preserved overage burns what rolled over": Case(
        [grant(rollover=("50", "50")), reset(5, preserves=True)], [(1, "110")], 6, {"A": 40}, total=40
    ),
    "preserved overage that nothing pays goes on": Case(
        [grant(rollover=("50", "50")), reset(5, preserves=True)],
        [(1, "170"), (6, "1")],
        7,
        {"A": 0},
        overage=21,
        usage=1,
    ),
    "a later grant of the new period pays preserved overage": Case(
        [grant(), grant("B", "60", since=6), reset(5, preserves=True)],
        [(1, "150")],
        7,
        {"A": 0, "B": 10},
        total=60,
    ),
    "preserved overage is forgiven by a reset that does not preserve": Case(
        [grant(), reset(5, preserves=True), reset(6)], [(1, "150")], 7, {"A": 0}
    ),
    "the value at a reset is that of the new period": Case(
        [grant(rollover=("0", "50")), reset(5)], [(1, "10")], 5, {"A": 50}, total=50
    ),
    "the value at a reset has paid what it preserves": Case(
        [grant(rollover=("50", "50")), reset(5, preserves=True)], [(1, "110")], 5, {"A": 40}, total=40
    ),
    "a grant that begins at the reset is whole": Case(
        [grant(), grant("B", "70", since=5), reset(5)], [(1, "110")], 5, {"A": 0, "B": 70}, total=70
    ),
    "a grant that begins at the reset pays what it preserves": Case(
        [grant(), grant("B", "70", since=5), reset(5, preserves=True)], [(1, "110")], 6, {"A": 0, "B": 60}, total=60
    ),
    "a recurrence in the minute of the reset wins over the roll-over": Case(
        [grant(every="P1D", rollover=("0", "20")), reset(DAY)], [(1, "30")], DAY, {"A": 100}, total=100
    ),
    "a recurrence in the minute of the reset pays what it preserves": Case(
        [grant(every="P1D", rollover=("50", "50")), reset(DAY, preserves=True)], [(1, "130")], 25, {"A": 70}, total=70
    ),
    "a grant that ends at the reset neither rolls over nor pays": Case(
        [grant(until=5, rollover=("50", "50")), reset(5, preserves=True)], [(1, "130")], 6, {}, overage=30
    ),
    "two resets roll over twice": Case(
        [grant(rollover=("0", "60")), reset(5), reset(7)], [(1, "10"), (6, "25")], 8, {"A": 35}, total=35
    ),
}

NEGATIVE = {
    "it gives back": Case([grant()], [(1, "60"), (2, "-20")], 3, {"A": 60}, usage=40, total=100),
    "inside a phase it is less usage": Case(
        [grant(), grant("B", priority=2)], [(1, "150"), (2, "-70")], 3, {"A": 20, "B": 100}, usage=80, total=200
    ),
    "forty digits stay forty": Case(
        [grant("A", "9" * 40)],
        [(1, "8" * 40), (2, "-0." + "1" * 40)],
        3,
        {"A": "1" * 40 + "." + "1" * 40},
        usage="8" * 39 + "7." + "8" * 39 + "9",
        total="9" * 40,
        extra=(2,),
    ),
    "it lowers overage first": Case(
        [grant(), grant("B", voided=4)], [(1, "230"), (5, "-50")], 6, {"A": 20}, usage=180, total=200
    ),
    "it may lower overage alone": Case([grant()], [(1, "130"), (2, "-20")], 3, {"A": 0}, 10, 110, 100, extra=(2,)),
    "it gives back the last burnt first": Case(
        [grant(), grant("B", priority=2)],
        [(1, "150"), (2, "-70")],
        3,
        {"A": 20, "B": 100},
        usage=80,
        total=200,
        extra=(2,),
    ),
    "it gives a part back and the rest later": Case(
        [grant(), grant("B", priority=2)],
        [(1, "150"), (2, "-20"), (3, "-50"), (4, "10")],
        5,
        {"A": 10, "B": 100},
        usage=90,
        total=200,
        extra=(2, 3, 4),
    ),
    "it gives no more than was burnt, and the rest is a credit": Case(
        [grant(), grant("B", since=3)],
        [(1, "60"), (2, "-80"), (4, "25")],
        5,
        {"A": 95, "B": 100},
        usage=5,
        total=200,
        extra=(2,),
    ),
    "a credit is not shown": Case([grant()], [(1, "60"), (2, "-80")], 3, {"A": 100}, 0, -20, 100, extra=(2,)),
    "a credit is used before grants": Case(
        [grant()], [(1, "-20"), (2, "15")], 3, {"A": 100}, usage=-5, total=100, extra=(2,)
    ),
    "it gives nothing to a grant that has ended": Case(
        [grant(voided=2), grant("B", priority=2)],
        [(1, "60"), (3, "-40"), (4, "50")],
        5,
        {"B": 90},
        usage=70,
        total=160,
        extra=(4,),
    ),
    "it does not give back what a recurrence has renewed": Case(
        [grant(every="P1D")], [(1, "60"), (25, "-40")], 26, {"A": 100}, 0, 20, 160
    ),
    "it does not give back what was burnt before the reset": Case(
        [grant(rollover=("0", "100")), reset(5)], [(1, "60"), (6, "-10")], 7, {"A": 40}, usage=-10, total=40
    ),
    "it does not give back preserved overage once paid": Case(
        [grant(rollover=("100", "100")), reset(5, preserves=True)],
        [(1, "130"), (6, "-10")],
        7,
        {"A": 70},
        usage=-10,
        total=70,
    ),
    "a credit ends with its period": Case(
        [grant(rollover=("100", "100")), reset(5, preserves=True)], [(1, "-60"), (6, "10")], 7, {"A": 90}, 0, 10, 100
    ),
}


def _level(rules: list[Grant | Reset], uses: Uses, to: float, *expected: Mapping[str, int | str] | int) -> Case:
    balances, *numbers = expected
    assert isinstance(balances, Mapping)
    overage, usage, total = (number for number in numbers if isinstance(number, int))
    return Case(rules, uses, to, balances, overage, usage, total, Counted.LEVEL)


LEVELS = {
    "a level is held against the amounts": _level([grant()], [(1, "30")], 2, {"A": 70}, 0, 30, 100),
    "the last level counts": _level(
        [grant(until=1), grant("B", priority=2), grant("C", "75", since=1, priority=3)],
        [(0, "15"), (1, "30"), (2, "10")],
        3,
        {"B": 90, "C": 75},
        0,
        10,
        175,
    ),
    "what exceeds the amounts is overage": _level([grant()], [(1, "130")], 2, {"A": 0}, 30, 130, 100),
    "overage is not carried": _level(
        [grant(), grant("B", "10", since=3)], [(1, "130"), (4, "50")], 5, {"A": 50, "B": 10}, 0, 50, 110
    ),
    "an amount that recurs is no more of it": _level([grant(every="P1D")], [(1, "130")], 25, {"A": 0}, 30, 130, 100),
    "a grant that begins now bears the level of now": _level(
        [grant(), grant("B", "50", since=3)], [(1, "130")], 3, {"A": 0, "B": 20}, 0, 130, 150
    ),
    "at a reset there is no level": _level([grant(), reset(3, preserves=True)], [(1, "130")], 3, {"A": 100}, 0, 0, 100),
    "after a reset amounts are whole whatever rolls over": _level(
        [grant(), reset(3)], [(1, "130"), (4, "20")], 5, {"A": 80}, 0, 20, 100
    ),
    "a level below zero uses nothing": _level([grant()], [(1, "-5")], 2, {"A": 100}, 0, -5, 100),
    "at its expiry the rest is still shown": _level([grant(until=2)], [(1, "30")], 2, {"A": 70}, 0, 30, 100),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in {
        "burning": BURNING,
        "ending": ENDING,
        "recurring": RECURRING,
        "resetting": RESETTING,
        "negative usage": NEGATIVE,
        "level": LEVELS,
    }.items()
    for name, case in cases.items()
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_value_is(case: Case) -> None:
    told = value(allowance(*case.rules), case.uses, case.to, case.kind, [hour(hours) for hours in case.extra])

    assert dict(told.grant_balances) == {name: Decimal(amount) for name, amount in case.balances.items()}
    assert (told.overage, told.usage, told.total_available) == tuple(
        Decimal(number) for number in (case.overage, case.usage, case.total)
    )
    with localcontext(EXACT):
        assert sum(told.grant_balances.values()) == told.balance


MONTH_ENDS = {
    "2026-01-29": ["2026-02-28", "2026-03-29"],
    "2026-01-30": ["2026-02-28", "2026-03-30"],
    "2026-01-31": ["2026-02-28", "2026-03-31"],
    "2028-01-31": ["2028-02-29", "2028-03-31"],
}


@pytest.mark.parametrize("anchor", MONTH_ENDS)
def test_a_grant_from_the_end_of_a_month_recurs_at_the_ends_of_months(anchor: str) -> None:
    start = at(anchor)
    monthly = Grant("A", Decimal(100), 1, start, start, None, recurrence=Recurrence(Cadence.parse("P1M"), start))
    of = Allowance(start, (monthly,))
    ends = [at(day) for day in MONTH_ENDS[anchor]]

    assert cuts(of, start, ends[-1] + timedelta(days=1)) == (start, *ends, ends[-1] + timedelta(days=1))


def test_cuts_are_all_instants_where_something_changes() -> None:
    of = allowance(
        grant(since=1, until=9, voided=7),
        grant("B", since=2, until=5, every="PT2H"),
        grant("C", since=8, voided=3),
        reset(6),
        reset(20),
    )

    found = cuts(of, hour(0.5), hour(8), [hour(1.5), hour(7), hour(30)])

    assert found == tuple(hour(hours) for hours in (0.5, 1, 1.5, 2, 4, 5, 6, 7, 8))
    assert cuts(of, hour(2), hour(2)) == (hour(2),)


def test_too_many_cuts_are_refused() -> None:
    often = [grant(name, since=offset, every="PT1H") for name, offset in (("A", 0), ("B", 1))]
    shifted = Recurrence(Cadence.parse("PT1H"), START + timedelta(minutes=1))
    other = Grant("C", Decimal(1), 1, START, START, None, recurrence=shifted)

    assert len(cuts(allowance(*often), START, hour(MAX_CUTS - 1))) == MAX_CUTS
    with pytest.raises(InvalidInput, match="shorter time"):
        cuts(allowance(*often), START, hour(MAX_CUTS))
    with pytest.raises(InvalidInput, match="10,000 times"):
        cuts(allowance(*often, other), START, hour(MAX_CUTS / 2))


def test_history_says_what_each_phase_used_and_paid() -> None:
    of = allowance(grant(), grant("B", "50", since=3, priority=2, rollover=("50", "50")), reset(6))

    phases, _ = ran(of, [(1, "130"), (4, "5")], 8)

    assert [phase.period for phase in phases] == [
        Period(hour(0), hour(3)),
        Period(hour(3), hour(6)),
        Period(hour(6), hour(8)),
    ]
    assert [phase.usage for phase in phases] == [130, 5, 0]
    assert [dict(phase.paid) for phase in phases] == [{}, {"B": 30}, {}]
    assert [dict(phase.grant_usages) for phase in phases] == [{"A": 100}, {"B": 5}, {}]
    assert [phase.ends_usage_period for phase in phases] == [False, True, False]
    assert [phase.overage_at_start for phase in phases] == [0, 0, 0]
    assert [phase.overage_at_end for phase in phases] == [30, 0, 0]
    assert [dict(phase.balances_at_start) for phase in phases] == [{"A": 100}, {"A": 0, "B": 20}, {"A": 0, "B": 50}]
    assert [dict(phase.balances_at_end) for phase in phases] == [{"A": 0}, {"A": 0, "B": 15}, {"A": 0, "B": 50}]


def test_a_level_is_held_against_whole_balances_in_each_phase() -> None:
    of = allowance(grant(), grant("B", "50", since=3, priority=2))

    phases, _ = ran(of, [(1, "130"), (4, "120")], 8, Counted.LEVEL)

    assert [dict(phase.balances_at_start) for phase in phases] == [{"A": 100}, {"A": 100, "B": 50}]
    assert [dict(phase.grant_usages) for phase in phases] == [{"A": 100}, {"A": 100, "B": 20}]
    assert [phase.overage_at_end for phase in phases] == [30, 0]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_run_goes_on_from_a_state_that_has_arrived_or_not(case: Case) -> None:
    of, now = allowance(*case.rules), hour(case.to)
    instants = cuts(of, now, now + timedelta(days=40))
    usages = [Decimal(7)] * (len(instants) - 1)
    _, state = ran(of, case.uses, case.to, case.kind)
    arrived = arrive(of, state, now, case.kind)

    assert arrive(of, arrived, now, case.kind) == arrived
    phases, end = run(of, state, instants, usages, case.kind)
    again, same_end = run(of, arrived, instants, usages, case.kind)
    assert same_end == end
    # What was paid on arriving is not paid again.
    assert [replace(phase, paid=()) for phase in again] == [replace(phase, paid=()) for phase in phases]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_value_at_a_cut_is_what_history_begins_with(case: Case) -> None:
    """Where a grant ends and nothing begins it is what history ends with."""
    of = allowance(*case.rules)
    phases, _ = ran(of, case.uses, case.to, extra=[hour(hours) for hours in case.extra])

    for before, after in pairwise(phases):
        found, begun = before.closing, after.opening
        arrived = arrive(of, found, after.period.start)
        only_ends = arrived is found and not found.balances.keys() <= begun.balances.keys()
        assert value_of(arrived) == value_of(found if only_ends else begun)


def test_a_read_inside_a_minute_is_a_read() -> None:
    instant = hour(2) + timedelta(seconds=59, microseconds=1)
    of = allowance(grant(until=3))
    _, state = run(of, State(), cuts(of, START, instant), [Decimal(5)])

    assert value_of(arrive(of, state, instant)).balance == 95

"""Usage recounted the plain way, from nothing but the events: no windows, no cells, no code of the product.

A window is known by what the wall clock shows in it, so a row is right when its start shows the same.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

MISSING = object()  # a property the event does not have
WIDE = Context(prec=200)
THIRTY_FOUR = Context(prec=34, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True)
class Happening:
    """A distinct event, as a person would write it down."""

    at: datetime
    subject: str
    value: Any
    groups: dict[str, Any]
    micros: int = 0  # of its second; which of two events was the later


@dataclass(frozen=True)
class Question:
    aggregation: str
    period_from: datetime | None = None
    period_to: datetime | None = None
    window: str | None = None
    zone: str = "UTC"
    subjects: tuple[str, ...] = ()
    customers: tuple[tuple[str, str, datetime | None, datetime | None], ...] = ()  # subject, its customer, from, to
    group_by: tuple[str, ...] = ()
    passes: Callable[[dict[str, str]], bool] = lambda _groups: True
    fills_zero: bool = False
    percentile: int = 95
    now: datetime | None = None  # for levels, which nobody knows beyond it

    @property
    def by_subject(self) -> bool:
        return bool(self.subjects) or "subject" in self.group_by


Answers = dict[tuple[Any, ...], Decimal]  # (window, subject, customer, group values) -> value


def recount(happenings: Iterable[Happening], question: Question) -> Answers:
    if question.aggregation == "TIME_WEIGHTED_SUM":
        return integrals(happenings, question)
    collected: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for each in happenings:
        for key, value in placed(each, question):
            collected[key].append((each.at, each.micros, value))
    answers = {key: result(question.aggregation, found, question.percentile) for key, found in collected.items()}
    return with_zeros(answers, question)


def placed(each: Happening, question: Question) -> Iterable[tuple[tuple[Any, ...], Any]]:
    """The window and group it belongs to with its value, if it counts."""
    customer = next(
        (owner for name, owner, *span in question.customers if name == each.subject and within(each.at, *span)), None
    )
    value = taken(question.aggregation, each.value)
    if value is None or not question.passes({name: text(found) for name, found in each.groups.items()}):
        return
    if question.period_from and each.at < question.period_from:
        return
    if question.period_to and each.at >= question.period_to:
        return
    if question.subjects and each.subject not in question.subjects:
        return
    if question.customers and customer is None:
        return
    key = (
        label(each.at, question.window, question.zone),
        each.subject if question.by_subject else None,
        customer,
        tuple(text(each.groups[name]) for name in question.group_by if name not in ("subject", "customer_id")),
    )
    yield key, value


def integrals(happenings: Iterable[Happening], question: Question) -> Answers:
    """From one moment at which a level may change, or the wall clock shows another window, to the next."""
    assert question.now
    end = min(question.now, question.period_to or question.now)
    if question.period_from and question.period_from >= end:
        return {}
    seconds: dict[tuple[Any, ...], Decimal] = {}
    for customer, held_from, held_to, names in holdings(question):
        everything = replace(question, period_from=None, period_to=None, customers=())
        of_group: dict[tuple[Any, ...], list[tuple[datetime, Decimal]]] = defaultdict(list)
        for each in happenings:
            for key, value in placed(each, everything) if names is None or each.subject in names else ():
                of_group[key[1], customer, key[3]].append((each.at, value))
        start = question.period_from or min((at for changes in of_group.values() for at, _ in changes), default=end)
        start, until = max(start, held_from or start), min(end, held_to or end)
        if start >= until:
            continue
        turns = sorted({start, *changes_of_window(start, until, question)})
        for group, changes in of_group.items():
            for shown, found in integral(sorted(changes), turns, until, question).items():
                seconds[shown, *group] = WIDE.add(seconds.get((shown, *group), Decimal(0)), found)
    answers = {key: divided(found, 3600) for key, found in seconds.items()}
    return with_zeros(answers, replace(question, period_to=end)) if answers or not question.customers else {}


def holdings(question: Question) -> Iterable[tuple[str | None, datetime | None, datetime | None, set[str] | None]]:
    """Who held which subjects together for how long; everybody for ever where nobody is asked for."""
    if not question.customers:
        return [(None, None, None, None)]
    together: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for name, owner, held_from, held_to in question.customers:
        together[owner, held_from, held_to].add(name)
    return [(*key, names) for key, names in together.items()]


def within(at: datetime, held_from: datetime | None, held_to: datetime | None) -> bool:
    return (held_from is None or held_from <= at) and (held_to is None or at < held_to)


def integral(
    changes: list[tuple[datetime, Decimal]], turns: list[datetime], end: datetime, question: Question
) -> dict[Any, Decimal]:
    """Value-seconds by window, of those where the level at the beginning or the end or they themselves are not zero."""
    answers = {}
    for low, high in zip(turns, [*turns[1:], end], strict=True):
        level = before = total([value for at, value in changes if at < low])
        seconds, since = Decimal(0), low
        for at, value in changes:
            if low <= at < high:
                seconds = WIDE.add(seconds, WIDE.multiply(level, int((at - since).total_seconds())))
                level, since = WIDE.add(level, value), at
        seconds = WIDE.add(seconds, WIDE.multiply(level, int((high - since).total_seconds())))
        if before or level or seconds:
            answers[label(low, question.window, question.zone)] = seconds
    return answers


def changes_of_window(start: datetime, end: datetime, question: Question) -> Iterable[datetime]:
    """When the wall clock begins to show another window: on minutes, and else on quarters of an hour."""
    step = timedelta(minutes=1 if question.window == "MINUTE" else 15)
    at = start.replace(minute=start.minute if question.window == "MINUTE" else start.minute // 15 * 15, second=0)
    shown = label(at, question.window, question.zone)
    while question.window and (at := at + step) < end:
        if shown != (shown := label(at, question.window, question.zone)):
            yield at


def with_zeros(answers: Answers, question: Question) -> Answers:
    is_plain = not (question.group_by or question.subjects or question.customers)
    nothing: tuple[Any, ...] = (None, None, ())
    if not answers and is_plain and not question.window and question.aggregation in ("COUNT", "UNIQUE_COUNT"):
        return {(None, *nothing): Decimal(0)}
    if not (question.fills_zero and question.period_from and question.period_to):
        return answers
    groups = {key[1:] for key in answers} or ({nothing} if is_plain else set())
    return {(shown, *group): Decimal(0) for shown in labels(question) for group in groups} | answers


def labels(question: Question) -> set[Any]:
    """Every window of the range: none is shorter than a quarter of an hour."""
    assert question.period_from
    assert question.period_to
    found, at = set(), question.period_from
    while at < question.period_to:
        found.add(label(at, question.window, question.zone))
        at += timedelta(minutes=15)
    return found | {label(question.period_to - timedelta(seconds=1), question.window, question.zone)}


def label(at: datetime, window: str | None, zone: str) -> Any:
    """What the wall clock and the calendar show in the window."""
    local = at.astimezone(ZoneInfo(zone))
    return {
        None: None,
        "MINUTE": (local.date(), local.hour, local.minute, local.utcoffset()),
        "HOUR": (local.date(), local.hour, local.utcoffset()),
        "DAY": local.date(),
        "WEEK": tuple(local.isocalendar())[:2],
        "MONTH": (local.year, local.month),
        "QUARTER": (local.year, (local.month + 2) // 3),
        "YEAR": local.year,
    }[window]


def text(value: Any) -> str:
    if value is MISSING or isinstance(value, (list, dict)):
        return ""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def taken(aggregation: str, value: Any) -> Any:
    """What counts: anything for COUNT, a text for UNIQUE_COUNT, else a finite number, also as a text."""
    if aggregation == "COUNT":
        return Decimal(1)
    if value is MISSING or value is None or isinstance(value, (list, dict)):
        return None
    if aggregation == "UNIQUE_COUNT":
        return text(value)
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return rounded(number) if number.is_finite() else None


def rounded(number: Decimal) -> Decimal | None:
    """To 18 digits behind the point, or what 31 leave behind those before it; None for a number that has more."""
    before = abs(int(number))
    places = min(18, 31 - len(str(before))) if before else 18
    if places < 0:
        return None
    whole = round(Fraction(number) * 10**places)  # half to even
    return None if abs(whole) >= 10 ** (31 + places) else Decimal(whole).scaleb(-places, WIDE)


def divided(whole: Decimal, by: int) -> Decimal:
    """To 34 digits, and never fewer than 18 behind the point."""
    exact = Fraction(whole) / by
    if len(str(abs(int(exact)))) + 18 <= 34:
        return THIRTY_FOUR.divide(whole, by)
    return Decimal(round(exact * 10**18)).scaleb(-18, WIDE)


def result(aggregation: str, found: list[tuple[Any, ...]], percentile: int) -> Decimal:
    values = [value for *_, value in found]
    if aggregation == "UNIQUE_COUNT":
        return Decimal(len(set(values)))
    if aggregation == "MIN":
        return Decimal(min(values))
    if aggregation == "MAX":
        return Decimal(max(values))
    if aggregation == "LATEST":
        return Decimal(max(found)[-1])
    if aggregation == "PERCENTILE":
        rank = (Decimal(percentile) * len(values) / 100).to_integral_value(ROUND_CEILING)
        return Decimal(sorted(values)[max(1, int(rank)) - 1])
    return divided(total(values), len(values)) if aggregation == "AVG" else total(values)


def total(values: list[Decimal]) -> Decimal:
    result = Decimal(0)
    for value in values:
        result = WIDE.add(result, value)
    return result

"""Usage recounted the plain way, from nothing but the events: no windows, no cells, no code of the product.

A window is known by what the wall clock shows in it, so a row is right when its start shows the same.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

MISSING = object()  # a property the event does not have
WIDE = Context(prec=200)


@dataclass(frozen=True)
class Happening:
    """A distinct event, as a person would write it down."""

    at: datetime
    subject: str
    value: Any
    groups: dict[str, Any]


@dataclass(frozen=True)
class Question:
    aggregation: str
    period_from: datetime | None = None
    period_to: datetime | None = None
    window: str | None = None
    zone: str = "UTC"
    subjects: tuple[str, ...] = ()
    customers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    group_by: tuple[str, ...] = ()
    passes: Callable[[dict[str, str]], bool] = lambda _groups: True
    fills_zero: bool = False
    percentile: int = 95

    @property
    def by_subject(self) -> bool:
        return bool(self.subjects) or "subject" in self.group_by


Answers = dict[tuple[Any, ...], Decimal]  # (window, subject, customer, group values) -> value


def recount(happenings: Iterable[Happening], question: Question) -> Answers:
    customer_of = {subject: customer for customer, names in question.customers for subject in names}
    collected: dict[tuple[Any, ...], list[tuple[datetime, Any]]] = defaultdict(list)
    for each in happenings:
        value = taken(question.aggregation, each.value)
        if value is None or not question.passes({name: text(found) for name, found in each.groups.items()}):
            continue
        if question.period_from and each.at < question.period_from:
            continue
        if question.period_to and each.at >= question.period_to:
            continue
        if question.subjects and each.subject not in question.subjects:
            continue
        if question.customers and each.subject not in customer_of:
            continue
        key = (
            label(each.at, question.window, question.zone),
            each.subject if question.by_subject else None,
            customer_of.get(each.subject),
            tuple(text(each.groups[name]) for name in question.group_by if name not in ("subject", "customer_id")),
        )
        collected[key].append((each.at, value))
    answers = {key: result(question.aggregation, found, question.percentile) for key, found in collected.items()}
    return with_zeros(answers, question)


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
    return number if number.is_finite() else None


def result(aggregation: str, found: list[tuple[datetime, Any]], percentile: int) -> Decimal:
    values = [value for _, value in found]
    if aggregation == "UNIQUE_COUNT":
        return Decimal(len(set(values)))
    if aggregation == "MIN":
        return Decimal(min(values))
    if aggregation == "MAX":
        return Decimal(max(values))
    if aggregation == "LATEST":
        return Decimal(max(found)[1])
    if aggregation == "PERCENTILE":
        rank = (Decimal(percentile) * len(values) / 100).to_integral_value(ROUND_CEILING)
        return Decimal(sorted(values)[max(1, int(rank)) - 1])
    total = Decimal(0)
    for value in values:
        total = WIDE.add(total, value)
    return Context(prec=34, rounding=ROUND_HALF_EVEN).divide(total, len(values)) if aggregation == "AVG" else total

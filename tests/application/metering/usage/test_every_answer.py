"""For any events, sent in any way, every answer equals a plain recount of the distinct events.

Events are shuffled, duplicated, cut into random batches and counted by writers that die at any request; some are
voided, before or after they came. Then the same deployment is asked many random questions. `naive.py` recounts without
any code of the product.
"""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions.adapters.memory.ledger import MemoryArchive, MemoryLedger
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.usage.query_usage import UsageReader
from functions.domain.metering.cells import pages
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import UsageRow
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack, Void
from functions.domain.metering.values.filter_string import FilterString
from functions.domain.metering.values.holding import Holding
from functions.domain.metering.values.lanes import Lanes
from tests.application.metering.usage.naive import MISSING, Answers, Happening, Question, label, recount
from tests.writing import write

# Whole deployments, each recounted.
pytestmark = pytest.mark.large

DEPLOYMENTS = 80
QUESTIONS = 40
# Summer time ends in Europe on 25 October and in America on 1 November, and begins on Lord Howe on 3 October.
START, NOW = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 12, 9, 7, 31, tzinfo=UTC)
CLOCK_CHANGES = (
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 11, 1, 4, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
)
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns"),
    *("Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"),
)
WINDOWS = (None, "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
LONGEST = {"MINUTE": timedelta(hours=3), "HOUR": timedelta(days=5)}
LANES = Lanes(2, b"a key of the test")
SUBJECTS = ("c1", "c2", "c3", "ü/ß")
CUSTOMERS = ("one", "two")
VALUES = (
    *(1, 7, -3, 0, 123456789012, Decimal("2.5"), Decimal("0.000000000000000001"), Decimal("9999999999999.5")),
    *("100", "2.5", "1e3", " 7", "NaN", "Inf", "many", "", True, None, MISSING, [1], {"a": 1}),
    # What 64 bits, or binary floats in full, come to; the last three have no place in 31 digits.
    *(2**63, -(2**64), 10**24, 10**31 - 1, -(10**31) + 1, "1e30", "-1234567890123456789012.5"),
    *(Decimal("0.00012349999999999998"), Decimal("1234567890123456789012345.1234565"), Decimal("-2.5e-18"), "1e-30"),
    *(10**31, "-1e400", Decimal("9999999999999999999999999999999.5")),
)

MODELS = ("gpt-4", "gpt-5", "claude", 7, True, None, MISSING, ["a"], {"b": 1})
TEAMS = ("a", "b", MISSING)
METERS = {
    aggregation: Meter(
        f"m-{aggregation}",
        aggregation.lower(),
        "call",
        aggregation,
        "$.n" if aggregation.needs_value else None,
        {"model": "$.model", "team": "$.deep.team"},
        since=1,
    )
    for aggregation in Aggregation
}
CONDITIONS: tuple[tuple[dict[str, Any], Any], ...] = (
    ({"$eq": "gpt-4"}, lambda text: text == "gpt-4"),
    ({"$ne": ""}, lambda text: text != ""),
    ({"$in": ["7", "true", "null"]}, lambda text: text in ("7", "true", "null")),
    ({"$nin": ["gpt-5", ""]}, lambda text: text not in ("gpt-5", "")),
    ({"$like": "gpt-_"}, lambda text: text in ("gpt-4", "gpt-5")),
    ({"$nilike": "GPT%"}, lambda text: not text.startswith("gpt")),
    ({"$gt": "claude"}, lambda text: text > "claude"),
    ({"$exists": False}, lambda text: text == ""),
    ({"$or": [{"$lt": "b"}, {"$eq": "true"}]}, lambda text: text < "b" or text == "true"),
)


class Killed(BaseException):
    """The process is gone, at once and without a word."""


class Deployment:
    """The production writer and reader on memory ports; a writer dies before any of its requests, sometimes."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.risk = 0.0
        self.ledger, self.archive = MemoryLedger(request=self.die), MemoryArchive(request=self.die)
        self.ledger.put_meter_set("t", MeterSet(1, tuple(METERS.values())))
        self.attempts = self.deaths = 0
        self.writer = self.new_writer()
        self.reader = UsageReader(self.ledger, self.archive, LANES)

    def now(self) -> datetime:
        return NOW

    def die(self, _request: str) -> None:
        if self.chance.random() < self.risk:
            raise Killed

    def new_writer(self) -> LaneWriter:
        fingerprint = LANES.value_fingerprint
        return LaneWriter(
            self.ledger, self.archive, self, self.new_attempt, AcceptanceWindow(), MemoryLookBacks(), fingerprint
        )

    def new_attempt(self) -> str:
        self.attempts += 1
        return str(self.attempts)

    def count(self, arriving: list[Event | Void]) -> None:
        """Everything arrives, in batches that begin elsewhere after every death."""
        while arriving:
            batch = arriving[: self.chance.randint(1, 9)]
            self.risk = self.chance.choice((0, 0, 0.05, 0.3))
            try:
                self.write(batch)
            except Killed:
                self.deaths += 1
                self.writer = self.new_writer()
                continue
            finally:
                self.risk = 0
            arriving = arriving[len(batch) :]
            if self.chance.random() < 0.2:
                self.writer = self.new_writer()
        for lane in range(LANES.count):
            self.new_writer().help(lane)

    def write(self, batch: list[Event | Void]) -> None:
        packs = []
        for lane in range(LANES.count):
            mine = [each for each in batch if LANES.lane_of("t", each.subject) == lane]
            events = [each for each in mine if isinstance(each, Event)]
            voids = [each for each in mine if isinstance(each, Void)]
            if mine:
                packs.append(Pack("t", lane, "p", int(NOW.timestamp()), events, voids))
        write(self.writer, packs)


class Population:
    """What events are about: little or much of everything, so that some deployments have few and full windows."""

    def __init__(self, chance: random.Random) -> None:
        self.subjects = some_of(chance, SUBJECTS)
        self.values = some_of(chance, VALUES)
        self.models = some_of(chance, MODELS)
        self.teams = some_of(chance, TEAMS)

    def happening(self, chance: random.Random) -> Happening:
        groups = {"model": chance.choice(self.models), "team": chance.choice(self.teams)}
        micros = chance.choice((0, 0, 1, 250_000, 999_999))
        return Happening(instant(chance), chance.choice(self.subjects), chance.choice(self.values), groups, micros)


def some_of(chance: random.Random, everything: tuple[Any, ...]) -> list[Any]:
    return chance.sample(everything, chance.randint(1, len(everything)))


def instant(chance: random.Random) -> datetime:
    """Anywhere in six weeks, though often near a change of clocks or close to others, and often on a boundary."""
    near = chance.choice((*CLOCK_CHANGES, *[START + timedelta(hours=6)] * 4, None, None, None))
    if near is None:
        at = START + (NOW - START) * chance.random()
    else:
        at = near + timedelta(seconds=chance.randint(-5_400, 5_400))
    at = at.replace(microsecond=0)
    return at.replace(minute=chance.choice((0, 30)), second=0) if chance.random() < 0.2 else at


def event(number: int, one: Happening) -> Event:
    data: dict[str, Any] = {"n": one.value, "model": one.groups["model"]}
    if one.groups["team"] is not MISSING:
        data["deep"] = {"team": one.groups["team"]}
    body = msgspec.json.Encoder(decimal_format="number").encode({k: v for k, v in data.items() if v is not MISSING})
    fingerprint = LANES.fingerprint("t", one.subject, "s", str(number))
    return Event(fingerprint, int(one.at.timestamp()), str(number), "s", "call", one.subject, body, micros=one.micros)


def void(one: Event) -> Void:
    return Void(one.fingerprint, one.time, one.id, one.source, one.subject, f"v{one.id}")


def question(chance: random.Random, happenings: list[Happening]) -> tuple[Question, UsageQuery]:
    aggregation = chance.choice(list(Aggregation))
    period_from, period_to = period(chance, happenings)
    window = chance.choice(WINDOWS)
    if aggregation.is_level and window in LONGEST:  # every window has a row
        period_from = period_from or instant(chance)
        period_to = min(period_to or NOW, period_from + LONGEST[window])
    by_customer = chance.random() < 0.2
    group_by = tuple(name for name in ("model", "team", "subject") if chance.random() < 0.3)
    filters: dict[str, tuple[str, ...]] = {}
    conditions: dict[str, tuple[dict[str, Any], Any]] = {}
    match chance.randint(0, 3):
        case 1:
            filters["model"] = chance.choice((("gpt-4",), ("gpt-5", "null"), ("",), ("nothing",)))
        case 2:
            conditions[chance.choice(("model", "team"))] = chance.choice(CONDITIONS)
    asked = Question(
        aggregation=aggregation.value,
        period_from=period_from,
        period_to=period_to,
        window=window,
        zone=chance.choice(ZONES),
        subjects=chance.choice(((), (), ("c1",), ("c2", "ü/ß", "never"))),
        customers=holders(chance, happenings) if by_customer else (),
        group_by=group_by,
        passes=lambda groups: (
            all(groups[name] in allowed for name, allowed in filters.items())
            and all(test(groups[name]) for name, (_, test) in conditions.items())
        ),
        fills_zero=bool(period_from and period_to and window not in (None, "MINUTE") and chance.random() < 0.3),
        percentile=chance.choice((0, 50, 95, 99, 100)),
        now=chance.choice((NOW, instant(chance), chance.choice(happenings).at)),
    )
    return asked, UsageQuery(
        tenant="t",
        meter=METERS[aggregation],
        period_from=period_from,
        period_to=period_to,
        window=window,
        time_zone=asked.zone,
        subjects=asked.subjects,
        customers={name: held_by(name, asked) for name in CUSTOMERS if asked.customers},
        group_by=group_by,
        filters=filters,
        conditions={
            name: FilterString.model_validate(condition).predicate() for name, (condition, _) in conditions.items()
        },
        percentile=Decimal(asked.percentile),
        is_exact=chance.random() < 0.2,
        fills_zero=asked.fills_zero,
    )


def holders(chance: random.Random, happenings: list[Happening]) -> tuple[tuple[Any, ...], ...]:
    """Who had each subject when: one of them ever, or from hand to hand with gaps in between."""
    found: list[tuple[Any, ...]] = []
    for subject in (*SUBJECTS, "never"):
        turns = sorted(
            {chance.choice((chance.choice(happenings).at, instant(chance))) for _ in range(chance.randint(0, 3))}
        )
        for start, end in zip([None, *turns], [*turns, None], strict=True):
            owner = chance.choice((*CUSTOMERS, None)) if turns else chance.choice(CUSTOMERS)
            if owner:
                found.append((subject, owner, start, end))
    return tuple(found)


def held_by(customer: str, asked: Question) -> tuple[Holding, ...]:
    return tuple(
        Holding(subject=subject, held_from=start, held_to=end)
        for subject, owner, start, end in asked.customers
        if owner == customer
    )


def period(chance: random.Random, happenings: list[Happening]) -> tuple[datetime | None, datetime | None]:
    """Open, wide, on a boundary, or from the very second of an event to the one after another."""
    low, high = sorted(chance.choice((chance.choice(happenings).at, instant(chance), START, NOW)) for _ in range(2))
    high += timedelta(seconds=1) if low == high else timedelta(seconds=chance.choice((0, 1)))
    return (None if chance.random() < 0.2 else low), (None if chance.random() < 0.2 else high)


def as_answers(rows: list[UsageRow], asked: Question) -> Answers:
    found = {
        (
            label(row.window_start, asked.window, asked.zone),
            row.subject,
            row.customer_id,
            tuple(row.group_by[name] for name in asked.group_by if name != "subject"),
        ): row.value
        for row in rows
    }
    assert len(found) == len(rows), "two rows of the same window and group"
    return found


def is_right(found: Answers, expected: Answers, query: UsageQuery) -> bool:
    if query.meter.aggregation is not Aggregation.PERCENTILE or query.is_exact:
        return found == expected
    return found.keys() == expected.keys() and all(
        abs(found[key] - value) <= abs(value) / 100 for key, value in expected.items()
    )


@pytest.mark.parametrize("seed", range(DEPLOYMENTS))
def test_every_answer_equals_a_recount(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(pages, "WINDOW_BYTES", chance.choice((20, 39, 78)))
    population = Population(chance)
    happenings = [population.happening(chance) for _ in range(chance.randint(1, 60))]
    sent = [event(number, one) for number, one in enumerate(happenings)]
    voided = set(chance.sample(range(len(sent)), len(sent) // chance.choice((2, 5, 9, 100))))
    arriving: list[Event | Void] = [*sent, *chance.sample(sent, len(sent) // 2)]
    arriving += [void(sent[number]) for number in voided for _ in range(chance.randint(1, 2))]
    chance.shuffle(arriving)
    remaining = [one for number, one in enumerate(happenings) if number not in voided]
    deployment = Deployment(chance)
    deployment.count(arriving)
    for _ in range(QUESTIONS):
        asked, query = question(chance, happenings)
        assert asked.now
        rows = deployment.reader.rows(query, asked.now)
        expected = recount(remaining, asked)
        found = as_answers(rows, asked)
        if asked.aggregation == "SUM" and voided:
            found = {key: value for key, value in found.items() if value or key in expected}
        assert is_right(found, expected, query), (asked, query, remaining)
        assert rows == sorted(rows, key=lambda row: row.window_start)


def test_writers_do_die() -> None:
    chance = random.Random(1)
    deployment, population = Deployment(chance), Population(chance)
    deployment.count([event(number, population.happening(chance)) for number in range(200)])
    assert deployment.deaths > 10

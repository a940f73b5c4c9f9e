"""Questions of one invoice that share their reads are answered like questions that read for themselves.

Also while others count: an answer holds every event that was counted before its first read, none twice, and none that
happened behind its period. The value of event k is 4 to the power of k, so a digit of the answer tells how often that
event is in it.
"""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from threading import Lock

import pytest

from functions.adapters.memory.ledger import MemoryArchive, MemoryLedger
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.application.billing.measure_usage import MeasuredUsage
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.usage import read_log, reads, walk_owners
from functions.application.metering.usage.memo import Memo
from functions.application.metering.usage.query_usage import UsageReader
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack
from functions.domain.metering.values.holding import held_ever
from functions.domain.metering.values.lanes import Lanes
from functions.domain.period import Period
from tests.application.metering.usage import test_every_answer as every
from tests.writing import write

SEEDS = 40
QUESTIONS = 12
LANES = Lanes(2, b"a key of the test")
START, END = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 13, 9, 10, tzinfo=UTC)
NOW = END + timedelta(hours=3)
DIMENSIONS = {"model": "$.model"}
SUM = Meter("m1", "sum", "call", Aggregation.SUM, "$.n", DIMENSIONS, since=1)
LEVEL = Meter("m2", "level", "call", Aggregation.TIME_WEIGHTED_SUM, "$.n", DIMENSIONS, since=1)


@pytest.mark.large
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("room", [0, 3_000, reads.MEMO_BYTES])
def test_every_answer_is_that_of_a_question_alone(seed: int, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MEMO_BYTES", room)
    monkeypatch.setattr(reads, "KEPT_BYTES", room)
    chance = random.Random(seed)
    population, deployment = every.Population(chance), every.Deployment(chance)
    happenings = [population.happening(chance) for _ in range(chance.randint(1, 60))]
    sent = [every.event(number, one) for number, one in enumerate(happenings)]
    deployment.count([*sent, *map(every.void, chance.sample(sent, len(sent) // 5))])
    sharing = deployment.reader.reading_once("t")
    for _ in range(every.QUESTIONS):
        asked, query = every.question(chance, happenings)
        assert asked.now
        assert sharing.rows(query, asked.now) == deployment.reader.rows(query, asked.now), query


class Busy:
    """A deployment in which events are counted between any two reads of an invoice."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.risk = chance, 0.0
        self.written, self.archive = MemoryLedger(), MemoryArchive()
        self.written.put_meter_set("t", MeterSet(1, (SUM, LEVEL)))
        self.numbers, self.attempts = count(), count()
        # Readers of several lanes ask at the same time; a writer is alone.
        self.alone = Lock()
        self.writer = self.new_writer()
        # By event: its lane, the commit that has it, whether it is inside the period.
        self.counted: dict[int, tuple[int, int, bool]] = {}
        read = MemoryLedger(self.written.table, request=self.happen)
        self.usage = MeasuredUsage(UsageReader(read, self.archive, LANES), self.written, self)

    def now(self) -> datetime:
        return NOW

    def new_writer(self) -> LaneWriter:
        return LaneWriter(
            self.written,
            self.archive,
            self,
            lambda: str(next(self.attempts)),
            AcceptanceWindow(),
            MemoryLookBacks(),
            LANES.value_fingerprint,
            behind_seconds=self.chance.choice((0, 60)),
        )

    def happen(self, _request: str) -> None:
        with self.alone:
            if self.chance.random() >= self.risk:
                return
            self.count()
            if self.chance.random() < 0.5:
                self.writer = self.new_writer()
                for lane in range(LANES.count):
                    self.writer.help(lane)

    def count(self) -> None:
        number, subject = next(self.numbers), self.chance.choice(("c1", "c2"))
        is_inside = self.chance.random() < 0.6
        at = END - timedelta(hours=1) if is_inside else END + timedelta(minutes=1)
        model = self.chance.choice(("a", "b", f"new {number}"))
        body = f'{{"n":{4**number},"model":"{model}"}}'.encode()
        fingerprint, lane = LANES.fingerprint("t", subject, "s", str(number)), LANES.lane_of("t", subject)
        event = Event(fingerprint, int(at.timestamp()), str(number), "s", "call", subject, body)
        write(self.writer, [Pack("t", lane, str(number), int(NOW.timestamp()), [event])])
        self.counted[number] = lane, self.written.last_commit_number(lane), is_inside


def digits(answer: Decimal, most: int) -> list[int]:
    """How often each event is in it."""
    whole = int(answer)
    assert whole == answer
    found = [whole // 4**k % 4 for k in range(most)]
    assert whole < 4**most
    return found


def asked(chance: random.Random) -> tuple[UsageQuestion, Callable[[MeasuredUsage], tuple[Decimal, dict[int, int]]]]:
    """A question, and a way to its quantity. Both meters answer alike: the events happened an hour before the end."""
    start = START + timedelta(hours=3 * chance.randint(0, 90))
    meter = chance.choice((SUM, LEVEL))
    question = UsageQuestion("t", meter.slug, held_ever(["c1", "c2"]), {}, Period(start, END))
    if chance.random() < 0.6:
        return question, lambda usage: usage.usage(question)
    if meter is LEVEL and chance.random() < 0.5:
        return question, lambda usage: (usage.levels(question).value_hours, {})
    return question, lambda usage: (
        sum((each.quantity for each in usage.windows(question, 100).windows), Decimal(0)),
        {},
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_counted_meanwhile_is_in_no_answer_twice_or_in_part(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # One lane after the other, so that every run is the same.
    monkeypatch.setattr(walk_owners, "READERS", 1)
    monkeypatch.setattr(read_log, "READERS", 1)
    chance = random.Random(seed)
    busy = Busy(chance)
    for _ in range(chance.randint(1, 5)):
        busy.count()
    before = set(busy.counted)
    usage = busy.usage.reading_once("t")
    for _ in range(QUESTIONS):
        question, ask = asked(chance)
        busy.risk = chance.choice((0, 0.1, 0.3))
        quantity, lanes = ask(usage)
        busy.risk = 0
        for number, times in enumerate(digits(quantity, len(busy.counted))):
            lane, commit, is_inside = busy.counted[number]
            is_sure = number in before or commit <= lanes.get(lane, 0)
            assert times in ((1,) if is_inside and is_sure else (0, 1) if is_inside else (0,)), (question, number)


def test_the_codes_of_a_lane_are_read_behind_its_commits() -> None:
    requests: list[str] = []
    ledger = MemoryLedger(request=requests.append)
    reader = UsageReader(ledger, MemoryArchive(), LANES).reading_once("t")
    assert reader.total(UsageQuery("t", SUM, START, END), NOW) == 0
    assert requests.index("head") < requests.index("codes")


def test_a_memo_gives_again_what_has_room() -> None:
    memo, reads_made = Memo(room=10), Counter[str]()

    def once(key: str, size: int) -> list[int]:
        def read() -> list[int]:
            reads_made[key] += 1
            return [size, 1]

        return list(memo.once(key, read, lambda item: item))

    assert [once(key, size) for key, size in (("a", 3), ("a", 3), ("b", 8), ("b", 8), ("a", 3))] == [
        [size, 1] for size in (3, 3, 8, 8, 3)
    ]
    assert reads_made == {"a": 1, "b": 2}


def test_a_memo_does_not_keep_what_was_not_read_to_its_end() -> None:
    memo = Memo(room=10)
    assert next(memo.once("a", lambda: [1, 2], lambda _: 1)) == 1
    assert list(memo.once("a", lambda: [1, 2, 3], lambda _: 1)) == [1, 2, 3]

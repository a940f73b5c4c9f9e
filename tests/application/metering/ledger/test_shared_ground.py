"""What one tenant's bytes, paths and times can do to others: nothing but what is bounded."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec
import pytest

from functions.adapters.archive import ArchivedEvent, decode_lines, encode_lines
from functions.adapters.dynamo.codec import decode_item
from functions.adapters.dynamo.metering.reject_item import further_items, further_of
from functions.adapters.memory.ledger import MemoryLedger
from functions.adapters.records import decode_record, decoded_size, encode_commit, encode_record
from functions.application.metering.events.list_events import EventReader
from functions.application.metering.ledger import aggregate_usage, lane_memory, recall_lane
from functions.application.metering.ledger.aggregate_usage import Aggregator, Delivered, Report
from functions.application.metering.ledger.running_lanes import Batch
from functions.application.metering.usage.query_usage import UsageReader
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.ledger import counting
from functions.domain.metering.ledger.ledger import BUCKET_SECONDS, Commit, Counts
from functions.domain.metering.ledger.surplus import (
    BYTES_A_LATE_BUCKET,
    BYTES_A_NEW_ITEM,
    BYTES_A_VISIT,
    LATE_SECONDS,
    VISITS_PAID,
)
from functions.domain.metering.meters.groupings import MetersByType
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.meters.rows import Rows, sort_events
from functions.domain.metering.meters.values import Uncountable, decode_data
from functions.domain.metering.usage.event_filter import EventFilter
from functions.domain.metering.values import json_path_query
from functions.domain.metering.values.event import Event, Pack, Void
from functions.domain.metering.values.event_json import MAX_DEPTH
from functions.domain.metering.values.readable import is_readable, is_too_deep
from functions.domain.metering.values.work import WORK
from tests.application.metering.ledger.test_usage import CALLS, LANES, NOW, TOKENS, Deployment, event

# At the bounds of what one tenant may make others wait for.
pytestmark = pytest.mark.large

SECOND = int(NOW.timestamp())
NESTED = '{"a":[' * 32 + "1" + "]}" * 32  # as deep as is taken


class Watched(MemoryLedger):
    """Knows in which order lanes have committed, and how much work each commit has made."""

    def __init__(self) -> None:
        super().__init__()
        self.committed: list[int] = []
        self.work: list[int] = []
        self.buckets: list[int] = []
        self._seen = WORK.visits

    def chunks(self, lane: int, buckets: Sequence[int]) -> dict[int, bytes]:
        self.buckets.append(len(buckets))
        return super().chunks(lane, buckets)

    def put_commits(self, commits: Sequence[Commit]) -> list[Commit | None]:
        self.committed += [commit.lane for commit in commits]
        self.work.append(WORK.visits - self._seen)
        self._seen = WORK.visits
        return super().put_commits(commits)


class Shared(Deployment):
    def __init__(self, meters: MeterSet) -> None:
        super().__init__(meters)
        self.ledger: Watched = Watched()
        self.charged: list[Mapping[str, int]] = []
        self.ledger.put_meter_set("t", meters)
        self.ledger.put_meter_set("other", meters)
        self.writer = self.new_writer()
        self.reader = UsageReader(self.ledger, self.archive, LANES)

    def charge(self, surplus: Mapping[str, int]) -> None:
        self.charged.append(surplus)

    def aggregate(self) -> Report:
        records = [Delivered(f"r{n}", encode_record(pack), SECOND) for n, pack in enumerate(self.stream.records)]
        self.stream.records = []
        return Aggregator(self.writer, self.ledger, self, decode_record, decoded_size, LANES.count, "t").aggregate(
            records
        )


def of_each_lane() -> list[str]:
    found = {LANES.lane_of("t", f"c{n}"): f"c{n}" for n in range(100)}
    return [found[lane] for lane in range(LANES.count)]


def with_data(number: int, raw: bytes, subject: str = "c1") -> Event:
    made = event(f"raw{number}", NOW - timedelta(minutes=20), subject)
    made.data = raw
    return made


# Bytes that an earlier release has taken; none of them may cost a neighbour anything.
UNREADABLE = [
    b'{"n":1,"x":"\xff"}',
    b'{"n":1,"\xc3\x28":1}',
    b'{"n":1,"x":"\xed\xa0\x80"}',
    b'{"n":1,"x":"\xf0\x9f\x98"}',
    b'{"n":1,"k":' + b"[" * 994 + b"]" * 994 + b"}",
    b'{"n":1,"k":' + b'{"k":' * 3_000 + b"1" + b"}" * 3_000 + b"}",
    b'{"n":1,"big":' + b"9" * 5_000 + b"}",
]


@pytest.mark.parametrize("raw", UNREADABLE, ids=range(len(UNREADABLE)))
def test_an_event_nobody_can_read_costs_its_neighbours_nothing(raw: bytes) -> None:
    deployment = Shared(MeterSet(1, (TOKENS, CALLS)))
    good = [event(f"e{n}", NOW - timedelta(minutes=20), n=1, model="m") for n in range(4_000)]
    deployment.send([*good[:2_000], with_data(0, raw), *good[2_000:]])
    report = deployment.aggregate()
    assert (report.counts.accepted, report.rejected_records, report.counts.uncountable) == (4_001, 0, 1)
    assert {(each.code, each.event.id if each.event else "") for each in deployment.ledger.rejects("t")} == {
        ("unreadable_data", "raw0")
    }
    for edge in (None, NOW - timedelta(minutes=21)):
        assert [row.value for row in deployment.ask(TOKENS, period_from=edge)] == [4_000]
    assert [row.value for row in deployment.ask(CALLS, is_exact=True)] == [4_000]
    reader, wanted = EventReader(deployment.ledger, deployment.archive, LANES), EventFilter("t")
    (listed,) = [each for each in reader.newest(wanted, 4_100).events if each.id == "raw0"]
    with pytest.raises(Uncountable):
        decode_data(listed.data)


def test_an_object_with_a_line_nobody_can_read_gives_all_others() -> None:
    lines = [event(f"e{n}", NOW, n=n) for n in range(3)]
    lines[1].data = b'{"n":1,"k":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    body = encode_lines([("t", "c1", lines)], SECOND, {"t": 1})
    found = list(decode_lines(body, 7))
    assert [(line.id, line.tenant, line.commit) for line in found] == [(f"e{n}", "t", 7) for n in range(3)]
    assert found[1].raw_data == lines[1].data
    with pytest.raises(Uncountable):
        decode_data(found[1].raw_data)


def test_bytes_that_are_no_text_never_get_into_the_archives_text() -> None:
    one, two = with_data(1, b'{"x":"\xff"}'), event("e", NOW, n=1)
    two.extensions = b'{"trace":"\xfe"}'
    body = encode_lines([("t", "c1", [one, two])], SECOND, {"t": 1})
    first, second = decode_lines(body, 1)
    assert msgspec.json.encode(first).decode()
    assert (first.data_base64, first.raw_data) == ("eyJ4Ijoi/yJ9", one.data)
    assert second.raw_data == two.data


def test_the_deepest_data_taken_are_read_from_anywhere() -> None:
    raw = NESTED.encode()
    assert (is_too_deep(raw), is_too_deep(b"[" + raw + b"]")) == (False, True)
    assert not is_too_deep(b'{"text":"' + b"[{" * 500 + b'\\"' + b"[" * 500 + b'"}')
    assert raw.count(b"[") + raw.count(b"{") == MAX_DEPTH
    deployment = Shared(MeterSet(1, (CALLS,)))
    deployment.send([with_data(1, raw)])
    deployment.aggregate()
    found: list[object] = []

    def ask(levels: int) -> None:
        if levels:
            ask(levels - 1)
        else:
            found.extend(row.value for row in deployment.ask(CALLS, is_exact=True))
            found.append(is_readable(raw))

    for depth in (0, 600):
        thread = threading.Thread(target=ask, args=(depth,))
        thread.start()
        thread.join()
    assert found == [1, True, 1, True]


def test_what_is_deeper_than_readers_read_counts_nowhere_beside_any_event() -> None:
    """Found by tests/fuzz: counted among others, and not when counted again."""
    deep = b'{"n":1,"k":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"
    deployment = Shared(MeterSet(1, (TOKENS, CALLS)))
    deployment.send([event("e1", NOW - timedelta(hours=1), n=1), with_data(0, deep)])
    deployment.send([with_data(1, deep)])
    assert deployment.aggregate().counts.uncountable == 2
    for meter in (TOKENS, CALLS):
        assert [row.value for row in deployment.ask(meter)] == [
            row.value for row in deployment.ask(meter, is_exact=True)
        ]
        assert [row.value for row in deployment.ask(meter)] == [1]


@pytest.mark.parametrize("number", [b"1e400", b"-9.5e99999999", b"9" * 400])
def test_numbers_that_meters_read_are_readable(number: bytes) -> None:
    """Found by tests/fuzz: counted, and yet listed as data that nobody could read."""
    raw = b'{"n":1,"x":%b}' % number
    assert decode_data(raw)["n"] == 1
    assert is_readable(raw)


@pytest.mark.parametrize("number", [b"1e99999999999999999999", b"9" * 5_000])
def test_numbers_that_meters_cannot_read_are_unreadable(number: bytes) -> None:
    raw = b'{"n":1,"x":%b}' % number
    assert not is_readable(raw)
    with pytest.raises(Uncountable):
        decode_data(raw)


def test_one_event_our_code_cannot_take_is_the_only_one_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Shared(MeterSet(1, (TOKENS,)))

    def broken(events: list[Event], by_type: MetersByType) -> tuple[list[Rows], list[tuple[Event, Uncountable]]]:
        if any(each.id == "e300" for each in events):
            raise RecursionError("a path nobody thought of")
        return sort_events(events, by_type)

    monkeypatch.setattr(counting, "sort_events", broken)
    deployment.send([event(f"e{n}", NOW - timedelta(hours=1), n=1) for n in range(1_000)])
    report = deployment.aggregate()
    assert (report.counts.accepted, report.counts.rejected, report.counts.received) == (999, 1, 1_000)
    (reject,) = deployment.ledger.rejects("t")
    assert (reject.code, reject.event.id if reject.event else "") == ("uncountable_event", "e300")
    assert [row.value for row in deployment.ask(TOKENS)] == [999]


HOSTILE = "$..[?@..[?@..*]]"
BUSHY = msgspec.json.encode({f"k{n}": [{"a": [1, {"b": [n]}]} for _ in range(20)] for n in range(25)})


def test_searches_end_commits_and_every_commit_makes_progress() -> None:
    paths = {f"d{n}": f"{HOSTILE[:-2]}]].x{n}" for n in range(10)}
    meters = MeterSet(1, (Meter("m1", "slow", "slow", Aggregation.COUNT, None, paths, since=1), CALLS))
    deployment = Shared(meters)
    events = [with_data(n, BUSHY, of_each_lane()[0]) for n in range(700)]
    for each in events:
        each.type = "slow"
    deployment.send(events)
    deployment.send([event("e", NOW - timedelta(hours=1), of_each_lane()[1])], "other")
    report = deployment.aggregate()
    assert report.counts.accepted == 701
    assert max(deployment.ledger.work) <= 1.2 * counting.MAX_COMMIT_WORK
    assert len(deployment.ledger.committed) > 5
    bystander = LANES.lane_of("other", of_each_lane()[1])
    assert bystander in deployment.ledger.committed[:2]
    # Each path comes to its end; what is beyond an ordinary event is paid for.
    visits = 700 * (len(paths) * json_path_query.MAX_VISITS - VISITS_PAID)
    assert visits * BYTES_A_VISIT <= report.surplus["t"] <= 1.1 * visits * BYTES_A_VISIT
    assert BYTES_A_NEW_ITEM * 2 <= report.surplus["other"] < BYTES_A_NEW_ITEM * 3  # a subject and its group
    assert len(deployment.charged) > 5  # while it was counted
    assert sum((Counter(each) for each in deployment.charged), Counter()) == report.surplus


def test_a_path_visits_no_more_than_a_few_times_the_nodes_there_are() -> None:
    meter = Meter("m1", "slow", "slow", Aggregation.COUNT, None, {"d": HOSTILE}, since=1)
    deployment = Shared(MeterSet(1, (meter,)))
    small = [with_data(n, b'{"a":[{"b":[1,2]},{"b":[3]}]}') for n in range(100)]
    for each in small:
        each.type = "slow"
    deployment.send(small)
    before = WORK.visits
    deployment.aggregate()
    assert WORK.visits - before < 100 * 200


def test_tenants_of_a_lane_take_turns() -> None:
    deployment = Shared(MeterSet(1, (CALLS,)))
    deployment.ledger.put_meter_set("other", MeterSet(1, (CALLS,)))
    lane = LANES.lane_of("t", "c0")
    crowd = [name for name in (f"c{n}" for n in range(30_000)) if LANES.lane_of("t", name) == lane]
    bystander = next(name for name in (f"b{n}" for n in range(100)) if LANES.lane_of("other", name) == lane)
    deployment.send([event(f"e{n}", NOW - timedelta(hours=1), name) for n, name in enumerate(crowd)])
    deployment.send([event("b", NOW - timedelta(hours=1), bystander)], "other")
    deployment.aggregate()
    assert deployment.ledger.last_commit_number(lane) > 1
    first = deployment.ledger.commit(lane, 1)
    assert first is not None
    assert ("other", bystander) in first.subjects


def test_late_events_of_very_many_buckets_are_read_a_hundred_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall_lane, "MAX_FINGERPRINTS", 0)  # so that buckets must be read
    deployment = Shared(MeterSet(1, (CALLS,)))
    subject, bystander = of_each_lane()[:2]
    deployment.send([event("first", NOW, subject), event("second", NOW, bystander)])
    deployment.aggregate()
    deployment.ledger.buckets.clear()
    deployment.ledger.committed.clear()
    late = [event(f"e{n}", NOW - timedelta(minutes=5 * n), subject) for n in range(2_000)]
    deployment.send([*late, late[7], late[1_900]])
    deployment.send([event("e", NOW - timedelta(hours=1), bystander)])
    report = deployment.aggregate()
    assert (report.counts.accepted, report.counts.duplicates, report.counts.received) == (2_001, 2, 2_003)
    assert max(deployment.ledger.buckets) == lane_memory.MAX_BUCKETS_AT_ONCE
    assert sum(deployment.ledger.buckets) == 2_001
    assert deployment.ledger.committed[:2] == [0, 1]
    assert Counter(deployment.ledger.committed)[0] == 20
    late_buckets = 2_000 - LATE_SECONDS // BUCKET_SECONDS
    assert late_buckets - 1 <= report.surplus["t"] // BYTES_A_LATE_BUCKET <= late_buckets + 1


def test_corrections_that_alternate_between_two_objects_open_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment, (subject, *_) = Shared(MeterSet(1, (CALLS,))), of_each_lane()
    sent = [[event(f"e{call}-{n}", NOW - timedelta(hours=call + 1), subject) for n in range(20)] for call in range(2)]
    for events in sent:
        deployment.send(events)
        deployment.aggregate()
    opened: list[Sequence[tuple[int, int]]] = []
    real = deployment.archive.lines_of

    def lines_of(lane: int, commits: Sequence[tuple[int, int]]) -> Iterator[tuple[int, list[ArchivedEvent] | None]]:
        opened.append(commits)
        return real(lane, commits)

    monkeypatch.setattr(deployment.archive, "lines_of", lines_of)
    voids = [
        Void(e.fingerprint, e.time, e.id, e.source, e.subject, f"v{e.id}")
        for pair in zip(*sent, strict=True)
        for e in pair
    ]
    deployment.stream.records.append(Pack("t", LANES.lane_of("t", subject), "voids", SECOND, [], voids))
    deployment.aggregate()
    assert len(opened) == 2
    assert deployment.ask(CALLS)[0].value == 0


def test_ordinary_events_of_known_subjects_pay_nothing_but_their_bytes() -> None:
    deployment = Shared(MeterSet(1, (CALLS, TOKENS)))
    for call in range(2):
        deployment.send([event(f"e{call}-{n}", NOW, f"c{n % 50}", n=n) for n in range(3_000)])
        report = deployment.aggregate()
    assert report.counts.accepted == 3_000
    assert not any(report.surplus.values())


def test_a_delivery_is_decoded_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of a hundred bytes that hold a thousand times as much."""
    monkeypatch.setattr(aggregate_usage, "MAX_SLICE_BYTES", 200_000)
    deployment = Shared(MeterSet(1, (CALLS,)))
    padded = msgspec.json.encode({"model": "m", "pad": "0" * 60_000})
    records = [
        encode_record(Pack("t", 0, f"p{n}", SECOND, [with_data(n, padded, of_each_lane()[0])])) for n in range(9)
    ]
    assert all(len(record) < 300 for record in records)
    held: list[int] = []
    real = deployment.writer.write

    def write(batches: Mapping[int, Batch]) -> dict[int, Counts | Exception]:
        held.append(sum(len(each.data) for batch in batches.values() for pack in batch.packs for each in pack.events))
        return real(batches)

    monkeypatch.setattr(deployment.writer, "write", write)
    aggregator = Aggregator(deployment.writer, deployment.ledger, deployment, decode_record, decoded_size, 4, "t")
    report = aggregator.aggregate([Delivered(f"r{n}", record, SECOND) for n, record in enumerate(records)])
    assert (report.counts.accepted, len(held)) == (9, 3)
    assert max(held) <= 200_000


def test_what_is_left_uncounted_always_fits_into_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by review: the commit was small, but the item that says which values it left out was too large for ever."""
    monkeypatch.setattr(counting, "MAX_LISTED_UNCOUNTABLE", 0)
    path = "$['" + "\U0001f600" * 250 + "']"
    meters = [
        Meter(
            f"01M8HYNET833Y8Y60M3AF{n:05d}", f"m{n}", f"type{n % 7}", Aggregation.SUM, f"{path[:-2]}{n % 9}']", since=1
        )
        for n in range(330)
    ]
    deployment = Shared(MeterSet(1, tuple(meters)))
    events = []
    for n in range(600):
        made = with_data(n, b"{}" if n % 2 else b'{"n":null}', "c1")
        made.type, made.time = f"type{n % 7}", SECOND - n % 30 * 86_400
        events.append(made)
    deployment.send(events)
    report = deployment.aggregate()
    assert report.counts.accepted == 600
    lane, named = LANES.lane_of("t", "c1"), 0
    for n in range(1, deployment.ledger.last_commit_number(lane) + 1):
        commit = deployment.ledger.commit(lane, n)
        assert commit is not None
        assert len(encode_commit(commit)) < 350_000
        for item in further_items(commit):
            assert len(item["b"]["B"]) < 350_000
            named += sum(len(reason.lines) for reason in further_of(decode_item(item)).reasons)
    assert named == report.counts.uncountable


def test_codes_of_a_lane_have_an_end_for_any_subjects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_LANE_CODES", 5)
    monkeypatch.setattr(counting, "MOST_LANE_CODES", 9)
    deployment = Shared(MeterSet(1, (CALLS,)))
    deployment.send([event(f"e{n}", NOW - timedelta(hours=1), f"s{n}", model=f"m{n}") for n in range(200)])
    deployment.aggregate()
    for lane in range(LANES.count):
        assert len(list(deployment.ledger.codes("t", lane))) <= 10  # with `__other__`


def test_one_pack_of_old_events_does_not_take_its_neighbours_apart() -> None:
    deployment = Shared(MeterSet(1, (CALLS,)))
    subject = of_each_lane()[0]
    for n in range(40):
        deployment.send([event(f"n{n}", NOW - timedelta(minutes=1), subject)], "other")
    deployment.send([event(f"e{n}", NOW - timedelta(minutes=5 * n), subject) for n in range(150)])
    for n in range(40, 80):
        deployment.send([event(f"n{n}", NOW - timedelta(minutes=1), subject)], "other")
    report = deployment.aggregate()
    assert report.counts.accepted == 230
    assert len(deployment.ledger.committed) <= 4

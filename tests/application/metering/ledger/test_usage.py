"""From packs to answers: for any events in any batches, a query equals a recount of the distinct events."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from functions.adapters.memory.ledger import MemoryArchive, MemoryLedger, MemoryStream
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.application.billing.measure_usage import MeasuredUsage, window_size
from functions.application.metering.ledger import recall_lane
from functions.application.metering.ledger.aggregate_usage import Aggregator, Delivered
from functions.application.metering.ledger.close_lanes import close_lanes, count_lanes
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.ledger.ingest_events import ingest_events
from functions.application.metering.usage import walk_owners
from functions.application.metering.usage.query_usage import UsageReader
from functions.application.metering.usage.usage_bounds import Bounds
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.errors import NotFound, TooLarge
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.ledger import counting
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import UsageRow
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack
from functions.domain.metering.values.holding import held_ever
from functions.domain.metering.values.lanes import Lanes
from functions.domain.period import Period
from tests.writing import write

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = datetime(2026, 10, 20, tzinfo=UTC)  # summer time ends in Europe on the 25th
LANES = Lanes(4, b"a key of the test")
TOKENS = Meter("m1", "tokens", "call", Aggregation.SUM, "$.n", {"model": "$.model", "team": "$.team"}, since=1)
CALLS = Meter("m2", "calls", "call", Aggregation.COUNT, None, {"model": "$.model"}, since=1)
PEAK = Meter("m3", "peak", "call", Aggregation.MAX, "$.n", since=1)
METERS = MeterSet(1, (TOKENS, CALLS, PEAK))


class FixedClock:
    def __init__(self, now: datetime = NOW) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


class Deployment:
    """Ingest, stream, writer and reader on memory ports; pages are written by each delivery."""

    behind_seconds = 0

    def __init__(self, meters: MeterSet = METERS, now: datetime = NOW) -> None:
        self.ledger, self.archive, self.stream = MemoryLedger(), MemoryArchive(), MemoryStream()
        self.ledger.put_meter_set("t", meters)
        self.look_backs, self.window = MemoryLookBacks(), AcceptanceWindow()
        self.clock = FixedClock(now)
        self.ids = 0
        self.rejected: dict[str, bytes] = {}
        self.writer = self.new_writer()
        self.reader = UsageReader(self.ledger, self.archive, LANES)

    def new_writer(self) -> LaneWriter:
        window, fingerprint = self.window, LANES.value_fingerprint
        return LaneWriter(
            self.ledger,
            self.archive,
            self.clock,
            self.new_id,
            window,
            self.look_backs,
            fingerprint,
            self.charge,
            self.behind_seconds,
        )

    def charge(self, surplus: Mapping[str, int]) -> None:
        """A test that asks about it takes it."""

    def new_id(self) -> str:
        self.ids += 1
        return f"id{self.ids}"

    def send(self, events: Sequence[Event], tenant: str = "t") -> None:
        now, size = int(self.clock.now().timestamp()), sum(len(event.data) for event in events)
        ingest_events(events, tenant, LANES, self.stream, self.new_id, now, size)

    def deliver(self) -> None:
        write(self.writer, self.stream.records)
        self.stream.records = []

    def aggregator(self, decode: Callable[[bytes], Any]) -> Aggregator:
        return Aggregator(self.writer, self.ledger, self, decode, len, LANES.count, "t")

    def put_rejected_record(self, identity: str, body: bytes) -> str:
        self.rejected[identity] = body
        return f"rejects/{identity}"

    def ask(self, meter: Meter = TOKENS, **query: Any) -> list[UsageRow]:
        return self.reader.rows(UsageQuery("t", meter, **query), NOW)


def event(event_id: str, at: datetime, subject: str = "c1", kind: str = "call", **data: Any) -> Event:
    fingerprint = LANES.fingerprint("t", subject, "s", event_id)
    body = msgspec.json.encode(data)
    return Event(fingerprint, int(at.timestamp()), event_id, "s", kind, subject, body, micros=at.microsecond)


def test_days_that_begin_inside_a_half_hour_are_cut_to_the_second() -> None:
    deployment = Deployment()
    midnight = datetime(2026, 11, 10, 18, 15, tzinfo=UTC)  # in Kathmandu
    deployment.send([event("1", midnight - timedelta(seconds=1), n=1), event("2", midnight, n=2)])
    deployment.deliver()
    rows = deployment.ask(window="DAY", time_zone="Asia/Kathmandu")
    assert [(row.window_end, row.value) for row in rows] == [
        (midnight, Decimal(1)),
        (midnight + timedelta(days=1), Decimal(2)),
    ]


def test_an_open_range_ends_with_its_events_to_the_minute() -> None:
    deployment = Deployment()
    deployment.send(
        [event("1", NOW - timedelta(hours=30, seconds=10), n=1), event("2", NOW - timedelta(seconds=70), n=2)]
    )
    deployment.deliver()
    (row,) = deployment.ask()
    assert (row.value, row.window_start, row.window_end) == (
        Decimal(3),
        NOW - timedelta(hours=30, minutes=1),
        NOW - timedelta(minutes=1),
    )


def test_events_without_data_count_alike_in_whole_and_in_cut_windows() -> None:
    deployment = Deployment()
    bare, full = event("1", NOW - timedelta(minutes=50), n=1), event("2", NOW - timedelta(minutes=50), n=1)
    bare.data = b""
    deployment.send([bare, full])
    deployment.deliver()
    for minutes in (60, 55):
        (row,) = deployment.ask(CALLS, period_from=NOW - timedelta(minutes=minutes), period_to=NOW)
        assert row.value == 2, minutes


def test_nothing_is_no_row_for_a_sum_and_zero_for_a_count() -> None:
    deployment = Deployment()
    assert deployment.ask(TOKENS) == []
    assert [row.value for row in deployment.ask(CALLS)] == [0]
    assert deployment.ask(CALLS, window="DAY") == []
    assert deployment.ask(CALLS, group_by=("model",)) == []


@pytest.mark.large
def test_a_hundred_thousand_values_of_thirty_digits_and_one_of_18_behind_the_point_add_up_exactly() -> None:
    deployment, at = Deployment(MeterSet(1, (TOKENS,))), NOW - timedelta(minutes=50)
    largest = event("", at, n="1e30")
    for start in range(0, 100_000, 10_000):
        deployment.send([replace(largest, id=f"e{start + n}", fingerprint=start + n) for n in range(10_000)])
        deployment.deliver()
    deployment.send([event("last", at, n="0.000000000000000001")])
    deployment.deliver()
    expected = Decimal("100000000000000000000000000000000000.000000000000000001")
    for minutes in (60, 51):  # from counters, from the log
        (row,) = deployment.ask(period_from=NOW - timedelta(minutes=minutes), period_to=NOW)
        assert row.value == expected


def test_customers_add_up_their_subjects() -> None:
    deployment = Deployment()
    deployment.send([event(str(i), NOW - timedelta(hours=1), f"c{i % 3}", n=i) for i in range(9)])
    deployment.deliver()
    rows = deployment.ask(customers={"one": held_ever(("c0", "c1")), "two": held_ever(("c2",))})
    assert {row.customer_id: row.value for row in rows} == {"one": 0 + 3 + 6 + 1 + 4 + 7, "two": 2 + 5 + 8}


def test_tenants_do_not_see_each_other() -> None:
    deployment = Deployment()
    deployment.ledger.put_meter_set("u", METERS)
    deployment.send([event("1", NOW, n=5)])
    deployment.send([event("1", NOW, n=7)], tenant="u")
    deployment.deliver()
    assert [row.value for row in deployment.ask()] == [5]
    assert [row.value for row in deployment.reader.rows(UsageQuery("u", TOKENS), NOW)] == [7]


def test_the_same_id_with_a_new_time_counts_once_as_long_as_the_lane_remembers() -> None:
    deployment = Deployment()
    deployment.send([event("1", NOW, n=5)])
    deployment.deliver()
    days = deployment.window.past // 86_400
    for later in (timedelta(minutes=65), timedelta(days=1), timedelta(days=days)):
        deployment.clock.time = NOW + later
        deployment.writer = deployment.new_writer()
        deployment.send([event("1", deployment.clock.time, n=5)])
        deployment.deliver()
        assert [row.value for row in deployment.ask(period_to=deployment.clock.time + timedelta(hours=1))] == [5], later


def test_what_does_not_fit_is_forgotten_from_its_old_end_and_counts_by_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recall_lane, "MAX_FINGERPRINTS", 8 * recall_lane.LEAST_SHARES)
    deployment = Deployment()
    subject, late = "c1", event("late", NOW - timedelta(hours=2), n=1)
    for hour in range(4):
        deployment.clock.time = NOW + timedelta(hours=hour)
        deployment.send([late, *(event(f"{hour}-{i}", deployment.clock.time, subject, n=1) for i in range(4))])
        deployment.deliver()
    again = [event("0-0", deployment.clock.time, subject, n=1), event("3-0", NOW, subject, n=1)]
    deployment.send([late, *again])
    deployment.deliver()
    # The first was forgotten and comes with another time, the second was not; the late one has the time it had.
    assert [row.value for row in deployment.ask(period_to=NOW + timedelta(days=1))] == [1 + 16 + 1]


def test_the_same_time_is_a_duplicate_at_any_age() -> None:
    deployment = Deployment()
    deployment.send([event("1", NOW, n=5)])
    deployment.deliver()
    deployment.clock.time = NOW + timedelta(days=44)
    deployment.writer = deployment.new_writer()
    deployment.send([event("1", NOW, n=5)])
    deployment.deliver()
    assert [row.value for row in deployment.ask()] == [5]


def test_an_event_whose_fingerprint_may_be_gone_is_refused_and_kept() -> None:
    deployment = Deployment()
    deployment.send([event("1", NOW - timedelta(days=60), n=5), event("2", NOW, n=1)])
    deployment.deliver()
    assert [row.value for row in deployment.ask()] == [1]
    (reject,) = deployment.ledger.rejects("t")
    assert reject.code == "outside_acceptance_window"
    assert reject.event is not None
    assert reject.event.id == "1"


def test_values_no_meter_can_take_are_listed_and_the_event_is_kept() -> None:
    deployment = Deployment(MeterSet(1, (TOKENS, CALLS)))
    bad = ["NaN", "Inf", None, "x", "9" * 400, 10**31, True, {"a": 1}, "-1e31"]
    deployment.send([event(str(i), NOW, n=value) for i, value in enumerate(bad)])
    deployment.send([event("missing", NOW), event("good", NOW, n="99999999999999.99999999999999999")])
    deployment.deliver()
    assert [row.value for row in deployment.ask(TOKENS)] == [Decimal("99999999999999.99999999999999999")]
    assert [row.value for row in deployment.ask(CALLS)] == [len(bad) + 2]
    listed = deployment.ledger.rejects("t")
    assert len(listed) == len(bad) + 1
    assert all(reject.is_counted_elsewhere for reject in listed)


def test_an_integer_of_400_digits_does_not_stop_the_lane() -> None:
    deployment = Deployment()
    huge = event("1", NOW, n=1)
    huge.data = b'{"n":' + b"9" * 400 + b',"model":' + b"7" * 5_000 + b"}"
    deployment.send([huge, event("2", NOW, n=3)])
    deployment.deliver()
    assert [row.value for row in deployment.ask()] == [3]


def test_ten_thousand_groups_are_counted_and_further_ones_fall_into_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_SUBJECT_CODES", 1_000)
    deployment = Deployment(MeterSet(1, (TOKENS,)))
    deployment.send([event(str(i), NOW, n=1, model=f"model-{i}") for i in range(3_000)])
    deployment.deliver()
    rows = {row.group_by["model"]: row.value for row in deployment.ask(group_by=("model",))}
    assert sum(rows.values()) == 3_000
    assert rows["__other__"] == 2_000
    assert len(rows) == 1_001


def test_a_batch_too_large_for_one_commit_makes_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_COMMIT_EVENTS", 10)
    deployment = Deployment()
    events = [event(str(i), NOW - timedelta(minutes=i), f"c{i % 3}", n=i, model="m" * (i % 5)) for i in range(95)]
    deployment.send(events)
    deployment.deliver()
    assert [row.value for row in deployment.ask()] == [sum(range(95))]
    deployment.send(events)
    deployment.deliver()
    assert [row.value for row in deployment.ask()] == [sum(range(95))]
    assert deployment.ledger.last_commit_number(LANES.lane_of("t", "c0")) >= 3


def test_hostile_subjects_and_groups_fit_into_commits() -> None:
    deployment = Deployment(MeterSet(1, (TOKENS,)))
    long = [event(str(i), NOW, f"{i:04d}" + "\U0001f600" * 240, n=1, model=f"{i}" + "ä" * 900) for i in range(600)]
    deployment.send(long)
    deployment.deliver()
    assert [row.value for row in deployment.ask()] == [600]
    bodies = [v[-1] for k, v in deployment.ledger.table.versions.items() if k[0] == "commit"]
    assert max(map(len, bodies)) < 400_000


def test_an_event_accepted_after_a_meter_was_made_counts_and_an_earlier_one_does_not() -> None:
    deployment = Deployment(MeterSet(1, (CALLS,)))
    deployment.send([event("1", NOW - timedelta(minutes=45, seconds=5), n=5)])
    deployment.deliver()
    late = msgspec.structs.replace(TOKENS, since=2)
    deployment.ledger.put_meter_set("t", MeterSet(2, (CALLS, late)))
    deployment.send([event("2", NOW - timedelta(minutes=45, seconds=5), n=7)])
    deployment.deliver()
    assert [row.value for row in deployment.ask(late)] == [7]
    edge = NOW - timedelta(minutes=45, seconds=5)
    assert [row.value for row in deployment.ask(late, period_from=edge)] == [7]
    assert [row.value for row in deployment.ask(CALLS, period_from=edge)] == [2]


def test_a_close_marker_is_answered_by_every_lane_once_what_came_before_is_counted() -> None:
    deployment = Deployment()
    deployment.send([event("1", NOW, n=5)])
    close_lanes(deployment.stream, "run-1", LANES.count, 0)
    assert count_lanes(deployment.ledger, "run-1", LANES.count) == {}
    deployment.deliver()
    assert sorted(count_lanes(deployment.ledger, "run-1", LANES.count)) == [0, 1, 2, 3]
    assert [row.value for row in deployment.ask()] == [5]
    close_lanes(deployment.stream, "run-1", LANES.count, 0)
    deployment.deliver()
    assert len(count_lanes(deployment.ledger, "run-1", LANES.count)) == 4


def test_too_many_subjects_are_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk_owners, "OWNERS_AHEAD", 2)
    deployment = Deployment()
    deployment.reader = UsageReader(deployment.ledger, deployment.archive, LANES, Bounds(reads=5))
    deployment.send([event(str(i), NOW, f"c{i}", n=1) for i in range(6)])
    deployment.deliver()
    with pytest.raises(TooLarge, match="send `cursor`, empty at first"):
        deployment.ask(group_by=("subject",))


def test_poison_records_are_kept_and_their_neighbours_counted() -> None:
    deployment = Deployment()
    deployment.send([event("1", NOW, n=5)])
    good = deployment.stream.records[0]
    bad_pack = Pack("t", good.lane, "p", 0, [Event("not a number", 0, "", "", "", "")])  # type: ignore[arg-type]
    known: dict[bytes, Any] = {b"good": good, b"bad": bad_pack, b"far": Pack("t", 99, "p", 0, [])}

    def decode(body: bytes) -> Any:
        if body not in known:
            raise ValueError("not a record")
        return known[body]

    delivered = [Delivered(f"shard-{body!r}", body, 7) for body in (b"good", b"?", b"bad", b"far")]
    report = deployment.aggregator(decode).aggregate(delivered)
    assert (report.counts.accepted, report.rejected_records) == (1, 3)
    assert [row.value for row in deployment.ask()] == [5]
    assert len(deployment.rejected) == 3
    assert {reject.object_key for reject in deployment.ledger.rejects("t")} == {
        f"rejects/{identity}" for identity in deployment.rejected
    }


def test_one_group_of_very_many_reads_only_its_own_pages() -> None:
    deployment = Deployment()
    deployment.send([event(str(i), NOW - timedelta(hours=i % 40), "c1", n=i, model=f"m{i}") for i in range(1_000)])
    deployment.deliver()
    filters = {"model": ("m41", "m900")}
    requests: list[str] = []
    deployment.ledger.request = requests.append
    (row,) = deployment.ask(period_from=NOW - timedelta(days=10), period_to=NOW, filters=filters)
    assert row.value == 941
    assert "pages" not in requests
    assert [row.value for row in deployment.ask(filters=filters)] == [941], "an open range reads them all"
    assert "pages" in requests


@pytest.mark.parametrize(
    ("bounds", "asked", "bound"),
    [
        (Bounds(pages=1), {}, "1 counter pages"),
        (Bounds(cells=3), {}, "3 counters"),
        (Bounds(rows=2), {"window": "HOUR"}, "2 rows"),
        (Bounds(objects=1), {"window": "MINUTE"}, "1 archived commits"),
        (Bounds(entries=1), {"is_exact": True}, "1 entries of the archive's index"),
        (Bounds(events=3), {"is_exact": True}, "3 archived events"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_too_much_to_read_names_the_bound_and_the_remedy(bounds: Bounds, asked: dict[str, Any], bound: str) -> None:
    deployment = Deployment()
    for hours in range(4):
        deployment.send([event(str(hours), NOW - timedelta(hours=7 * hours), n=1)])
        deployment.deliver()
    deployment.reader = UsageReader(deployment.ledger, deployment.archive, LANES, bounds)
    with pytest.raises(TooLarge, match=bound) as refused:
        deployment.ask(**asked)
    assert "shorter range" in refused.value.detail
    deployment.reader = UsageReader(deployment.ledger, deployment.archive, LANES)
    assert sum(row.value for row in deployment.ask(**asked)) == 4


def test_too_many_values_are_not_united() -> None:
    unique = Meter("m4", "users", "call", Aggregation.UNIQUE_COUNT, "$.user", since=1)
    deployment = Deployment(MeterSet(1, (unique,)))
    deployment.send([event(str(number), NOW, user=f"u{number}") for number in range(100)])
    deployment.deliver()
    assert [row.value for row in deployment.ask(unique)] == [100]
    deployment.reader = UsageReader(deployment.ledger, deployment.archive, LANES, Bounds(value_bytes=99 * 8))
    with pytest.raises(TooLarge, match="more than 99 values"):
        deployment.ask(unique)


def test_a_range_left_open_over_very_many_events_ends_on_a_half_hour() -> None:
    deployment = Deployment()
    at = NOW - timedelta(minutes=20)
    deployment.send([event("1", at, n=1)])
    deployment.deliver()
    deployment.reader = UsageReader(deployment.ledger, deployment.archive, LANES, Bounds(range_objects=0))
    (row,) = deployment.ask()
    assert (row.window_start, row.window_end) == (NOW - timedelta(minutes=30), NOW)


def test_exactly_means_the_groups_of_the_events_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_SUBJECT_CODES", 1)
    deployment = Deployment(MeterSet(1, (CALLS,)))
    deployment.send([event(str(number), NOW - timedelta(hours=1), model=f"m{number}") for number in range(3)])
    deployment.deliver()
    for edge in (None, NOW - timedelta(hours=1, seconds=1)):
        rows = deployment.ask(CALLS, group_by=("model",), period_from=edge)
        assert {row.group_by["model"]: row.value for row in rows} == {"m0": 1, "__other__": 2}, edge
    rows = deployment.ask(CALLS, group_by=("model",), is_exact=True)
    assert {row.group_by["model"]: row.value for row in rows} == {"m0": 1, "m1": 1, "m2": 1}
    assert [row.value for row in deployment.ask(CALLS, filters={"model": ("m2",)}, is_exact=True)] == [1]
    assert deployment.ask(CALLS, group_by=("model",), filters={"model": ("m2",)}) == []


def test_an_invoice_takes_a_percentile_from_the_log() -> None:
    latency = Meter("m5", "latency", "call", Aggregation.PERCENTILE, "$.ms", since=1, percentile=Decimal(99))
    deployment = Deployment(MeterSet(1, (latency,)))
    deployment.send([event(str(number), NOW - timedelta(hours=1), ms=number * 7) for number in range(1, 201)])
    deployment.deliver()
    usage = MeasuredUsage(deployment.reader, deployment.ledger, deployment.clock)
    period = Period(NOW - timedelta(days=1), NOW)
    assert usage.usage(UsageQuestion("t", "latency", held_ever(["c1"]), {}, period))[0] == 198 * 7
    assert deployment.ask(latency)[0].value != 198 * 7


def test_only_meters_that_never_fall_can_be_billed_in_parts() -> None:
    path = {Aggregation.COUNT: None}
    meters = tuple(
        Meter(f"m{n}", f"a_{n}", "call", each, path.get(each, "$.n"), since=1) for n, each in enumerate(Aggregation)
    )
    deployment = Deployment(MeterSet(1, meters))
    usage = MeasuredUsage(deployment.reader, deployment.ledger, deployment.clock)

    growing = {each.aggregation.value for each in meters if usage.only_grows("t", each.slug)}
    assert growing == {"SUM", "COUNT", "MAX", "UNIQUE_COUNT"}
    with pytest.raises(NotFound):
        usage.only_grows("t", "gone")


def test_an_invoice_counts_what_a_features_conditions_let_through() -> None:
    deployment = Deployment(MeterSet(1, (CALLS,)))
    models = ("gpt-4", "gpt-5", "claude", "gpt-5")
    deployment.send([event(str(n), NOW - timedelta(hours=1), model=model) for n, model in enumerate(models)])
    deployment.deliver()
    usage = MeasuredUsage(deployment.reader, deployment.ledger, deployment.clock)
    period = Period(NOW - timedelta(days=1), NOW)

    def counted(condition: Any) -> Decimal:
        return usage.usage(UsageQuestion("t", CALLS.slug, held_ever(["c1"]), {"model": condition}, period))[0]

    assert counted({"$like": "gpt-%"}) == 3
    assert counted({"$and": [{"$like": "gpt-%"}, {"$ne": "gpt-4"}]}) == 2
    assert counted(("claude", "gpt-4")) == 2


def windowed(meter: Meter, period: Period, most: int = 100) -> Any:
    """What explaining a line of two subjects asks, over events of three days."""
    deployment = Deployment(MeterSet(1, (meter,)))
    times = [NOW - timedelta(days=days, minutes=minutes) for days, minutes in ((2, 7), (1, 0), (0, 1))]
    deployment.send([event(f"{s}{n}", each, s, n=n + 1) for s in ("c1", "c2") for n, each in enumerate(times)])
    deployment.deliver()
    usage = MeasuredUsage(deployment.reader, deployment.ledger, deployment.clock)
    question = UsageQuestion("t", meter.slug, held_ever(["c1", "c2"]), {}, period)
    return usage.windows(question, most), usage.usage(question)[0]


def test_the_windows_of_a_line_add_up_to_its_quantity_over_all_subjects() -> None:
    period = Period(NOW - timedelta(days=3), NOW)
    found, quantity = windowed(TOKENS, period)
    assert (found.size, found.aggregation) == ("HOUR", "SUM")
    assert [each.quantity for each in found.windows] == [2, 4, 6]
    assert sum(each.quantity for each in found.windows) == quantity
    assert found.windows[0].end - found.windows[0].start == timedelta(hours=1)


def test_the_windows_of_a_highest_value_do_not_add_up_and_are_cut_to_the_period() -> None:
    period = Period(NOW - timedelta(days=2, minutes=10), NOW)
    found, quantity = windowed(PEAK, period, most=3)
    assert (found.size, [each.quantity for each in found.windows], quantity) == ("DAY", [1, 2, 3], 3)
    assert (found.windows[0].start, found.windows[-1].end) == (period.start, period.end)


@pytest.mark.parametrize(
    ("days", "size"), [(0, "HOUR"), (4, "HOUR"), (5, "DAY"), (99, "DAY"), (101, "MONTH"), (9_999, "YEAR")]
)
def test_a_period_is_shown_in_the_smallest_windows_that_a_person_reads(days: int, size: str) -> None:
    assert window_size(Period(START, START + timedelta(days=days)), 100) == size

"""Kinesis and S3 as the emulator speaks them: records reach their lane's shard, archived events come back exactly."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import zstandard
from botocore.exceptions import ClientError

from functions.adapters.archive import S3Archive, archive_key, decode_lines, encode_lines
from functions.adapters.aws import away, busy
from functions.adapters.kinesis import KinesisStream
from functions.adapters.memory.ledger import MemoryLedger
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.adapters.records import (
    Undecodable,
    decode_commit,
    decode_record,
    decoded_size,
    encode_commit,
    encode_record,
)
from functions.application.metering.ledger.aggregate_usage import Aggregator, Delivered, Report
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.domain.errors import ArchiveGap, Unavailable
from functions.domain.metering.ledger.ledger import HOUR_SECONDS, Commit, Counts
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.values.event import AcceptanceWindow, CloseMarker, Event, Pack, Void
from functions.domain.metering.values.lanes import Lanes
from infra.local import emulator

NOW = 1_790_000_000
LANES = Lanes(4, b"a key of the test")
EVENT = Event(7, NOW, "é1", "api", "call", "c1", b'{"n":0.10000000000000000000000001}', b'{"traceid":"x"}')


def commit(**fields: Any) -> Commit:
    defaults: dict[str, Any] = {"staged_key": "", "inline_archive": b""}
    rest = defaults | fields
    return Commit(
        2, 17, "a1", NOW, NOW, {1: b"12345678"}, [], [], [], [], [], **rest, counts=Counts(1), meter_versions={}
    )


def test_records_come_back_as_they_were() -> None:
    pack = Pack("t", 2, "p1", NOW, [EVENT])
    assert decode_record(encode_record(pack)) == pack
    assert decode_record(encode_record(CloseMarker(1, "run", NOW))) == CloseMarker(1, "run", NOW)
    assert decode_commit(encode_commit(commit())) == commit()


@pytest.mark.parametrize(
    "body", [b"", b"x", b"\x28\xb5\x2f\xfd", encode_record(CloseMarker(1, "r", 1))[:-2], b"{" * 99]
)
def test_what_is_no_record_is_told_apart(body: bytes) -> None:
    with pytest.raises(Undecodable):
        decode_record(body)


def test_a_record_that_claims_to_be_huge_is_not_inflated() -> None:
    import zstandard

    with pytest.raises(Undecodable, match="says it holds"):
        decode_record(zstandard.ZstdCompressor().compress(b"\0" * 70_000_000))


def test_every_lane_reaches_its_shard(aws: int) -> None:
    client = emulator.client("kinesis", aws)
    client.create_stream(StreamName="events", ShardCount=2)
    KinesisStream(client, "events", LANES.count).put([Pack("t", lane, f"p{lane}", NOW, [EVENT]) for lane in range(4)])
    found = {}
    for shard in client.list_shards(StreamName="events")["Shards"]:
        iterator = client.get_shard_iterator(
            StreamName="events", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = client.get_records(ShardIterator=iterator)["Records"]
        found[shard["ShardId"]] = sorted(decode_record(record["Data"]).lane for record in records)
    assert sorted(found.values()) == [[0, 1], [2, 3]]


class FlakyKinesis:
    """Refuses some entries, then the whole request, then the connection, then takes what is left."""

    def __init__(self, failures: list[Any]) -> None:
        self.failures = failures
        self.taken: list[Any] = []

    def put_records(self, *, StreamName: str, Records: list[Any]) -> Any:
        failure = self.failures.pop(0) if self.failures else ()
        if isinstance(failure, Exception):
            raise failure
        answers = []
        for index, record in enumerate(Records):
            if index in failure:
                answers.append({"ErrorCode": "ProvisionedThroughputExceededException"})
            else:
                self.taken.append(record)
                answers.append({"SequenceNumber": "1"})
        return {"Records": answers}


def test_only_what_failed_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.adapters.kinesis.FIRST_PAUSE_SECONDS", 0)
    flaky = FlakyKinesis([(0, 2), busy("The event stream"), away("The event stream"), (1,)])
    KinesisStream(flaky, "events", LANES.count).put([Pack("t", lane, f"p{lane}", NOW, [EVENT]) for lane in range(4)])  # type: ignore[arg-type]
    assert sorted(record["PartitionKey"] for record in flaky.taken) == ["0", "1", "2", "3"]


def test_a_stream_that_takes_nothing_is_unavailable_and_says_when_to_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.adapters.kinesis.FIRST_PAUSE_SECONDS", 0)
    stream = KinesisStream(FlakyKinesis([(0,)] * 20), "events", LANES.count)  # type: ignore[arg-type]
    with pytest.raises(Unavailable) as refused:
        stream.put([CloseMarker(0, "m", NOW)])
    assert refused.value.retry_after_seconds > 0


def test_a_missing_right_is_not_retried() -> None:
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "PutRecords")
    stream = KinesisStream(FlakyKinesis([denied]), "events", LANES.count)  # type: ignore[arg-type]
    with pytest.raises(ClientError, match="AccessDenied"):
        stream.put([CloseMarker(0, "m", NOW)])


def test_many_records_leave_in_requests_kinesis_takes() -> None:
    sizes = []

    class Counting(FlakyKinesis):
        def put_records(self, *, StreamName: str, Records: list[Any]) -> Any:
            sizes.append(len(Records))
            return super().put_records(StreamName=StreamName, Records=Records)

    counting = Counting([])
    KinesisStream(counting, "events", LANES.count).put([CloseMarker(i % 4, "m", NOW) for i in range(1_201)])  # type: ignore[arg-type]
    assert sizes == [500, 500, 201]


def test_archived_events_come_back_to_the_digit_whether_staged_or_inline(aws: int) -> None:
    client = emulator.client("s3", aws)
    client.create_bucket(Bucket="archive")
    archive = S3Archive(client, "archive")
    body = archive.encode([("t", "c1", [EVENT])], NOW, {"t": 3})
    for change in ({"inline_archive": body}, {"staged_key": archive.stage(2, "a1", body)}):
        archive.publish(commit(**change))
        (line,) = archive.events(2, 17, NOW // HOUR_SECONDS)
        assert (line.tenant, line.id, line.subject, line.meter_version) == ("t", "é1", "c1", 3)
        assert (line.time_seconds, line.raw_data) == (NOW, EVENT.data)
        client.delete_object(Bucket="archive", Key=archive_key(2, 17, NOW // HOUR_SECONDS))


def test_a_line_has_microseconds_only_beside_its_time() -> None:
    body = encode_lines([("t", "c1", [EVENT, msgspec.structs.replace(EVENT, micros=250_000)])], NOW, {"t": 3})
    whole, later = map(json.loads, gzip.decompress(body).splitlines())
    assert "micros" not in whole
    assert later == whole | {"micros": 250_000}
    assert whole["time"] == "2026-09-21T14:13:20Z"
    assert [(line.time_seconds, line.micros) for line in decode_lines(body, 1)] == [(NOW, 0), (NOW, 250_000)]


def test_any_number_of_commits_is_read_in_order(aws: int) -> None:
    client = emulator.client("s3", aws)
    client.create_bucket(Bucket="many")
    archive = S3Archive(client, "many")
    for n in range(1, 26):
        body = archive.encode([("t", f"c{n}", [EVENT])], NOW, {"t": 3})
        archive.publish(msgspec.structs.replace(commit(inline_archive=body), n=n))
    wanted = [(n, NOW // 3_600) for n in range(1, 26)]
    assert [event.subject for event in archive.events_of(2, wanted)] == [f"c{n}" for n, _ in wanted]
    assert list(archive.events_of(2, [])) == []
    first = next(iter(archive.events_of(2, wanted)))
    assert first.subject == "c1"


def test_a_void_whose_events_object_is_lost_holds_up_nothing_behind_it(aws: int) -> None:
    """Kept as a reject it can be replayed, should somebody restore the object."""
    client = emulator.client("s3", aws)
    client.create_bucket(Bucket="lossy")
    ledger, archive = MemoryLedger(), S3Archive(client, "lossy")
    ledger.put_meter_set("t", MeterSet(1, ()))
    clock = SimpleNamespace(now=lambda: datetime.fromtimestamp(NOW, UTC))
    writer = LaneWriter(
        ledger, archive, clock, lambda: "a1", AcceptanceWindow(), MemoryLookBacks(), LANES.value_fingerprint
    )
    aggregator = Aggregator(writer, ledger, archive, decode_record, decoded_size, LANES.count, "t")

    def delivered(name: str, *packs: Pack) -> Report:
        records = [Delivered(f"{name}-{n}", encode_record(pack), NOW) for n, pack in enumerate(packs)]
        return aggregator.aggregate(records)

    delivered("first", Pack("t", 2, "p1", NOW, [EVENT]))
    client.delete_object(Bucket="lossy", Key=archive_key(2, 1, NOW // HOUR_SECONDS))
    void = Pack("t", 2, "p2", NOW, [], [Void(EVENT.fingerprint, NOW, EVENT.id, EVENT.source, EVENT.subject, "0-1")])
    another = Pack("t", 2, "p3", NOW, [msgspec.structs.replace(EVENT, fingerprint=8, id="2")])
    report = delivered("second", void, another)
    assert report.rejected_records == 1
    counted = ledger.commit(2, ledger.last_commit_number(2))
    assert counted is not None
    assert counted.counts.accepted == 1
    assert archive.rejected_record("rejects/second-0") == encode_record(void)


def test_an_object_that_is_gone_or_broken_is_a_gap_and_no_fault(aws: int) -> None:
    client = emulator.client("s3", aws)
    client.create_bucket(Bucket="gaps")
    archive, hour = S3Archive(client, "gaps"), NOW // HOUR_SECONDS
    kept = commit(inline_archive=archive.encode([("t", "c1", [EVENT])], NOW, {"t": 3}))
    archive.publish(kept)
    broken = {900: b"nonsense", 901: kept.inline_archive[:-9]}
    for n, body in broken.items():
        client.put_object(Bucket="gaps", Key=archive_key(2, n, hour), Body=body)
    assert len(list(archive.events_of(2, [(17, hour)]))) == 1
    for n, code in ((899, "missing"), (900, "unreadable"), (901, "unreadable")):
        for read in (archive.events(2, n, hour), archive.events_of(2, [(17, hour), (n, hour)])):
            with pytest.raises(ArchiveGap, match=f"lane-002-{n:012d}") as gap:
                list(read)
            assert gap.value.code == f"archive_object_{code}"


def test_the_archive_is_lines_anyone_can_read(aws: int) -> None:
    lines = gzip.decompress(
        S3Archive(emulator.client("s3", aws), "x").encode([("t", "c1", [EVENT, EVENT])], NOW, {"t": 3})
    )
    documents = [json.loads(line) for line in lines.splitlines()]
    assert len(documents) == 2
    assert documents[0]["time"] == "2026-09-21T14:13:20Z"
    assert documents[0]["extensions"] == {"traceid": "x"}
    assert archive_key(2, 17, NOW // HOUR_SECONDS) == "archive/day=2026-09-21/hour=14/lane-002-000000000017.jsonl.gz"


def test_rejected_bytes_are_kept_whole(aws: int) -> None:
    client = emulator.client("s3", aws)
    client.create_bucket(Bucket="rejected")
    key = S3Archive(client, "rejected").put_rejected_record("shard-0-1", b"\x00\xff")
    assert client.get_object(Bucket="rejected", Key=key)["Body"].read() == b"\x00\xff"


def test_a_pack_from_before_there_were_voids_is_still_read() -> None:
    written = msgspec.msgpack.decode(msgspec.msgpack.encode(Pack("acme", 2, "p1", NOW, [EVENT])))
    assert written.pop() == []
    body = zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(written))
    assert decode_record(body) == Pack("acme", 2, "p1", NOW, [EVENT])


def test_a_void_comes_through_the_stream_as_it_was() -> None:
    pack = Pack("acme", 2, "p1", NOW, [EVENT], [Void(7, NOW, "é1", "api", "c1", "0-1")])
    assert decode_record(encode_record(pack)) == pack


def test_commits_are_read_and_written_in_many_threads_at_once() -> None:
    """A question reads the commits of many lanes at a time; one (de)compressor may not serve two of them."""
    chance = Random(4)
    commits = [commit(marks=chance.randbytes(60_000 + n)) for n in range(8)]
    bodies = [encode_commit(each) for each in commits]

    def read(number: int) -> bool:
        place = number % len(commits)
        return decode_commit(bodies[place]) == commits[place] and encode_commit(commits[place]) == bodies[place]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(2_000)))

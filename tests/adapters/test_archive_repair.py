"""Objects of the archive that not every reader can read: mended, listed, and read again by SQL."""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from functions import names
from functions.adapters.archive import archive_key, decode_lines
from functions.adapters.archive_repair import mend
from functions.application.metering.audit.repair_archive import BrokenObject
from functions.domain.analytics.archive_query import ArchiveQuestion, Kind
from functions.domain.metering.values.lanes import Lanes
from functions.handlers import http_api
from functions.handlers.metering import schedule_audit
from functions.handlers.wiring import base, metering
from infra.local import emulator
from tests.conftest import DynamoDb
from tests.fuzz.archive_sql import DuckDbEngine
from tests.handlers.conftest import forget_clients
from tests.handlers.gateway import Client

DAY = date(2026, 11, 20)
HOUR = int(datetime(2026, 11, 20, 13, tzinfo=UTC).timestamp()) // 3_600
LANES = Lanes(4, b"a key of the test")
DEEP = b'{"n":1,"k":' + b"[" * 3_000 + b"]" * 3_000 + b"}"
DAMAGED = {
    "no text": b'{"n":1,"x":"\xff\xfe"}',
    "a surrogate": b'{"n":1,"x":"\xed\xa0\x80"}',
    "deeper than a decoder": DEEP,
    "deeper than agreed": b'{"n":1,"k":' + b"[" * 64 + b"]" * 64 + b"}",
    "a number without end": b'{"n":1,"k":' + b"9" * 5_000 + b"}",
    "half a pair": rb'{"n":1,"k":"\ud800"}',
    "looks like extensions": b'{"k":' + DEEP + b',"extensions":{"x":1}}',
}


def line(event_id: str, data: bytes, more: bytes = b"", tenant: str = "acme") -> bytes:
    head = {"tenant": tenant, "id": event_id, "source": "s", "type": "call", "subject": "c1"}
    head |= {"time": "2026-11-20T12:00:00Z", "received_at": "2026-11-20T12:00:01Z"}
    return json.dumps(head, separators=(",", ":")).encode()[:-1] + b',"meter_version":1,"data":%b%b}' % (data, more)


def packed(*lines: bytes) -> bytes:
    return gzip.compress(b"".join(b"%b\n" % each for each in lines), mtime=0)


def lines_of(body: bytes) -> list[bytes]:
    return gzip.decompress(body).split(b"\n")[:-1]


def ask(objects: Sequence[bytes]) -> list[Any]:
    """Events and sum as the archive's SQL counts them; raises every error of the engine."""
    engine = DuckDbEngine(DAY.isoformat())
    engine.archive({f"archive/{number}": body for number, body in enumerate(objects)})
    day = DAY.isoformat()
    question = ArchiveQuestion(
        Kind.RECOUNT, "acme", "call", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", day, day, ("n",)
    )
    page = engine.page(engine.start(question, "token"), None, 10)
    found = dict(zip(page.columns, page.rows[0], strict=True))
    return [found["events"], int(Decimal(str(found["total"])))]


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("extensions", [b"", b',"extensions":{"trace":"x,\\"extensions\\":{"}'])
def test_only_what_cannot_be_read_is_written_anew(data: bytes, extensions: bytes) -> None:
    healthy = [line("e1", b'{"n":0.10000000000000000000000001}'), line("e3", b'{"n":2}', b',"extensions":{"a":1}')]
    mended = mend(packed(healthy[0], line("e2", data, extensions), healthy[1]))
    assert mended is not None
    first, changed, last = lines_of(mended.body)
    assert [first, last] == healthy
    assert json.loads(changed)["id"] == "e2"
    assert ([each.id for each in mended.aside], mended.lost, mended.lines) == (["e2"], [], 3)
    (kept,) = [each for each in decode_lines(mended.body, 7) if each.id == "e2"]
    assert kept.raw_data == data
    assert kept.raw_extensions == extensions.removeprefix(b',"extensions":')
    assert mend(mended.body) is None
    (read,) = decode_lines(packed(line("e2", data, extensions)), 7)
    assert (read.id, read.raw_data, read.raw_extensions) == ("e2", data, kept.raw_extensions)
    assert ask([mended.body])[0] == 3


def test_extensions_that_are_no_text_are_replaced_where_they_are_none() -> None:
    mended = mend(packed(line("e1", b'{"n":1}', b',"extensions":{"trace":"a\xffb"}')))
    assert mended is not None
    (found,) = decode_lines(mended.body, 1)
    assert (found.raw_data, found.raw_extensions.decode()) == (b'{"n":1}', '{"trace":"a�b"}')


@pytest.mark.parametrize("lost", [b"x", b'{"tenant":"\xff"}', b"{}", b'{"tenant":"acme","data":{}}', b"[" * 5_000])
def test_a_line_without_a_readable_head_is_left_out(lost: bytes) -> None:
    mended = mend(packed(line("e1", b'{"n":1}'), lost, line("e2", b'{"n":1}')))
    assert mended is not None
    assert (mended.lost, [each.id for each in decode_lines(mended.body, 1)]) == ([2], ["e1", "e2"])


def test_healthy_objects_and_void_lines_stay_as_they_are() -> None:
    void = line("e1", b"null", b',"voids":"0-1"')
    assert mend(packed(line("e1", b'{"n":1}'), void, line("e2", b"null", b',"data_base64":"eyJ4Ijoi/yJ9"'))) is None
    assert mend(gzip.compress(b"")) is None


@pytest.mark.parametrize("body", [b"x", packed(b"{}")[:-9], packed(b"{}" * 99)[:12] + b"\xff" * 30])
def test_what_is_no_gzip_is_told_and_left(body: bytes) -> None:
    with pytest.raises(BrokenObject):
        mend(body)


@pytest.fixture
def bucket(aws: int, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The archive's bucket of a deployment whose ledger is on DynamoDB Local."""
    client = emulator.client("s3", aws)
    client.create_bucket(Bucket="repaired")
    real = base.aws
    monkeypatch.setattr(base, "aws", lambda service: client if service == "s3" else real(service))
    monkeypatch.setattr(metering, "lanes", lambda: LANES)
    monkeypatch.setattr("functions.adapters.ledger_key.check_genesis", lambda *_: None)
    monkeypatch.setenv(names.ENV_ARCHIVE_BUCKET, "repaired")
    monkeypatch.setenv(names.ENV_LANES, str(LANES.count))
    for cached in (real, metering.ledger, metering.repairer):
        cached.cache_clear()
    forget_clients()
    yield client
    for key in stored(client):
        client.delete_object(Bucket="repaired", Key=key)
    for cached in (real, metering.ledger, metering.repairer):
        cached.cache_clear()
    forget_clients()


def stored(bucket: Any) -> dict[str, bytes]:
    found = bucket.list_objects_v2(Bucket="repaired").get("Contents", [])
    return {each["Key"]: bucket.get_object(Bucket="repaired", Key=each["Key"])["Body"].read() for each in found}


def repair(**body: Any) -> Any:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
    payload = {"repair": "archive", "lane": 2, "day": DAY.isoformat()} | body
    return json.loads(json.dumps(schedule_audit.handler(payload, context)))


def test_a_poisoned_day_is_repaired_once_and_read_by_everybody(bucket: Any) -> None:
    damaged, healthy, others = (archive_key(lane, n, HOUR) for lane, n in ((2, 7), (2, 8), (3, 7)))
    poisoned = packed(line("e1", b'{"n":1}'), line("e2", DEEP), line("x", DAMAGED["no text"], tenant="other"), b"{}")
    objects = {damaged: poisoned, healthy: packed(line("e3", b'{"n":2}')), others: poisoned}
    objects[archive_key(2, 9, HOUR + 24)] = poisoned  # of the day after
    for key, body in objects.items():
        bucket.put_object(Bucket="repaired", Key=key, Body=body)
    with pytest.raises(UnicodeDecodeError):
        ask([poisoned])

    told = repair()
    assert (told["objects"], told["applied"], told["nextAfter"]) == (2, False, None)
    (found,) = told["damaged"]
    assert (found["key"], found["lines"], found["aside"], found["lost"]) == (damaged, 4, 2, 1)
    assert found["events"] == [{"tenant": "acme", "id": "e2"}, {"tenant": "other", "id": "x"}]
    assert stored(bucket) == objects

    assert repair(apply=True)["damaged"] == [found]
    after = stored(bucket)
    assert after.pop(f"quarantine/{damaged}") == poisoned
    mended = after.pop(damaged)
    assert after == {key: body for key, body in objects.items() if key != damaged}
    assert ask([mended, objects[healthy]]) == [3, 3]
    assert repair(apply=True)["damaged"] == []

    bucket.put_object(Bucket="repaired", Key=damaged, Body=poisoned)  # as if it had died before its last step
    assert repair(apply=True)["damaged"] == [found]
    assert stored(bucket)[damaged] == mended
    span = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
    for tenant, code, event_id in (
        ("acme", "unreadable_data", "e2"),
        ("other", "unreadable_data", "x"),
        (names.DEFAULT_TENANT, "unreadable_line", None),
    ):
        (item,) = Client(http_api.handler, tenant).get("/api/v1/rejects", span).json["items"]
        assert (item["code"], item["countedElsewhere"], item.get("event", {}).get("id")) == (code, True, event_id)
        assert item.get("objectKey") == (None if event_id else f"quarantine/{damaged}")
        assert ("data_base64" in item.get("event", {})) == bool(event_id)


def test_a_call_that_runs_out_of_time_says_where_to_go_on(bucket: Any) -> None:
    keys = [archive_key(2, n, HOUR + n % 2) for n in (1, 2, 3)]
    for key in keys:
        bucket.put_object(Bucket="repaired", Key=key, Body=packed(b"{}"))
    repairer, seen, after = metering.repairer(), [], ""
    for _ in keys:
        result = repairer.repair(2, DAY, is_applied=False, after=after, has_time=lambda: False)
        seen += [each.key for each in result.damaged]
        after = result.next_after or ""
    assert (sorted(seen), after) == (sorted(keys), "")

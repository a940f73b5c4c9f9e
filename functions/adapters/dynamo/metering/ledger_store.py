"""The ledger in DynamoDB: commits, heads, fingerprint chunks, hour index, directory, markers and pages."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.codec import decode_item
from functions.adapters.dynamo.metering.history_store import DynamoHistories
from functions.adapters.dynamo.metering.hour_items import (
    HOUR_INDEX_PAGE,
    VOIDS,
    entries_of_hours,
    hour_entry,
    hour_item,
)
from functions.adapters.dynamo.metering.late_store import LateItems
from functions.adapters.dynamo.metering.page_writer import PageWriter, executed, insertion, stored_page, was_done
from functions.adapters.dynamo.metering.reject_item import further_items, further_of, reject_item
from functions.adapters.dynamo.usage_table import UsageTable, item_key, raise_unless_condition_failed
from functions.adapters.records import decode_commit, encode_commit
from functions.domain.metering.cells.pages import Page, PageKey, PageWrite, UnitedChunks, ValueChunk, chunks_by_page
from functions.domain.metering.ledger.hour_index import HourEntry, hour_entries
from functions.domain.metering.ledger.late import late_usage
from functions.domain.metering.ledger.ledger import BUCKET_SECONDS, BatchTally, Code, Commit, Counts, Reject
from functions.domain.metering.ledger.reject import Location, further_names
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.values.event import AcceptanceWindow
from functions.names import EXPIRES_AT, PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DAY = 86_400
COMMIT_DAYS = 8  # longer than the stream can hold a record, so a redelivery always finds its commit or its chunks
MARKER_DAYS = 8
BUCKET_READERS = 8  # of the ten connections a client keeps
LOOK_BACK_PAGE = 25  # commits per query: a commit is at most 400 KB and an answer 1 MB

BODY = "b"
DONE = "d"
PARTS, SKIPPED = "p", "s"  # of codes; absent for the usual 1 and 0
BORN, OWNER, MONTH = "n", "o", "w"  # of codes since 2026-11-28

_encode_values = msgspec.msgpack.Encoder().encode
_decode_values = msgspec.msgpack.Decoder(dict[str, bytes]).decode


class DynamoLedger(DynamoHistories):
    def __init__(self, client: "DynamoDBClient", table: str, window: AcceptanceWindow) -> None:
        super().__init__(client, table)
        self._client = client
        self._name = table
        self._table = UsageTable(client, table)
        self._window = window
        self._late = LateItems()
        self._pages = PageWriter(client, table)
        is_lower = f'WHERE "{PARTITION_KEY}"=? AND "{SORT_KEY}"=? AND "{DONE}"<?'
        self._raise_head = f'UPDATE "{table}" SET "{DONE}"=? {is_lower}'  # noqa: S608 - names of ours only

    # The log of a lane.

    def last_commit_number(self, lane: int) -> int:
        found = self._table.query(
            keys.lane(lane), prefix=keys.COMMIT_PREFIX, backwards=True, limit=1, projection=SORT_KEY
        )
        return next((keys.commit_number(item[SORT_KEY]["S"]) for item in found), 0)

    def head(self, lane: int) -> int:
        item = self._table.get(keys.lane(lane), keys.HEAD)
        return int(item[DONE]["N"]) if item else 0

    def heads(self, lanes: Sequence[int]) -> dict[int, int]:
        found = self._table.batch_get([item_key(keys.lane(lane), keys.HEAD) for lane in lanes])
        stored = {keys.lane_number(item[PARTITION_KEY]["S"]): int(item[DONE]["N"]) for item in found}
        return {lane: stored.get(lane, 0) for lane in lanes}

    def commit(self, lane: int, n: int) -> Commit | None:
        item = self._table.get(keys.lane(lane), keys.commit(n))
        return decode_commit(item[BODY]["B"]) if item else None

    def commits_before(self, lane: int, n: int, decided_since: int) -> Iterable[Commit]:
        if n < 1:
            return
        found = self._table.query(
            keys.lane(lane), between=(keys.commit(1), keys.commit(n)), backwards=True, page_size=LOOK_BACK_PAGE
        )
        for item in found:
            commit = decode_commit(item[BODY]["B"])
            if commit.decided_at < decided_since:
                return
            yield commit

    def put_commits(self, commits: Sequence[Commit]) -> list[Commit | None]:
        """One request for 25 lanes, below DynamoDB's 16 MB as a commit is below 400 KB.

        A commit that was refused, or of which nobody knows, is put once more and its holder looked at.
        """
        if len(commits) == 1:
            return [self.put_commit(commits[0])]
        holders: list[Commit | None] = []
        answers = executed(self._client, list(map(self._insertion, commits)))
        for commit, answer in zip(commits, answers, strict=True):
            is_stored = was_done(answer, f"Commit {commit.n} of lane {commit.lane}")
            holders.append(None if is_stored else self.put_commit(commit))
        return holders

    def _insertion(self, commit: Commit) -> dict[str, Any]:
        item = self._commit_item(commit)
        return {"Statement": insertion(self._name, tuple(item)), "Parameters": list(item.values())}

    def _commit_item(self, commit: Commit) -> dict[str, Any]:
        expiry = {"N": str(commit.decided_at + COMMIT_DAYS * DAY)}
        return {
            **item_key(keys.lane(commit.lane), keys.commit(commit.n)),
            BODY: {"B": encode_commit(commit)},
            EXPIRES_AT: expiry,
        }

    def put_commit(self, commit: Commit) -> Commit | None:
        """Of one commit, as `put_commits`."""
        not_yet_stored = f"attribute_not_exists({PARTITION_KEY})"
        try:
            self._client.put_item(
                TableName=self._name,
                Item=self._commit_item(commit),
                ConditionExpression=not_yet_stored,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            raise_unless_condition_failed(error)
            answer: Any = error.response
            return decode_commit(answer["Item"][BODY]["B"])
        return None

    def advance_heads(self, heads: Mapping[int, int]) -> None:
        """One request for 25 lanes; a lane's first head, and what the batch could not raise, go one by one."""
        raised = list(heads.items())
        if len(raised) == 1:
            self._advance_head(*raised[0])
            return
        answers = executed(self._client, [self._head_statement(lane, n) for lane, n in raised])
        for (lane, n), answer in zip(raised, answers, strict=True):
            if "Error" in answer:
                self._advance_head(lane, n)

    def _head_statement(self, lane: int, n: int) -> dict[str, Any]:
        key, number = item_key(keys.lane(lane), keys.HEAD), {"N": str(n)}
        return {"Statement": self._raise_head, "Parameters": [number, key[PARTITION_KEY], key[SORT_KEY], number]}

    def _advance_head(self, lane: int, n: int) -> None:
        try:
            self._client.update_item(
                TableName=self._name,
                Key=item_key(keys.lane(lane), keys.HEAD),
                UpdateExpression=f"SET {DONE} = :n",
                ConditionExpression=f"attribute_not_exists({DONE}) OR {DONE} < :n",
                ExpressionAttributeValues={":n": {"N": str(n)}},
            )
        except ClientError as error:
            raise_unless_condition_failed(error)

    def commits_from(self, lane: int, n: int) -> Iterator[Commit]:
        """The commits n and later that are stored, in order, as they are consumed."""
        found = self._table.query(keys.lane(lane), between=(keys.commit(n), keys.COMMITS_END), page_size=LOOK_BACK_PAGE)
        return (decode_commit(item[BODY]["B"]) for item in found)

    def put_tallies(self, tallies: Sequence[BatchTally]) -> None:
        items = {}
        for tally in tallies:
            key = (keys.lane(tally.lane), keys.tally(tally.received_at, tally.name))
            expiry = {"N": str(tally.received_at + COMMIT_DAYS * DAY)}
            items[key] = {**item_key(*key), BODY: {"B": msgspec.msgpack.encode(tally.counts)}, EXPIRES_AT: expiry}
        self._table.put_all(items.values())

    def tallies(self, lane: int, start: int, end: int) -> list[Counts]:
        found = self._table.query(keys.lane(lane), between=keys.tally_range(start, end))
        return [msgspec.msgpack.decode(item[BODY]["B"], type=Counts) for item in found]

    # What a commit leaves behind.

    def chunk(self, lane: int, bucket: int) -> bytes:
        return b"".join(item[BODY]["B"] for item in self._table.query(keys.bucket(lane, bucket)))

    def chunks(self, lane: int, buckets: Sequence[int]) -> dict[int, bytes]:
        if len(buckets) <= 1:  # nearly always
            return {bucket: self.chunk(lane, bucket) for bucket in buckets}
        with ThreadPoolExecutor(BUCKET_READERS) as pool:
            return dict(zip(buckets, pool.map(lambda bucket: self.chunk(lane, bucket), buckets), strict=True))

    def commits_of_bucket(self, lane: int, bucket: int) -> Iterator[tuple[int, bytes]]:
        for item in self._table.query(keys.bucket(lane, bucket)):
            yield int(item[SORT_KEY]["S"]), bytes(item[BODY]["B"])

    def put_index(self, commits: Sequence[Commit]) -> None:
        self._table.put_all(item for commit in commits for item in self._index(commit))

    def put_late(self, commits: Sequence[Commit]) -> None:
        late = self._late.of(each for commit in commits for each in late_usage(commit))
        self._table.put_all(late)
        self._late.were_put(late)

    def _index(self, commit: Commit) -> Iterator[dict[str, Any]]:
        yield from self._chunks(commit)
        yield from (hour_item(commit.lane, entry) for entry in hour_entries(commit))
        yield from self._directory(commit)
        yield from _outcomes(commit)
        yield from further_items(commit)

    def _chunks(self, commit: Commit) -> Iterator[dict[str, Any]]:
        for bucket, chunk in commit.fingerprints.items():
            expiry = bucket * BUCKET_SECONDS + self._window.past + self._window.stream_retention + DAY
            key = item_key(keys.bucket(commit.lane, bucket), keys.chunk(commit.n))
            yield {**key, BODY: {"B": chunk}, EXPIRES_AT: {"N": str(expiry)}}

    def _directory(self, commit: Commit) -> Iterator[dict[str, Any]]:
        for code in commit.codes:
            key = item_key(keys.directory(code.tenant, commit.lane), keys.code(code.number))
            parts = {PARTS: {"N": str(code.parts)}} if code.parts > 1 else {}
            skipped = {SKIPPED: {"N": str(code.skipped)}} if code.skipped else {}
            groups = {"B": msgspec.msgpack.encode(code.groups)}
            brought = {BORN: {"N": str(code.n)}, OWNER: {"B": code.owner}, MONTH: {"N": str(code.month)}}
            yield {**key, "m": {"S": code.meter_id}, "g": groups, **parts, **skipped, **(brought if code.n else {})}
        for tenant, name in commit.subjects:
            yield item_key(keys.directory(tenant, commit.lane), keys.subject(name))

    def put_markers(self, commits: Sequence[Commit]) -> None:
        self._table.put_all(
            {
                **item_key(keys.marker(marker), str(commit.lane)),
                "n": {"N": str(commit.n)},
                EXPIRES_AT: {"N": str(commit.decided_at + MARKER_DAYS * DAY)},
            }
            for commit in commits
            for marker in dict.fromkeys(commit.markers)
        )

    def put_rejects(self, rejects: Sequence[Reject]) -> None:
        unique = {(item[PARTITION_KEY]["S"], item[SORT_KEY]["S"]): item for item in map(reject_item, rejects)}
        self._table.put_all(unique.values())

    def left_out(self, tenant: str, identity: str, time: int, line: Location) -> set[str]:
        day = keys.rejects(tenant, time)
        found = self._table.query(day, prefix=keys.rejects_of(time, identity), projection=SORT_KEY)
        meters = {item[SORT_KEY]["S"].split("#")[3] for item in found if item[SORT_KEY]["S"].count("#") == 3}
        names = further_names(line.decided_hour, line.lane, line.n)
        parts = map(further_of, map(decode_item, self._table.query(day, prefix=keys.further_rejects(names))))
        return meters | {each.meter_id for part in parts for each in part.reasons if line.number in each.lines}

    # Pages.

    def read_pages(self, wanted: Sequence[PageKey]) -> Iterator[Page]:
        missing = {(keys.page_owner(key), keys.page(key.span, key.number)): key for key in wanted}
        for item in self._table.batch_get([item_key(*place) for place in missing]):
            yield stored_page(missing.pop((item[PARTITION_KEY]["S"], item[SORT_KEY]["S"])), item)
        yield from (Page(key, 0, {}) for key in missing.values())

    def write_pages(self, writes: Sequence[PageWrite]) -> list[bool]:
        return self._pages.write(writes)

    def put_value_chunks(self, chunks: Sequence[ValueChunk]) -> None:
        self._table.put_all(
            {**item_key(keys.value_owner(key), keys.values(key, n)), BODY: {"B": _encode_values(cells)}}
            for (key, n), cells in chunks_by_page(chunks).items()
        )

    def unite_value_chunks(self, united: Sequence[UnitedChunks]) -> None:
        self._table.put_all(
            {
                **item_key(keys.value_owner(each.key), keys.united_values(each.key, each.name)),
                BODY: {"B": _encode_values(each.cells)},
            }
            for each in united
        )
        self._table.delete_all(
            item_key(keys.value_owner(key), keys.values(key, n)) for key, _, parts in united for n in parts
        )

    # What readers ask.

    def pages(
        self, tenant: str, lane: int, subject: str | None, first_span: int, last_span: int, at_once: int | None = None
    ) -> Iterator[Page]:
        """The pages of a subject, or of the whole lane, whose spans are in first..last."""
        owner = keys.lane_pages(tenant, lane) if subject is None else keys.subject_pages(tenant, subject)
        for item in self._table.query(owner, between=keys.span_range(first_span, last_span), page_size=at_once):
            span, number = keys.page_place(item[SORT_KEY]["S"])
            yield stored_page(PageKey(tenant, lane, subject, span, number), item)

    def value_chunks(
        self, tenant: str, lane: int, subject: str | None, first_span: int, last_span: int
    ) -> Iterator[tuple[PageKey, str, bytes]]:
        """(page, cell, packed values) beside the pages of those spans."""
        owner = keys.lane_values(tenant, lane) if subject is None else keys.subject_values(tenant, subject)
        for item in self._table.query(owner, between=keys.values_range(first_span, last_span)):
            key = PageKey(tenant, lane, subject, *keys.values_place(item[SORT_KEY]["S"]))
            for cell, values in _decode_values(item[BODY]["B"]).items():
                yield key, cell, values

    def commits_in_hour(self, lane: int, hour: int) -> list[tuple[int, int]]:
        """(commit number, hour it was decided in) of the commits with events in an hour."""
        found = self._table.query(keys.hours(lane), between=keys.hour_range(hour, hour))
        return [keys.hour_place(item[SORT_KEY]["S"])[1:] for item in found]

    def hour_index(
        self, lane: int, newest_hour: int, oldest_hour: int, below: int | None = None, *, only_voids: bool = False
    ) -> Iterator[HourEntry]:
        """What the hours first..last hold, newest hour first, as far as it is consumed."""
        found = self._table.query(
            keys.hours(lane),
            between=keys.hour_range(oldest_hour, newest_hour, below),
            backwards=True,
            page_size=None if only_voids else HOUR_INDEX_PAGE,
            present=VOIDS if only_voids else None,
        )
        return map(hour_entry, found)

    def index_of_hours(self, lane: int, hours: Collection[int]) -> Iterator[HourEntry]:
        return entries_of_hours(self._table, lane, hours)

    def oldest_hour(self, lane: int) -> int | None:
        found = self._table.query(keys.hours(lane), limit=1, projection=SORT_KEY)
        return next((keys.hour_place(item[SORT_KEY]["S"])[0] for item in found), None)

    def marked_lanes(self, marker: str) -> dict[int, int]:
        """The lanes that have counted everything before the marker, with the commit that says so."""
        return {int(item[SORT_KEY]["S"]): int(item["n"]["N"]) for item in self._table.query(keys.marker(marker))}

    def codes(self, tenant: str, lane: int, first: int = 0) -> Iterable[Code]:
        for item in self._table.query(keys.directory(tenant, lane), between=keys.codes_from(first)):
            number = int(item[SORT_KEY]["S"][len(keys.CODE_PREFIX) :])
            groups = msgspec.msgpack.decode(item["g"]["B"], type=dict[str, str])
            parts, skipped, n, month = (
                int(item[name]["N"]) if name in item else 0 for name in (PARTS, SKIPPED, BORN, MONTH)
            )
            owner = bytes(item[OWNER]["B"]) if OWNER in item else b""
            yield Code(tenant, number, item["m"]["S"], groups, parts or 1, skipped, n, owner, month)

    def subjects(self, tenant: str, lane: int, limit: int, after: str = "") -> list[str]:
        found = self._table.query(keys.directory(tenant, lane), between=keys.subjects_after(after), limit=limit)
        return [item[SORT_KEY]["S"][len(keys.SUBJECT_PREFIX) :] for item in found]

    def known_subjects(self, tenant: str, lane: int, subjects: Sequence[str]) -> set[str]:
        wanted = [keys.subject(subject) for subject in subjects]
        stored = self._table.batch_get_sort_keys(keys.directory(tenant, lane), wanted)
        return {sort_key[len(keys.SUBJECT_PREFIX) :] for sort_key in stored}

    def meter_set(self, tenant: str) -> MeterSet:
        item = self._table.get(keys.meters(tenant), keys.METER_SET)
        return MeterSet.decode(item["body"]["B"]) if item else MeterSet(0)

    def meter_sets(self, tenants: Sequence[str]) -> dict[str, MeterSet]:
        """A hundred by one request."""
        if len(tenants) == 1:
            return {tenant: self.meter_set(tenant) for tenant in tenants}
        by_key = {keys.meters(tenant): tenant for tenant in tenants}
        found = self._table.batch_get([item_key(key, keys.METER_SET) for key in by_key])
        decoded = {by_key[item[PARTITION_KEY]["S"]]: MeterSet.decode(item["body"]["B"]) for item in found}
        return {tenant: decoded.get(tenant, MeterSet(0)) for tenant in tenants}


def _outcomes(commit: Commit) -> Iterator[dict[str, Any]]:
    for each in commit.voids:
        key = item_key(keys.corrections(each.tenant), keys.correction_outcome(each.correction_id))
        yield {**key, "w": {"BOOL": each.was_counted}, "t": {"N": str(commit.decided_at)}}

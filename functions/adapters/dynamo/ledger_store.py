"""The ledger in DynamoDB: commits, heads, fingerprint chunks, hour index, directory, markers and pages."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.page_writer import STAMP, PageWriter, cells_of, page_key
from functions.adapters.records import decode_commit, encode_commit
from functions.domain.errors import Unavailable
from functions.domain.metering.event import AcceptanceWindow
from functions.domain.metering.ledger import BUCKET_SECONDS, HOUR_SECONDS, Code, Commit, Refusal
from functions.domain.metering.meter import MeterSet
from functions.domain.metering.pages import Page, PageKey, as_number
from functions.names import EXPIRES_AT, PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from functions.domain.metering.pages import PageDelta

DAY = 86_400
COMMIT_DAYS = 8  # longer than the stream can hold a record, so a redelivery always finds its commit or its chunks
MARKER_DAYS = 8
REFUSAL_DAYS = 400
MAX_BATCH_WRITE = 25  # DynamoDB's own limit
MAX_BATCH_GET = 100  # DynamoDB's own limit
MAX_ROUNDS = 8
LOOK_BACK_PAGE = 25  # commits per query: a commit is at most 400 KB and an answer 1 MB

BODY = "b"
DONE = "d"


class DynamoLedger:
    def __init__(self, client: "DynamoDBClient", table: str, window: AcceptanceWindow) -> None:
        self._client = client
        self._table = table
        self._window = window
        self._pages = PageWriter(client, table)

    # The log of a lane.

    def last_commit_number(self, lane: int) -> int:
        found = self._query(keys.lane(lane), prefix=keys.COMMIT_PREFIX, backwards=True, limit=1, projection=SORT_KEY)
        return next((keys.commit_number(item[SORT_KEY]["S"]) for item in found), 0)

    def head(self, lane: int) -> int:
        item = self._get(keys.lane(lane), keys.HEAD)
        return int(item[DONE]["N"]) if item else 0

    def commit(self, lane: int, n: int) -> Commit | None:
        item = self._get(keys.lane(lane), keys.commit(n))
        return decode_commit(item[BODY]["B"]) if item else None

    def commits_before(self, lane: int, n: int, decided_since: int) -> Iterable[Commit]:
        if n < 1:
            return
        found = self._query(
            keys.lane(lane), between=(keys.commit(1), keys.commit(n)), backwards=True, page_size=LOOK_BACK_PAGE
        )
        for item in found:
            commit = decode_commit(item[BODY]["B"])
            if commit.decided_at < decided_since:
                return
            yield commit

    def put_commit(self, commit: Commit) -> Commit | None:
        not_yet_stored = f"attribute_not_exists({PARTITION_KEY})"
        try:
            self._client.put_item(
                TableName=self._table,
                Item={
                    **_key(keys.lane(commit.lane), keys.commit(commit.n)),
                    BODY: {"B": encode_commit(commit)},
                    EXPIRES_AT: {"N": str(commit.decided_at + COMMIT_DAYS * DAY)},
                },
                ConditionExpression=not_yet_stored,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            _raise_unless_condition_failed(error)
            answer: Any = error.response
            return decode_commit(answer["Item"][BODY]["B"])
        return None

    def advance_head(self, lane: int, n: int) -> None:
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(keys.lane(lane), keys.HEAD),
                UpdateExpression=f"SET {DONE} = :n",
                ConditionExpression=f"attribute_not_exists({DONE}) OR {DONE} < :n",
                ExpressionAttributeValues={":n": {"N": str(n)}},
            )
        except ClientError as error:
            _raise_unless_condition_failed(error)

    # What a commit leaves behind.

    def chunk(self, lane: int, bucket: int) -> bytes:
        return b"".join(item[BODY]["B"] for item in self._query(keys.bucket(lane, bucket)))

    def put_chunks(self, commit: Commit) -> None:
        self._put_all(
            {
                **_key(keys.bucket(commit.lane, bucket), keys.chunk(commit.n)),
                BODY: {"B": chunk},
                EXPIRES_AT: {"N": str(self._chunk_expiry(bucket))},
            }
            for bucket, chunk in commit.fingerprints.items()
        )

    def _chunk_expiry(self, bucket: int) -> int:
        return bucket * BUCKET_SECONDS + self._window.past + self._window.stream_retention + DAY

    def index_hours(self, commit: Commit) -> None:
        entry = f"{commit.n}:{commit.decided_at // HOUR_SECONDS}"
        for hour in commit.hours:
            self._client.update_item(
                TableName=self._table,
                Key=_key(keys.hour(commit.lane, hour), keys.hour_piece(commit.n)),
                UpdateExpression="ADD n :entry",
                ExpressionAttributeValues={":entry": {"SS": [entry]}},
            )

    def put_directory(self, commit: Commit) -> None:
        codes = (
            {
                **_key(keys.directory(code.tenant, commit.lane), keys.code(code.number)),
                "m": {"S": code.meter_id},
                "g": {"B": msgspec.msgpack.encode(code.groups)},
            }
            for code in commit.codes
        )
        subjects = (_key(keys.directory(tenant, commit.lane), keys.subject(name)) for tenant, name in commit.subjects)
        self._put_all([*codes, *subjects])

    def put_markers(self, commit: Commit) -> None:
        expiry = {"N": str(commit.decided_at + MARKER_DAYS * DAY)}
        self._put_all(
            {**_key(keys.marker(marker), str(commit.lane)), "n": {"N": str(commit.n)}, EXPIRES_AT: expiry}
            for marker in commit.markers
        )

    def put_refusals(self, refusals: Sequence[Refusal]) -> None:
        unique = {(item[PARTITION_KEY]["S"], item[SORT_KEY]["S"]): item for item in map(_refusal_item, refusals)}
        self._put_all(unique.values())

    # Pages.

    def add_to_pages(self, commit: Commit, pages: Sequence["PageDelta"]) -> None:
        self._pages.add(commit.n, pages)

    def page(self, key: PageKey) -> Page:
        item = self._get(keys.page_owner(key), keys.page(key.span, key.number))
        return _page(key, item) if item else Page(key)

    def replace_page(self, page: Page, new_stamp: int) -> bool:
        self._pages.forget(page.key)
        cells: Any = {name: {"N": str(value)} for name, value in page.cells.items()}
        unchanged: dict[str, Any] = {"ConditionExpression": f"attribute_not_exists({STAMP})"}
        if page.stamp:
            unchanged = {
                "ConditionExpression": f"{STAMP} = :seen",
                "ExpressionAttributeValues": {":seen": {"N": str(page.stamp)}},
            }
        item = {**page_key(page.key), STAMP: {"N": str(new_stamp)}, **cells}
        try:
            self._client.put_item(TableName=self._table, Item=item, **unchanged)
        except ClientError as error:
            _raise_unless_condition_failed(error)
            return False
        return True

    # What readers ask.

    def pages(self, tenant: str, lane: int, subject: str | None, first_span: int, last_span: int) -> Iterator[Page]:
        """The pages of a subject, or of the whole lane, whose spans are in first..last."""
        owner = keys.lane_pages(tenant, lane) if subject is None else keys.subject_pages(tenant, subject)
        for item in self._query(owner, between=keys.span_range(first_span, last_span)):
            span, number = keys.page_place(item[SORT_KEY]["S"])
            yield _page(PageKey(tenant, lane, subject, span, number), item)

    def commits_in_hour(self, lane: int, hour: int) -> list[tuple[int, int]]:
        """(commit number, hour it was decided in) of the commits with events in an hour."""
        entries = (entry for item in self._query(keys.hour(lane, hour)) for entry in item["n"]["SS"])
        return sorted((int(n), int(decided)) for n, decided in (entry.split(":") for entry in entries))

    def marked_lanes(self, marker: str) -> dict[int, int]:
        """The lanes that have counted everything before the marker, with the commit that says so."""
        return {int(item[SORT_KEY]["S"]): int(item["n"]["N"]) for item in self._query(keys.marker(marker))}

    def codes(self, tenant: str, lane: int) -> Iterable[Code]:
        for item in self._query(keys.directory(tenant, lane), prefix=keys.CODE_PREFIX):
            number = int(item[SORT_KEY]["S"][len(keys.CODE_PREFIX) :])
            groups = msgspec.msgpack.decode(item["g"]["B"], type=dict[str, str])
            yield Code(tenant, number, item["m"]["S"], groups)

    def subjects(self, tenant: str, lane: int, limit: int) -> list[str]:
        found = self._query(keys.directory(tenant, lane), prefix=keys.SUBJECT_PREFIX, limit=limit)
        return [item[SORT_KEY]["S"][len(keys.SUBJECT_PREFIX) :] for item in found]

    def known_subjects(self, tenant: str, lane: int, subjects: Sequence[str]) -> set[str]:
        owner = keys.directory(tenant, lane)
        known: set[str] = set()
        for start in range(0, len(subjects), MAX_BATCH_GET):
            wanted = [_key(owner, keys.subject(subject)) for subject in subjects[start : start + MAX_BATCH_GET]]
            request: Any = {self._table: {"Keys": wanted, "ProjectionExpression": SORT_KEY}}
            for round_number in range(MAX_ROUNDS):
                answer = self._client.batch_get_item(RequestItems=request)
                known.update(
                    item[SORT_KEY]["S"][len(keys.SUBJECT_PREFIX) :] for item in answer["Responses"][self._table]
                )
                request = answer.get("UnprocessedKeys")
                if not request:
                    break
                _back_off(round_number)
            else:
                raise _busy()
        return known

    def meter_set(self, tenant: str) -> MeterSet:
        item = self._get(keys.meters(tenant), keys.METER_SET)
        return MeterSet.decode(item["body"]["B"]) if item else MeterSet(0)

    # Requests.

    def _get(self, pk: str, sk: str) -> Mapping[str, Any] | None:
        answer = self._client.get_item(TableName=self._table, Key=_key(pk, sk), ConsistentRead=True)
        return answer.get("Item")

    def _query(
        self,
        pk: str,
        *,
        prefix: str | None = None,
        between: tuple[str, str] | None = None,
        backwards: bool = False,
        limit: int | None = None,
        page_size: int | None = None,
        projection: str | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        condition, values = f"{PARTITION_KEY} = :pk", {":pk": {"S": pk}}
        if prefix is not None:
            condition += f" AND begins_with({SORT_KEY}, :prefix)"
            values[":prefix"] = {"S": prefix}
        if between is not None:
            condition += f" AND {SORT_KEY} BETWEEN :first AND :last"
            values |= {":first": {"S": between[0]}, ":last": {"S": between[1]}}
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
            "ScanIndexForward": not backwards,
        }
        if size := limit or page_size:
            request["Limit"] = size
        if projection:
            request["ProjectionExpression"] = projection
        count = 0
        while True:
            answer = self._client.query(**request)
            for item in answer["Items"]:
                yield item
                count += 1
                if count == limit:
                    return
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _put_all(self, items: Iterable[dict[str, Any]]) -> None:
        puts: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
        for start in range(0, len(puts), MAX_BATCH_WRITE):
            request: Any = {self._table: puts[start : start + MAX_BATCH_WRITE]}
            for round_number in range(MAX_ROUNDS):
                request = self._client.batch_write_item(RequestItems=request).get("UnprocessedItems")
                if not request:
                    break
                _back_off(round_number)
            else:
                raise _busy()


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {PARTITION_KEY: {"S": pk}, SORT_KEY: {"S": sk}}


def _page(key: PageKey, item: Mapping[str, Any]) -> Page:
    return Page(key, int(item[STAMP]["N"]), {name: as_number(Decimal(text)) for name, text in cells_of(item)})


def _refusal_item(refusal: Refusal) -> dict[str, Any]:
    event = refusal.event
    at = event.time if event else refusal.received_at
    item = {
        **_key(keys.refusals(refusal.tenant, at), keys.refusal(at, refusal.identity, refusal.code)),
        "code": {"S": refusal.code},
        "reason": {"S": refusal.reason},
        "received_at": {"N": str(refusal.received_at)},
        "counted": {"BOOL": refusal.is_counted_elsewhere},
        EXPIRES_AT: {"N": str(refusal.received_at + REFUSAL_DAYS * DAY)},
    }
    if refusal.object_key:
        item["object_key"] = {"S": refusal.object_key}
    if event:
        item["event"] = {"S": _event_json(event)}
    return item


def _event_json(event: Any) -> str:
    document = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": datetime.fromtimestamp(event.time, UTC),
        "data": msgspec.Raw(event.data or b"null"),
    }
    return msgspec.json.encode(document).decode()


def _raise_unless_condition_failed(error: ClientError) -> None:
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        raise error


def _back_off(round_number: int) -> None:
    time.sleep(min(2.0, 0.05 * 2**round_number))


def _busy() -> Unavailable:
    return Unavailable("The database is too busy; try again.", retry_after_seconds=2)

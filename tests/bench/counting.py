"""Counts what the production code asks of AWS, at the boundary of botocore.

DynamoDB requests go to DynamoDB Local, asked for the consumed capacity of each; Kinesis, S3 and Secrets Manager
are answered here. DynamoDB Local reports no capacity for PartiQL, so those units come from the sizes of the items.
"""

import io
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from functions.domain.metering.cells.pages import WINDOW_LETTERS, WINDOWS_PER_PAGE
from functions.names import PARTITION_KEY, SORT_KEY
from tests.bench.tally import Tally

WRITE_UNIT_BYTES = 1024
PUT_UNIT_BYTES = 25 * 1024
MAX_BATCH_GET = 100
TRANSACTION = "TransactWriteItems"
REPORTS_CAPACITY = {"PutItem", "UpdateItem", "GetItem", "Query", "BatchGetItem", "BatchWriteItem", TRANSACTION}
READS = {"GetItem", "Query", "BatchGetItem"}
# By the first letter of the partition key: commits, heads, fingerprints, hour index, directory, late usage | totals |
# counters | values.
KINDS = {**dict.fromkeys("LFXDZ", "ledger"), "T": "totals", "S": "pages", "U": "values"}
STORED = {"L": "commits", "F": "fingerprints", "D": "directory", "X": "hour_index", "Z": "late"}
LOOK_BACK = "look-back/"
ANSWERED = SimpleNamespace(status_code=200)

Item = Mapping[str, Mapping[str, Any]]


def item_bytes(item: Item) -> int:
    """An item's size by DynamoDB's rules: names and values in UTF-8, numbers a byte for two digits."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(str(content).encode())
    if kind == "N":
        digits = str(content).strip("-").replace(".", "").strip("0")
        return math.ceil(len(digits) / 2) + 1 + str(content).startswith("-")
    if kind == "B":
        return len(bytes(content))
    if kind == "SS":
        return 3 + sum(len(text.encode()) + 1 for text in content)
    return 1


def _key_of(request: Mapping[str, Any]) -> Item:
    """The item of a put, the key of a deletion."""
    item: Item = request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]
    return item


def _object_key(path: str) -> str:
    """Of a URL path with or without the bucket."""
    return re.sub(r"^.*?(?=(archive|staging|look-back)/)", "", unquote(path))


def _inserted(statement: Mapping[str, Any]) -> Item | None:
    """The item of a PartiQL INSERT."""
    text = statement["Statement"]
    names = re.findall(r"'(\w+)': \?", text)
    return dict(zip(names, statement["Parameters"], strict=True)) if text.startswith("INSERT") else None


def _updated_key(statement: Mapping[str, Any]) -> Item:
    """Of a PartiQL UPDATE, which ends with the key and what was seen."""
    *_, owner, place, _seen = statement["Parameters"]
    return {PARTITION_KEY: owner, SORT_KEY: place}


def full_page_bytes(page: Item) -> int:
    """The size of a page at the end of its span, when every window is as its largest."""
    windows = {name: value for name, value in page.items() if name in WINDOW_LETTERS}
    largest = max(item_bytes({name: value}) for name, value in windows.items())
    return item_bytes(page) - item_bytes(windows) + largest * WINDOWS_PER_PAGE


class Counter:
    """Registers with a botocore session; every client made from it afterwards is counted into `tally`."""

    def __init__(self, session: Any, plain_client: Any, table: str, secret: str, *, live: bool = False) -> None:
        """`live`: DynamoDB and S3 are really called and not counted, so that only the code's own CPU time is spent."""
        self.tally = Tally()
        self.records: list[Mapping[str, Any]] = []  # what was put into the stream and not taken out yet
        self.cpu_seconds = 0.0  # spent here, to be deducted from what is measured
        self.marks: list[float] = []  # live: process time at the beginning and the end of every call
        self.largest_page: Mapping[str, Any] = {}
        self.written: dict[str, float] = defaultdict(float)  # write units by partition key, since it was last cleared
        self.objects: dict[str, bytes] = {}  # what lies in the archive, where `keeps_objects`
        self.keeps_objects = False
        self._fetched: list[int] = []  # several threads fetch
        self._plain = plain_client
        self._table = table
        self._secret = secret
        self._request: Mapping[str, Any] = {}
        self._updated: list[Item] = []
        answers: dict[str, Callable[..., Any]] = {
            "kinesis.PutRecords": self._put_records,
            "secrets-manager.GetSecretValue": self._get_secret,
        }
        session.register("provide-client-params.kinesis", self._remember)
        if live:
            session.register("provide-client-params", self._mark)
            session.register("after-call", self._mark)
        else:
            session.register("provide-client-params.dynamodb", self._before_dynamodb)
            session.register("after-call.dynamodb", self._after_dynamodb)
            answers |= {
                "s3.PutObject": self._s3_put,
                "s3.CopyObject": self._s3_copy,
                "s3.GetObject": self._s3_get,
                "s3.ListObjectsV2": self._s3_list,
                "s3.DeleteObject": self._s3_delete,
            }
        for operation, answer in answers.items():
            session.register(f"before-call.{operation}", answer)

    def take(self) -> Tally:
        """What was counted since the last call; reads the pages PartiQL has written to know their sizes."""
        self._measure_updated()
        self.tally["s3_gets"] += len(self._fetched)
        self.tally["requests.s3"] += len(self._fetched)
        self.tally["fetched_bytes"] += sum(self._fetched)
        self._fetched = []
        taken, self.tally = self.tally, Tally()
        return taken

    def take_records(self) -> list[Mapping[str, Any]]:
        records, self.records = self.records, []
        return records

    # Hooks.

    def _mark(self, **_: Any) -> None:
        self.marks.append(time.process_time())

    def _remember(self, params: Mapping[str, Any], **_: Any) -> None:
        self._request = params

    def _before_dynamodb(self, params: Mapping[str, Any], model: Any, **_: Any) -> Mapping[str, Any]:
        self._request = params
        return {**params, "ReturnConsumedCapacity": "TOTAL"} if model.name in REPORTS_CAPACITY else params

    def _after_dynamodb(self, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        started = time.process_time()
        operation = model.name
        if operation == "BatchExecuteStatement":
            self._count_statements(parsed)
        else:
            self.tally["requests.dynamodb"] += 1
            units = self._capacity(parsed)
            self.tally[f"calls.{operation}"] += 1
            if operation in READS:
                self._count_read(parsed, units)
            elif operation == TRANSACTION:
                self.tally["write_units.transactions"] += units
            else:
                kind = self._kind()
                self.tally[f"write_units.{kind}"] += units
                self._sizes_of_ledger_items(kind)
                self._count_keys(units)
        self.cpu_seconds += time.process_time() - started

    def _capacity(self, parsed: Mapping[str, Any]) -> float:
        if "Error" in parsed:
            held = item_bytes(parsed["Item"]) if "Item" in parsed else 0
            return max(1, math.ceil(held / WRITE_UNIT_BYTES))
        consumed = parsed.get("ConsumedCapacity", [])
        per_table = [consumed] if isinstance(consumed, dict) else consumed
        return sum(float(one["CapacityUnits"]) for one in per_table)

    def _count_read(self, parsed: Mapping[str, Any], units: float) -> None:
        self.tally["read_units"] += units
        found = [*parsed.get("Items", [])]
        for items in parsed.get("Responses", {}).values():
            found += items
        self.tally["read_bytes"] += sum(map(item_bytes, found))
        values = self._request.get("ExpressionAttributeValues", {})
        self.tally["bucket_reads"] += values.get(":pk", {}).get("S", "").startswith("F#")

    def _count_keys(self, units: float) -> None:
        """A batch of puts is shared out by the sizes of its items."""
        request = self._request
        if "RequestItems" not in request:
            self.written[(request.get("Key") or request["Item"])[PARTITION_KEY]["S"]] += units
            return
        for put in next(iter(request["RequestItems"].values())):
            item = _key_of(put)  # of a deletion only the key is known: one unit
            self.written[item[PARTITION_KEY]["S"]] += math.ceil(item_bytes(item) / WRITE_UNIT_BYTES)

    def _kind(self) -> str:
        request = self._request
        if "RequestItems" in request:
            first = next(iter(next(iter(request["RequestItems"].values()))))
            key = _key_of(first)
        else:
            key = request.get("Key") or request["Item"]
        return KINDS.get(key[PARTITION_KEY]["S"][0], "other")

    def _sizes_of_ledger_items(self, kind: str) -> None:
        """Bytes that stay: commits, fingerprints and the rest, for the storage row."""
        request = self._request
        if kind != "ledger":
            return
        if "RequestItems" in request:
            for put in next(iter(request["RequestItems"].values())):
                self._store(put["PutRequest"]["Item"])
        elif "Item" in request:
            self._store(request["Item"])

    def _store(self, item: Item) -> None:
        what = STORED[item[PARTITION_KEY]["S"][0]]
        self.tally[f"stored.{what}"] += item_bytes(item)
        self.tally[f"stored_items.{what}"] += 1

    def _count_statements(self, parsed: Mapping[str, Any]) -> None:
        self.tally["requests.dynamodb_batch"] += 1
        for statement, answer in zip(self._request["Statements"], parsed["Responses"], strict=True):
            item = _inserted(statement)
            key = {name: item[name] for name in (PARTITION_KEY, SORT_KEY)} if item else _updated_key(statement)
            owner = key[PARTITION_KEY]["S"]
            kind = KINDS[owner[0]]
            if "Error" in answer:
                self._add_units(owner, 1)
            elif item and kind == "ledger":
                self._add_units(owner, math.ceil(item_bytes(item) / WRITE_UNIT_BYTES))
                self._store(item)
            else:
                self._updated.append(key)

    def _add_units(self, owner: str, units: int) -> None:
        self.tally[f"write_units.{KINDS[owner[0]]}"] += units
        self.written[owner] += units

    def _measure_updated(self) -> None:
        """Pages only grow, so the size after an update is the larger of old and new."""
        keys, self._updated = self._updated, []
        unique = {(key[PARTITION_KEY]["S"], key[SORT_KEY]["S"]): key for key in keys}
        sizes: dict[tuple[str, str], int] = {}
        wanted = list(unique.values())
        for start in range(0, len(wanted), MAX_BATCH_GET):
            request = {self._table: {"Keys": wanted[start : start + MAX_BATCH_GET], "ConsistentRead": True}}
            for item in self._plain.batch_get_item(RequestItems=request)["Responses"][self._table]:
                size = sizes[item[PARTITION_KEY]["S"], item[SORT_KEY]["S"]] = item_bytes(item)
                if not self.largest_page or size > item_bytes(self.largest_page):
                    self.largest_page = item
        for key in keys:
            owner = key[PARTITION_KEY]["S"]
            self._add_units(owner, math.ceil(sizes[owner, key[SORT_KEY]["S"]] / WRITE_UNIT_BYTES))

    # Answers of the services that are not here.

    def _put_records(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        started = time.process_time()
        records = self._request["Records"]
        self.records += records
        self.tally["requests.kinesis"] += 1
        self.tally["kinesis_records"] += len(records)
        for record in records:
            size = len(record["Data"])
            self.tally["kinesis_bytes"] += size
            self.tally["kinesis_put_units"] += math.ceil(size / PUT_UNIT_BYTES)
        answers = [{"SequenceNumber": "1", "ShardId": "shardId-000000000000"} for _ in records]
        self.cpu_seconds += time.process_time() - started
        return ANSWERED, {"FailedRecordCount": 0, "Records": answers}

    def _get_secret(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        return ANSWERED, {"SecretString": self._secret}

    def _s3_put(self, params: Mapping[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        body = params["body"]
        content = body if isinstance(body, bytes) else body.getvalue()
        key = _object_key(params["url_path"])
        self._count_s3(key, len(content))
        if self.keeps_objects or key.startswith(LOOK_BACK):
            self.objects[key] = content
        return ANSWERED, {}

    def _s3_copy(self, params: Mapping[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        self._count_s3(_object_key(params["url_path"]), 0)
        if self.keeps_objects:
            source = _object_key(params["headers"]["x-amz-copy-source"])
            self.objects[_object_key(params["url_path"])] = self.objects[source]
        return ANSWERED, {}

    def _s3_get(self, params: Mapping[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        body = self.objects[_object_key(params["url_path"])]
        self._fetched.append(len(body))
        return ANSWERED, {"Body": io.BytesIO(body)}

    def _s3_list(self, params: Mapping[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        """What is listed costs as much as a put."""
        self.tally["requests.s3"] += 1
        self.tally["s3_puts.lists"] += 1
        prefix = params["query_string"]["prefix"]
        return ANSWERED, {"Contents": [{"Key": key} for key in self.objects if key.startswith(prefix)]}

    def _s3_delete(self, params: Mapping[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        """Costs nothing but its time."""
        self.tally["requests.s3"] += 1
        self.objects.pop(_object_key(params["url_path"]), None)
        return ANSWERED, {}

    def _count_s3(self, key: str, size: int) -> None:
        """An event's body is put once, to staging or inline to the archive, and stays in the archive in the end."""
        room = key.partition("/")[0]
        self.tally["requests.s3"] += 1
        self.tally[f"s3_puts.{room}"] += 1
        self.tally[f"stored_items.{room}"] += 1
        if room in ("archive", "staging"):
            self.tally["stored.archive"] += size
        if room != "archive":
            self.tally[f"stored.{room}"] += size

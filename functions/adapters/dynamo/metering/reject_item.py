"""How an event or a record that was not counted is listed: by the day of its event, with its reason."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import item_key
from functions.domain.metering.ledger.counting import REASON_BYTES
from functions.domain.metering.ledger.ledger import HOUR_SECONDS, Commit, Reject
from functions.domain.metering.ledger.reject import FurtherRejects, Reason, event_json, further_names, unpack_lines
from functions.names import EXPIRES_AT, SORT_KEY

DAY = 86_400
REJECT_DAYS = 400
PART_BYTES = 200_000  # of the 400 KB of an item


def reject_item(reject: Reject) -> dict[str, Any]:
    event = reject.event
    at = event.time if event else reject.received_at
    item = {
        **item_key(keys.rejects(reject.tenant, at), keys.reject(at, reject.identity, reject.code, reject.meter_id)),
        "code": {"S": reject.code},
        "reason": {"S": reject.reason},
        "received_at": {"N": str(reject.received_at)},
        "counted": {"BOOL": reject.is_counted_elsewhere},
        EXPIRES_AT: {"N": str(reject.received_at + REJECT_DAYS * DAY)},
    }
    if reject.meter_id:
        item["meter_id"] = {"S": reject.meter_id}
    if reject.object_key:
        item["object_key"] = {"S": reject.object_key}
    if event:
        item["event"] = {"S": event_json(event).decode()}
    return item


def further_items(commit: Commit) -> Iterator[dict[str, Any]]:
    """What a commit left uncounted beyond that: by tenant and day, in parts that an item surely holds."""
    by_day: dict[tuple[str, int], list[tuple[str, str, bytes]]] = {}
    for each in commit.uncountable:
        by_day.setdefault((each.tenant, each.day), []).append((each.meter_id, each.code, each.lines))
    names = further_names(commit.decided_at // HOUR_SECONDS, commit.lane, commit.n)
    for (tenant, day), reasons in by_day.items():
        for part, some in enumerate(_parts(reasons)):
            yield {
                **item_key(keys.rejects(tenant, day * DAY), keys.further_rejects(f"{names}{part:04d}")),
                "received_at": {"N": str(commit.received_at)},
                "b": {"B": msgspec.msgpack.encode(some)},
                EXPIRES_AT: {"N": str(commit.received_at + REJECT_DAYS * DAY)},
            }


def _parts(reasons: list[tuple[str, str, bytes]]) -> Iterator[list[tuple[str, str, bytes]]]:
    part: list[tuple[str, str, bytes]] = []
    size = 0
    for reason in reasons:
        added = REASON_BYTES + len(reason[2])
        if part and size + added > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(reason)
        size += added
    yield part


def further_of(item: Mapping[str, Any]) -> FurtherRejects:
    name = keys.further_name(item[SORT_KEY])
    decided_hour, lane, n, _ = map(int, name.split("-"))
    reasons = msgspec.msgpack.decode(item["b"], type=list[tuple[str, str, bytes]])
    return FurtherRejects(
        name,
        lane,
        n,
        decided_hour,
        int(item["received_at"]),
        [Reason(meter_id, code, unpack_lines(lines)) for meter_id, code, lines in reasons],
    )

"""How an event or a record that was not counted is listed: by the day of its event, with its reason."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import item_key
from functions.domain.metering.ledger import HOUR_SECONDS, Commit, Refusal
from functions.domain.metering.refusal import FurtherRefusals, Reason, event_json, further_name, unpack_lines
from functions.names import EXPIRES_AT, SORT_KEY

DAY = 86_400
REFUSAL_DAYS = 400


def refusal_item(refusal: Refusal) -> dict[str, Any]:
    event = refusal.event
    at = event.time if event else refusal.received_at
    item = {
        **item_key(
            keys.refusals(refusal.tenant, at), keys.refusal(at, refusal.identity, refusal.code, refusal.meter_id)
        ),
        "code": {"S": refusal.code},
        "reason": {"S": refusal.reason},
        "received_at": {"N": str(refusal.received_at)},
        "counted": {"BOOL": refusal.is_counted_elsewhere},
        EXPIRES_AT: {"N": str(refusal.received_at + REFUSAL_DAYS * DAY)},
    }
    if refusal.meter_id:
        item["meter_id"] = {"S": refusal.meter_id}
    if refusal.object_key:
        item["object_key"] = {"S": refusal.object_key}
    if event:
        item["event"] = {"S": event_json(event).decode()}
    return item


def further_items(commit: Commit) -> Iterator[dict[str, Any]]:
    """What a commit left uncounted beyond that: an item for each tenant and day."""
    by_day: dict[tuple[str, int], list[tuple[str, str, str, bytes]]] = {}
    for each in commit.uncountable:
        by_day.setdefault((each.tenant, each.day), []).append((each.meter_id, each.code, each.reason, each.lines))
    for (tenant, day), reasons in by_day.items():
        name = further_name(commit.decided_at // HOUR_SECONDS, commit.lane, commit.n)
        yield {
            **item_key(keys.refusals(tenant, day * DAY), keys.further_refusals(name)),
            "received_at": {"N": str(commit.received_at)},
            "b": {"B": msgspec.msgpack.encode(reasons)},
            EXPIRES_AT: {"N": str(commit.received_at + REFUSAL_DAYS * DAY)},
        }


def further_of(item: Mapping[str, Any]) -> FurtherRefusals:
    name = keys.further_name(item[SORT_KEY])
    decided_hour, lane, n = map(int, name.split("-"))
    reasons = msgspec.msgpack.decode(item["b"], type=list[tuple[str, str, str, bytes]])
    return FurtherRefusals(
        name,
        lane,
        n,
        decided_hour,
        int(item["received_at"]),
        [Reason(meter_id, code, reason, unpack_lines(lines)) for meter_id, code, reason, lines in reasons],
    )

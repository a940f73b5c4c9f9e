"""How an event or a record that was not counted is listed: by the day of its event, with its reason."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import item_key
from functions.domain.metering.event import Event
from functions.domain.metering.ledger import Refusal
from functions.domain.metering.readable import is_readable
from functions.names import EXPIRES_AT

_attributes = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

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
        item["event"] = {"S": _event_json(event)}
    return item


def _event_json(event: Event) -> str:
    """Whatever the event holds: data that cannot be read as JSON are in `data_base64`."""
    extensions = _attributes(event.extensions) if event.extensions and is_readable(event.extensions) else {}
    data = event.data or b"null"
    shown = {"data": msgspec.Raw(data)} if is_readable(data) else {"data_base64": b64encode(data).decode()}
    document = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": datetime.fromtimestamp(event.time, UTC),
        **extensions,
        **shown,
    }
    return msgspec.json.encode(document).decode()

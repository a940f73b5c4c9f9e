"""What a load's bill grows by with every year of it, and what of its storage and its puts stays the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from functions.adapters.dynamo.metering.reject_item import REJECT_DAYS, reject_item
from functions.domain.metering.cells.pages import PAGE_SECONDS
from functions.domain.metering.ledger.ledger import OUTSIDE_WINDOW, Reject
from functions.domain.metering.ledger.reject import event_identity
from functions.domain.metering.values.event import Event
from functions.names import DEFAULT_TENANT
from infra.prices import MONTHLY, PRICES
from infra.stacks.data import ARCHIVE_COLD_FROM_BYTES, STAGING_DAYS
from tests.bench import assumptions as assume
from tests.bench.counting import item_bytes
from tests.bench.idle import COMMIT_DAYS, FINGERPRINT_DAYS, ITEM_OVERHEAD_BYTES, stored_bytes
from tests.bench.load import EVENT_BYTES, EVENT_TYPE, Deployment, subject_name
from tests.bench.tally import Tally

YEAR_SECONDS = 365 * 86_400
MONTHS = 12
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Growth:
    """US dollars: `grows` is what a month costs more after each year, `stays` what it costs however long that goes on.

    `object_bytes` is the archive's average object, `objects` how many a year has.
    """

    grows: Mapping[str, float]
    stays: Mapping[str, float]
    objects: float
    object_bytes: float

    def as_json(self) -> dict[str, object]:
        return {
            "usd_a_month_more_each_year": {name: round(usd, 4) for name, usd in self.grows.items()},
            "usd_a_month": {name: round(usd, 4) for name, usd in self.stays.items()},
            "archive_objects_a_year": round(self.objects),
            "archive_object_bytes": round(self.object_bytes),
        }


def of_load(per_event: Tally, deployment: Deployment, page_bytes: int) -> Growth:
    """`page_bytes` is a counter page at the end of its span; every subject and lane makes one in each."""
    events = deployment.rate * YEAR_SECONDS
    owners = deployment.subjects + deployment.lanes
    counters = owners * YEAR_SECONDS / PAGE_SECONDS * (page_bytes + ITEM_OVERHEAD_BYTES)
    index = stored_bytes(per_event, "hour_index") * events
    objects = per_event["stored_items.archive"]
    object_bytes = per_event["stored.archive"] / objects
    kept = {
        "fingerprints": stored_bytes(per_event, "fingerprints") * _days(deployment, FINGERPRINT_DAYS),
        "commits": stored_bytes(per_event, "commits") * _days(deployment, COMMIT_DAYS),
        "rejects": _reject_bytes() * assume.REJECTED_SHARE * _days(deployment, REJECT_DAYS),
    }
    database, backups = MONTHLY["dynamodb_storage"].usd, MONTHLY["dynamodb_backups"].usd
    archive = MONTHLY["cold_storage" if object_bytes > ARCHIVE_COLD_FROM_BYTES else "s3_storage"].usd
    failed = assume.FAILED_BATCHES_A_YEAR * assume.MAX_INVOCATION_BYTES
    grows = {
        "counters": counters * database,
        "hour index": index * database,
        "archive": per_event["stored.archive"] * events * archive,
        "failed batches": failed * MONTHLY["s3_storage"].usd,
        "point-in-time recovery of these": (counters + index) * backups,
    }
    stays = {
        **{name: size * database for name, size in kept.items()},
        "point-in-time recovery of these": sum(kept.values()) * backups,
        "staged objects": per_event["stored.staging"] * _days(deployment, STAGING_DAYS) * MONTHLY["s3_storage"].usd,
        "staging PUTs": per_event["s3_puts.staging"] * events / MONTHS * PRICES["s3_puts"].usd,
        "archive PUTs and COPYs": per_event["s3_puts.archive"] * events / MONTHS * PRICES["s3_puts"].usd,
    }
    return Growth(grows, stays, objects * events, object_bytes)


def _days(deployment: Deployment, days: float) -> float:
    return deployment.rate * days * DAY_SECONDS


def _reject_bytes() -> int:
    """Of an event of the load that came too late."""
    name = "00000000-0000-4000-a000-000000000000"
    data = b"x" * (EVENT_BYTES - 150)  # what of the event is its data
    event = Event(1, int(datetime(2026, 9, 1, tzinfo=UTC).timestamp()), name, "edge", EVENT_TYPE, subject_name(1), data)
    reason = "The event is older than the acceptance window, so it can no longer be told from a duplicate."
    reject = Reject(
        DEFAULT_TENANT, event_identity(event.fingerprint, event.time), OUTSIDE_WINDOW, reason, event.time, event
    )
    return item_bytes(reject_item(reject)) + ITEM_OVERHEAD_BYTES

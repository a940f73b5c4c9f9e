"""What makes our own metrics rise: each trouble runs the functions that meet it, and they print what they print.

Only what a function leans on is in memory or broken; the line is made by the code that is deployed.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from functions import names
from functions.adapters.dynamo.metering.heartbeat_store import DynamoHeartbeats
from functions.adapters.memory.ledger import MemoryAuditResults, MemoryLedger
from functions.adapters.records import decode_record, encode_record
from functions.domain.errors import Unavailable
from functions.domain.metering.ledger import counting
from functions.domain.metering.ledger.ledger import Counts
from functions.domain.metering.meters.meter import MeterSet
from functions.handlers import settings
from functions.handlers.billing import schedule_reconcile, webhook_stripe, workflow_record_failure
from functions.handlers.metering import schedule_audit, schedule_heartbeat, schedule_sweep, stream_aggregate
from functions.handlers.wiring import access, base, billing
from tests.adapters.dynamo.metering.test_audit import METERS, TENANT
from tests.adapters.dynamo.metering.test_audit import World as AuditWorld
from tests.application.billing.test_reconcile import Late
from tests.application.billing.world import World as BillingWorld
from tests.application.metering.ledger.test_group_room import AT, CALLS
from tests.application.metering.ledger.test_poison import Broken, subjects
from tests.application.metering.ledger.test_usage import LANES, NOW, Deployment, event
from tests.conftest import DynamoDb
from tests.wired import wire
from tests.writing import write_only


@dataclass
class Place:
    """Where trouble is made."""

    database: DynamoDb
    patch: pytest.MonkeyPatch

    def wire(self, **ports: Any) -> None:
        wire(self.patch, **ports)

    def set(self, **settings_given: Any) -> None:
        """Of the environment, as the functions read it."""
        for name, given in settings_given.items():
            self.patch.setattr(settings, name, lambda given=given: given)

    def deliver(self, deployment: Deployment, *more: bytes) -> None:
        """Through the function that the stream calls."""
        self.wire(aggregator=deployment.aggregator(decode_record))
        bodies = [*map(encode_record, deployment.stream.records), *more]
        deployment.stream.records = []
        kinesis = [
            {"data": base64.b64encode(body).decode(), "approximateArrivalTimestamp": NOW.timestamp()} for body in bodies
        ]
        records = [{"eventID": f"shard:{n}", "kinesis": each} for n, each in enumerate(kinesis)]
        stream_aggregate.handler({"Records": records}, None)


class Hour:
    """A context in which there is time."""

    def get_remaining_time_in_millis(self) -> int:
        return 3_600_000


def no_heartbeat_for_four_minutes(place: Place) -> None:
    place.set(lanes=LANES.count)
    deployment = Deployment()
    place.wire(clock=deployment.clock, event_stream=deployment.stream)
    store = DynamoHeartbeats(place.database.client, place.database.usage_table)
    store.note(dict.fromkeys(range(LANES.count), int(NOW.timestamp()) - 240))
    place.wire(heartbeats=store)
    schedule_heartbeat.handler({}, None)


def a_record_that_nobody_can_read(place: Place) -> None:
    place.deliver(Deployment(), b"neither zstandard nor one of ours")


def a_commit_that_was_not_applied(place: Place) -> None:
    deployment = Broken()
    deployment.send([event(f"e{n}", NOW, subject, n=1) for n, subject in enumerate(subjects())])
    write_only(deployment.writer, deployment.stream.records)
    place.set(lanes=LANES.count)
    place.wire(ledger=deployment.ledger, lane_writer=deployment.new_writer())
    schedule_sweep.handler({}, None)


def a_subject_that_invents_groups(place: Place) -> None:
    place.patch.setattr(counting, "MAX_SUBJECT_CODES", 3)
    deployment = Deployment(MeterSet(1, (CALLS,)))
    deployment.send([event(f"e{model}", AT, "c1", model=model) for model in "abcd"])
    place.deliver(deployment)


def a_batch_that_was_kept(place: Place) -> None:
    kept = type("Kept", (), {"count": lambda _: 1})()
    place.wire(failed_batches=kept)
    place.set(lanes=0)
    place.wire(audit_results=MemoryAuditResults(), auditor=None)
    schedule_audit.handler({}, Hour())


def a_commit_that_says_less_than_it_counted(place: Place) -> None:
    ledger = MemoryLedger()
    ledger.put_meter_set(TENANT, METERS)
    world = AuditWorld(ledger, MemoryAuditResults(), None)
    world.deliver(world.pack(event("e1", NOW, n=1)))
    world.change_commit(1, counts=Counts())
    place.set(lanes=1)
    place.wire(clock=world.clock)
    place.wire(auditor=world.auditor())
    schedule_audit.handler({"lane": 0, "day": world.clock.time.date().isoformat()}, Hour())


def limits_without_a_table(place: Place) -> None:
    place.patch.setenv(names.ENV_USAGE_TABLE, "no-such-table")
    place.patch.setenv(names.ENV_RATE_LIMITS, "calls=5 questions=5 requests=50 bytes=20000")
    for port in (access.buckets, access.rate_limiter):
        port.cache_clear()
    try:
        access.charge_surplus({"acme": 10_000_000})
    finally:
        for port in (access.buckets, access.rate_limiter):
            port.cache_clear()


def a_customer_who_cannot_be_billed(place: Place) -> None:
    workflow_record_failure.handler({"tenant": "acme", "customer_id": "c1", "run_id": "run-1"}, None)


def usage_that_came_late(place: Place) -> None:
    late = Late(BillingWorld(base.billing_table()))
    late.use("2026-05-10", 100)
    late.bill("2026-06-01T01:00:00")
    late.late("2026-05-12", 7)
    late.world.clock.time = late.world.clock.time.replace(hour=2, minute=15)
    place.wire(reconciliation_ports=late.ports)
    schedule_reconcile.handler({}, Hour())


def a_webhook_without_its_secret(place: Place) -> None:
    def refuse() -> Any:
        raise Unavailable("Secrets Manager does not answer.", retry_after_seconds=1)

    place.patch.setattr(billing, "stripe_credentials", refuse)
    webhook_stripe.handler({"headers": {}, "body": "{}"}, None)


TROUBLES: Mapping[str, Callable[[Place], None]] = {
    "Heartbeat": no_heartbeat_for_four_minutes,
    "Rejects": a_record_that_nobody_can_read,
    "LaneLag": a_commit_that_was_not_applied,
    "GroupRoom": a_subject_that_invents_groups,
    "FailedBatches": a_batch_that_was_kept,
    "Audit": a_commit_that_says_less_than_it_counted,
    "RateLimits": limits_without_a_table,
    "BillingCustomers": a_customer_who_cannot_be_billed,
    "LateUsage": usage_that_came_late,
    "Webhooks": a_webhook_without_its_secret,
}

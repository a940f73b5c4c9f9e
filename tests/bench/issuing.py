"""What one invoice of five lines costs to issue: a fee and four meters of a month, by the workflow's function.

Requests and units are those of the call that issues, in a new environment; CPU time is the least of several calls in
one that is warm.
"""

import json
import random
import sys
from datetime import UTC, datetime
from itertools import count
from typing import Any

import boto3

from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers
from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions
from functions.adapters.memory.ledger import MemoryArchive
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.ports.subscriptions import SubscriptionChange, Tenures
from functions.domain.catalog.feature import MeteredFeature
from functions.domain.catalog.plan import CustomPlan
from functions.domain.identity import ulid_floor
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack
from functions.domain.subscriptions.customer import Customer
from functions.domain.subscriptions.subscribe import subscribe
from functions.handlers.billing import workflow_issue_invoice
from functions.handlers.wiring import base, metering
from functions.names import DEFAULT_TENANT
from infra.local.dynamodb_local import dynamodb_local
from tests.bench.load import EVENT_TYPE, SEVEN_METERS, event_json
from tests.bench.stand import Stand
from tests.conftest import create_table
from tests.writing import write

START, END = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
BILLING_TABLE = "bench"
METERS = ("tokens", "calls", "users", "slowest")
EVENTS = 600  # of a customer's month, spread evenly
TIERS = [
    {"upToAmount": "1000000", "flatPrice": None, "unitPrice": {"type": "unit", "amount": "0.00002"}},
    {"flatPrice": None, "unitPrice": {"type": "unit", "amount": "0.00001"}},
]
CUSTOMERS = 12  # the first is counted, the others are timed


def measure(endpoint: str) -> dict[str, float]:
    stand = Stand(endpoint, 8, END.timestamp() + 3_600, meters=SEVEN_METERS)
    plain = boto3.session.Session().client("dynamodb", endpoint_url=endpoint)
    create_table(plain, BILLING_TABLE)
    try:
        customers = _subscribed(stand)
        stand.restart()
        first, *others = (stand.invoke(workflow_issue_invoice.handler, _due(each)) for each in customers)
    finally:
        plain.delete_table(TableName=BILLING_TABLE)
        stand.drop()
    assert all(len(each.answer["invoice_ids"]) == 1 for each in (first, *others))
    tally = first.tally
    return {
        "requests": tally["requests.dynamodb"],
        "reads": sum(tally[f"calls.{name}"] for name in ("GetItem", "Query", "BatchGetItem")),
        "read_units": tally.total("read_units"),
        "write_units": round(tally.total("write_units"), 1),
        "cpu_ms": round(min(each.cpu_seconds for each in others) * 1e3, 2),
    }


def _due(customer_id: str) -> dict[str, Any]:
    due = {"tenant": DEFAULT_TENANT, "customer_id": customer_id, "run_id": "bench", "as_of": END.isoformat()}
    return due | {"invoice_ids": [], "progressive": False}


def _subscribed(stand: Stand) -> list[str]:
    """Customers with a month of usage each, on a plan of a fee and four meters."""
    customers, subscriptions = DynamoCustomers(base.billing_table()), DynamoSubscriptions(base.billing_table())
    offer = CustomPlan.model_validate(
        {"name": "Bench", "currency": "USD", "billingCadence": "P1M"}
        | {"phases": [{"key": "main", "name": "Main", "duration": None, "rateCards": _cards()}]}
    )
    ids = (f"{ulid_floor(START)[:-6]}{n:06d}" for n in count(1))
    features = {slug: MeteredFeature(id=slug, key=slug, name=slug, meter_slug=slug) for slug in METERS}
    made = []
    for n in range(CUSTOMERS):
        subject = f"customer-{n:05d}"
        customer = Customer(id=next(ids), name=f"Customer {n}", key=subject, created_at=START, updated_at=START)
        customers.save(DEFAULT_TENANT, None, customer)
        of = subscribe(
            offer, new_id=lambda: next(ids), customer_id=customer.id, features=features, start=START, now=START
        )
        subscriptions.save(DEFAULT_TENANT, customer.id, [SubscriptionChange(None, of)], Tenures())
        made.append(customer.id)
    _used(stand)
    return made


def _cards() -> list[dict[str, Any]]:
    fee: dict[str, Any] = {"type": "flat_fee", "key": "fee", "name": "Fee", "billingCadence": "P1M"}
    cards: list[dict[str, Any]] = [fee | {"price": {"type": "flat", "amount": "99.99", "paymentTerm": "in_arrears"}}]
    for slug in METERS:
        usage = {"type": "usage_based", "key": slug, "name": slug, "featureKey": slug, "billingCadence": "P1M"}
        cards.append(usage | {"price": {"type": "tiered", "mode": "graduated", "tiers": TIERS}})
    return cards


def _used(stand: Stand) -> None:
    """Written by the aggregator's own code; their archive is not read by an invoice of whole half hours."""
    chance, numbers = random.Random(1), count(1)
    step = (END - START).total_seconds() / EVENTS
    window, lanes = AcceptanceWindow(past=45 * 86_400), stand.lanes
    writer = LaneWriter(
        metering.ledger(),
        MemoryArchive(),
        stand.clock,
        lambda: f"id{next(numbers)}",
        window,
        MemoryLookBacks(),
        lanes.value_fingerprint,
    )
    for n in range(CUSTOMERS):
        subject, events = f"customer-{n:05d}", []
        for k in range(EVENTS):
            body = json.loads(event_json(chance, subject, START.timestamp() + k * step))
            data, second = json.dumps(body["data"]).encode(), int(START.timestamp() + k * step)
            fingerprint = lanes.fingerprint(DEFAULT_TENANT, subject, "edge", body["id"])
            events.append(Event(fingerprint, second, body["id"], "edge", EVENT_TYPE, subject, data))
        lane = lanes.lane_of(DEFAULT_TENANT, subject)
        write(writer, [Pack(DEFAULT_TENANT, lane, f"pack-{n}", int(stand.clock.seconds), events)])


if __name__ == "__main__":
    with dynamodb_local() as endpoint:
        print(json.dumps(measure(endpoint)), file=sys.stdout)

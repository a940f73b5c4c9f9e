"""A customer whose month has ended, its invoice, and the invoice at Stripe: written by the production verbs.

The clock stands still and ids count up, so that committed payloads can name what the seeds make.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, cast

from functions.adapters.dynamo.billing.billing_index import DynamoDuePlans
from functions.adapters.dynamo.billing.failure_store import DynamoFailures
from functions.adapters.dynamo.billing.invoice_store import DynamoInvoices
from functions.adapters.dynamo.billing.payment_store import DynamoInvoiceDocuments, DynamoInvoicePayments
from functions.adapters.dynamo.billing.push_store import DynamoPushStore
from functions.adapters.dynamo.billing.turn_store import DynamoBillingTurns
from functions.adapters.dynamo.billing_keys import DUE, instant, joined
from functions.adapters.dynamo.catalog.plan_store import DynamoPlans
from functions.adapters.dynamo.subscriptions.coupon_store import DynamoCoupons
from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers
from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions
from functions.adapters.stripe.gateway import StripeGateway, stripe_client
from functions.application.billing.issue_invoice import BillingPorts, issue_invoices
from functions.application.billing.list_due import PAGE_SIZE
from functions.application.billing.push_invoice import push_invoice
from functions.application.catalog.find_plan import versioned_plans
from functions.application.catalog.revise_plan import publish_plan
from functions.application.ports.billing import BillingTurn, Due
from functions.application.ports.catalog import MeteredFeatures
from functions.application.ports.usage import Measuring, UsageMeter
from functions.application.subscriptions.create_subscription import (
    Catalogue,
    NewSubscription,
    PlanChoice,
    create_subscription,
)
from functions.domain.billing.invoice import invoice_id
from functions.domain.catalog.feature import MeteredFeature
from functions.domain.catalog.plan import Plan, PlanCreate
from functions.domain.subscriptions.customer import Customer, UsageAttribution
from functions.names import PARTITION_KEY, SORT_KEY
from infra.local.stripe import API_KEY, WEBHOOK_SECRET, pay
from tests.replay.world import TENANT, World

STARTED = datetime(2026, 9, 1, tzinfo=UTC)
ENDED = datetime(2026, 10, 1, tzinfo=UTC)
CUSTOMER = "01JBXR0000000000000CUSTMER"
INVOICE = invoice_id(TENANT, CUSTOMER, "USD", ENDED)
# A currency that Stripe is not asked to bill in.
SHILLINGS = "UGX"
INVOICE_IN_SHILLINGS = invoice_id(TENANT, CUSTOMER, SHILLINGS, ENDED)
RUN = "schedule-20261001T0000"


@dataclass
class StandingClock:
    time: datetime

    def now(self) -> datetime:
        return self.time


class NoFeatures:
    """The plan of these scenarios has a fee only: what usage costs is tested on the whole stack."""

    def metered(self, tenant: str, wanted: Any) -> dict[str, MeteredFeature]:
        return {}


class NoUsage:
    """Never asked, because a fee has no meter."""

    def reading_once(self, _tenant: str) -> UsageMeter:
        return cast(UsageMeter, self)

    def usage(self, *_asked: Any) -> tuple[Decimal, dict[int, int]]:
        return Decimal(0), {}


def subscription(world: World, event: Any) -> Any:
    """A customer on a plan over 49 dollars a month, from 1 September 2026 on."""
    _subscribe(world, "USD")
    return event


def subscription_in_shillings(world: World, event: Any) -> Any:
    _subscribe(world, SHILLINGS)
    return event


def _subscribe(world: World, currency: str) -> None:
    table, clock, new_id = world.billing_table, StandingClock(STARTED), _ids()
    customer = Customer(
        id=CUSTOMER,
        key="acme-robotics",
        name="Acme Robotics",
        primary_email="billing@acme.example",
        currency=currency,
        usage_attribution=UsageAttribution(subject_keys=("customer-0",)),
        created_at=STARTED,
        updated_at=STARTED,
    )
    DynamoCustomers(table).save(TENANT, None, customer)
    plans, features = DynamoPlans(table), cast(MeteredFeatures, NoFeatures())

    def drafted(version: int, now: datetime) -> Plan:
        return Plan(**dict(_plan(currency)), id=new_id(), version=version, created_at=now, updated_at=now)

    # As plans were made before their currency was looked at.
    draft = versioned_plans(plans, clock).draft(TENANT, "basic", drafted)
    publish_plan(TENANT, draft.id, plans=plans, features=features, clock=clock)
    create_subscription(
        TENANT,
        NewSubscription(PlanChoice("basic"), CUSTOMER),
        accept_past=timedelta(days=45),
        catalogue=Catalogue(plans, features),
        subscriptions=DynamoSubscriptions(table),
        customers=DynamoCustomers(table),
        clock=clock,
        new_id=new_id,
    )


def many_due(world: World, event: Any) -> Any:
    """One customer more than a page of a run has room for."""
    for number in range(PAGE_SIZE + 1):
        of_index = joined(instant(ENDED), TENANT, f"01JBXR{number:020d}", "subscription")
        world.billing_table.put({PARTITION_KEY: DUE, SORT_KEY: of_index})
    return event


def turn_taken(world: World, event: Any) -> Any:
    """Another run has just begun, and nobody knows yet how it goes."""
    assert DynamoBillingTurns(world.billing_table).take(BillingTurn(RUN, datetime.now(UTC)), None)
    return event


def planned(world: World, event: Any) -> Any:
    """What is left of such a run: its second page."""
    DynamoDuePlans(world.billing_table).keep(RUN, "due:", 1, [Due(TENANT, CUSTOMER)], datetime.max.replace(tzinfo=UTC))
    return event


def invoice(world: World, event: Any) -> Any:
    """The invoice of September, issued."""
    table = world.billing_table
    ports = BillingPorts(
        subscriptions=DynamoSubscriptions(table),
        invoices=DynamoInvoices(table),
        customers=DynamoCustomers(table),
        usage=cast(Measuring, NoUsage()),
        failures=DynamoFailures(table),
        coupons=DynamoCoupons(table),
        clock=StandingClock(ENDED),
        invoices_idle=lambda _tenant: False,
    )
    (issued,) = issue_invoices(TENANT, CUSTOMER, ENDED, RUN, ports=ports).invoices
    assert issued.invoice.id in {INVOICE, INVOICE_IN_SHILLINGS}
    return event


def pushed(world: World, event: Any) -> Any:
    """The invoice of September at Stripe, open."""
    table = world.billing_table
    client = stripe_client(API_KEY, world.stripe.url, timeout_seconds=10)
    push_invoice(
        TENANT,
        INVOICE,
        documents=DynamoInvoiceDocuments(table),
        contacts=DynamoCustomers(table),
        payments=DynamoInvoicePayments(table),
        gateway=StripeGateway(lambda: client),
        pushes=DynamoPushStore(table),
        clock=StandingClock(datetime.now(UTC)),
    )
    return event


def paid(world: World, event: Any) -> Any:
    """Paid at Stripe; the webhook has not said so yet, and now names the invoice as this Stripe does."""
    (found,) = world.stripe.service.world.invoices
    pay(world.stripe.url, found)
    body = json.loads(event["body"])
    body["data"]["object"]["id"] = found
    return event | {"body": json.dumps(body)}


def signed(_world: World, event: Any) -> Any:
    """Signed now: Stripe's signatures are good for five minutes only."""
    at = int(time.time())
    mac = hmac.new(WEBHOOK_SECRET.encode(), f"{at}.{event['body']}".encode(), hashlib.sha256).hexdigest()
    return event | {"headers": event["headers"] | {"stripe-signature": f"t={at},v1={mac}"}}


def _plan(currency: str) -> PlanCreate:
    price = {"type": "flat", "amount": "49", "paymentTerm": "in_arrears"}
    card = {"type": "flat_fee", "key": "fee", "name": "Fee", "billingCadence": "P1M", "price": price}
    phase = {"key": "default", "name": "Default", "duration": None, "rateCards": [card]}
    body = {"key": "basic", "name": "Basic", "currency": currency, "billingCadence": "P1M", "phases": [phase]}
    return PlanCreate.model_validate(body)


def _ids() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"01JBXR{next(numbers):020d}"

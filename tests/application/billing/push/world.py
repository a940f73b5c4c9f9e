"""One tenant's pushes against the stand-in through the genuine Stripe SDK, with crashes and a movable clock."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import stripe

from functions.adapters.stripe.errors import PatientCaller
from functions.adapters.stripe.gateway import StripeGateway
from functions.application.billing.push_invoice import push_invoice
from functions.application.ports.gateway import PaymentUpdate
from functions.application.ports.stored import Stale
from functions.domain.billing.contact import Contact
from functions.domain.billing.document import DocumentLine, InvoiceDocument
from functions.domain.billing.push import MAY_REPLACE, PUSH_LEASE, GatewayCustomer, PaymentStatus, PushRecord
from functions.domain.errors import NotFound, Unavailable
from infra.local.stripe_standin.server import Server, running
from infra.local.stripe_standin.world import World as StripeWorld

API_KEY, WEBHOOK_SECRET = "sk_test_push", "whsec_push"
TENANT = "default"
MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def document(lines: int = 3, **changes: Any) -> InvoiceDocument:
    each = tuple(
        DocumentLine(f"line-{i}", f"{i + 1},000 x $0.001 tokens", 100 * (i + 1), MAY, JUNE) for i in range(lines)
    )
    each = changes.pop("of", each)
    values: dict[str, Any] = {
        "tenant": TENANT,
        "invoice_id": "01INVOICE",
        "number": "INV-ACME-1",
        "run_id": "run-1",
        "customer_id": "01CUSTOMER",
        "customer_name": "Acme",
        "customer_email": "pay@acme.example",
        "currency": "USD",
        "lines": each,
        "total_minor": sum(line.amount_minor for line in each),
        "collection_method": "send_invoice",
        "days_until_due": 30,
    }
    return InvoiceDocument(**{**values, **changes})


class Crash(BaseException):
    """The process is gone: nothing after it runs, not even a `finally`."""


class MemoryPushStore:
    def __init__(self) -> None:
        self.records: dict[tuple[str, str], PushRecord] = {}
        self.customers: dict[tuple[str, str, str], GatewayCustomer] = {}
        self.settled: set[tuple[str, str]] = set()
        self.is_dead = False
        self._lock = threading.Lock()

    def record(self, tenant: str, invoice_id: str) -> PushRecord | None:
        return self.records.get((tenant, invoice_id))

    def put(self, record: PushRecord) -> PushRecord:
        if self.is_dead:
            raise Crash
        with self._lock:
            stored = self.records.get((record.tenant, record.invoice_id))
            if record.version != (stored.version if stored else 0):
                raise Stale
            self.records[record.tenant, record.invoice_id] = record.stored()
        return record.stored()

    def customer(self, tenant: str, customer_id: str, currency: str) -> GatewayCustomer:
        return self.customers.get((tenant, customer_id, currency), GatewayCustomer())

    def put_customer(self, tenant: str, customer_id: str, currency: str, customer: GatewayCustomer) -> GatewayCustomer:
        if self.is_dead:
            raise Crash
        with self._lock:
            if self.customer(tenant, customer_id, currency).version != customer.version:
                raise Stale
            self.customers[tenant, customer_id, currency] = customer.stored()
        return customer.stored()

    def is_settled(self, tenant: str, event_id: str) -> bool:
        return (tenant, event_id) in self.settled

    def mark_settled(self, tenant: str, event_id: str, *, now: datetime) -> None:
        self.settled.add((tenant, event_id))


class MemoryPayments:
    """Keeps every accepted update; the last one is the invoice's state."""

    def __init__(self) -> None:
        self.updates: dict[tuple[str, str], list[PaymentUpdate]] = {}

    def record_payment(self, tenant: str, invoice_id: str, update: PaymentUpdate) -> bool:
        if self.status(tenant, invoice_id) not in MAY_REPLACE[update.status]:
            return False
        self.updates.setdefault((tenant, invoice_id), []).append(update)
        return True

    def status(self, tenant: str = TENANT, invoice_id: str = "01INVOICE") -> PaymentStatus:
        updates = self.updates.get((tenant, invoice_id))
        return updates[-1].status if updates else PaymentStatus.ISSUED


class Documents(dict[tuple[str, str], InvoiceDocument]):
    def get(self, tenant: str, invoice_id: str) -> InvoiceDocument:  # type: ignore[override]
        try:
            return self[tenant, invoice_id]
        except KeyError as missing:
            raise NotFound(invoice_id) from missing


class Contacts(dict[str, Contact]):
    """By customer; for a customer who is not here, nothing has changed."""

    def contact(self, _tenant: str, customer_id: str) -> Contact | None:
        return self.get(customer_id)


class StripeClock:
    """Our clock and the stand-in's are the same one."""

    def __init__(self, world: StripeWorld) -> None:
        self._world = world

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._world.now(), UTC)


class PushWorld:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.stripe = server.service.world
        self.clock = StripeClock(self.stripe)
        self.pushes = MemoryPushStore()
        self.payments = MemoryPayments()
        self.documents = Documents()
        self.contacts = Contacts()
        self.gateway = self.new_gateway()

    def client(self, **options: Any) -> stripe.StripeClient:
        given: dict[str, Any] = {"base_addresses": {"api": self.server.url}, "max_network_retries": 0, **options}
        return stripe.StripeClient(API_KEY, **given)

    def new_gateway(self) -> StripeGateway:
        client = self.client()
        return StripeGateway(lambda: client, PatientCaller(sleep=lambda _: None))

    def issue(self, given: InvoiceDocument | None = None) -> InvoiceDocument:
        given = given or document()
        self.documents[given.tenant, given.invoice_id] = given
        return given

    def push(self, invoice_id: str = "01INVOICE", **others: Any) -> PaymentUpdate:
        ports: dict[str, Any] = {"gateway": self.gateway, "pushes": self.pushes, "payments": self.payments}
        return push_invoice(
            TENANT, invoice_id, documents=self.documents, contacts=self.contacts, clock=self.clock, **(ports | others)
        )

    def push_together(self, names: Sequence[str]) -> set[PaymentStatus]:
        """At once, each by a function of its own that is called again while others are in its way."""

        def one(name: str) -> PaymentStatus:
            gateway = self.new_gateway()
            for _ in range(200):
                with suppress(Unavailable):
                    return self.push(name, gateway=gateway).status
            raise AssertionError(name)

        with ThreadPoolExecutor(4) as pool:
            return set(pool.map(one, names))

    def push_until_done(self, *, wait_seconds: float, most: int = 12, **others: Any) -> PaymentUpdate:
        """As the workflow does: again after each failure that may pass, or after the process died."""
        for _ in range(most):
            try:
                return self.push(**others)
            except (Unavailable, Crash):
                self.pushes.is_dead = False
                self.stripe.advance(max(wait_seconds, PUSH_LEASE.total_seconds() + 1))
        raise AssertionError(f"not pushed after {most} tries")

    def fault(self, fault: str, path: str, **more: Any) -> None:
        self.server.service.faults.add({"fault": fault, "path": path, **more})

    def invoices(self) -> list[dict[str, Any]]:
        return list(self.stripe.invoices.values())

    def the_one_invoice(self) -> dict[str, Any]:
        """Exactly one invoice exists, it is final, and it is the one we issued."""
        (found,) = self.invoices()
        ours = next(iter(self.documents.values()))
        assert found["status"] == "open"
        assert found["total"] == found["amount_due"] == ours.total_minor
        assert [(line["metadata"]["line_id"], line["amount"]) for line in self.stripe.lines[found["id"]]] == [
            (line.line_id, line.amount_minor) for line in ours.lines
        ]
        return found

    def requests(self) -> list[dict[str, Any]]:
        return list(self.server.service.log)


class CrashingGateway:
    """Dies right after the n-th call that changes something: Stripe has done it, we remember nothing of it."""

    CHANGING = ("create_customer", "update_customer", "create_draft", "add_lines", "finalize", "delete_draft")

    def __init__(self, gateway: StripeGateway, pushes: MemoryPushStore, after: int) -> None:
        self._gateway = gateway
        self._pushes = pushes
        self._left = after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._gateway, name)
        if name not in self.CHANGING:
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            self._left -= 1
            if self._left == 0:
                self._pushes.is_dead = True
                raise Crash
            return answer

        return call


class ForgetfulPushStore(MemoryPushStore):
    """Grants a number of pushers the lease although another one holds it, as if each had just lapsed."""

    def __init__(self, lapses: int) -> None:
        super().__init__()
        self._lapses = lapses

    def record(self, tenant: str, invoice_id: str) -> PushRecord | None:
        found = super().record(tenant, invoice_id)
        if found is None or self._lapses == 0:
            return found
        self._lapses -= 1
        return replace(found, lease_until=None)


@contextmanager
def push_world() -> Iterator[PushWorld]:
    with running(api_key=API_KEY, webhook_secret=WEBHOOK_SECRET) as server:
        yield PushWorld(server)

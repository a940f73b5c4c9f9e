"""Push one issued invoice to the gateway: after any crash and any number of runs, exactly one exists there."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from functions.application.ports.clock import Clock
from functions.application.ports.gateway import (
    Contacts,
    Gateway,
    GatewayFault,
    GatewayInvoice,
    GatewayKeyMismatch,
    GatewayRefused,
    GatewayStatus,
    InvoiceDocuments,
    InvoicePayments,
    PaymentUpdate,
    PushBusy,
    PushStore,
)
from functions.application.ports.stored import Stale
from functions.domain.billing.contact import Contact
from functions.domain.billing.document import InvoiceDocument
from functions.domain.billing.push import GatewayCustomer, PaymentStatus, PushFailure, PushRecord, PushState
from functions.domain.errors import InvalidInput

# Gateways take at most this many lines in one request (Stripe's add_lines).
LINES_PER_REQUEST = 100
# The gateway's clock and ours may differ; an invoice is looked for from this long before the first attempt on.
CLOCK_TOLERANCE = timedelta(days=1)
# A gateway that fails three times in a row is down: the workflow's slower retry takes over.
MAX_GENERATIONS_PER_RUN = 3
# Invoices of one customer may be pushed at once, while the customer is changed.
MAX_TELLINGS = 3


def push_invoice(
    tenant: str,
    invoice_id: str,
    *,
    documents: InvoiceDocuments,
    contacts: Contacts,
    payments: InvoicePayments,
    gateway: Gateway,
    pushes: PushStore,
    clock: Clock,
) -> PaymentUpdate:
    """Bring the invoice to the gateway, finalized, and write what came of it on our invoice.

    A permanent failure is an answer (status `push_failed` and its code), not an exception. Raises Unavailable
    (another try may succeed), GatewayUnauthorized (no invoice of this tenant can be pushed now), NotFound.
    """
    document = documents.get(tenant, invoice_id)
    if document.total_minor == 0:
        # Nothing to collect; gateways would keep it open or mail it to the customer.
        update = PaymentUpdate(PaymentStatus.PAID, clock.now(), amount_due_minor=0, amount_paid_minor=0)
    else:
        update = _Push(document, contacts, gateway, pushes, clock).run()
    payments.record_payment(tenant, invoice_id, update)
    return update


class _Stopped(Exception):
    """The gateway holds something we do not understand; going on could bill wrongly."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.failure = PushFailure(code, message)


class _Push:
    """One walk (or a few generations of it) over one invoice, holding its lease."""

    def __init__(
        self, document: InvoiceDocument, contacts: Contacts, gateway: Gateway, pushes: PushStore, clock: Clock
    ) -> None:
        self.document = document
        self.contacts = contacts
        self.gateway = gateway
        self.pushes = pushes
        self.clock = clock
        self.record = self._leased_record()

    def run(self) -> PaymentUpdate:
        try:
            if self.record.payload_sha != self.document.sha256():
                return self._drifted()
            self._put(self.record.retried())
            update = self._run_generations()
        finally:
            self._release()
        return update

    def _run_generations(self) -> PaymentUpdate:
        for attempt in range(1, MAX_GENERATIONS_PER_RUN + 1):
            try:
                invoice = self._walk()
                self._put(self.record.pushed())
                return payment_update(invoice, self.clock.now())
            except GatewayFault:
                # It repeats the failure for the same key: look again, then ask with the next one.
                self._put(self.record.next_generation())
                if attempt == MAX_GENERATIONS_PER_RUN:
                    raise
            except _Stopped as stop:
                return self._failed(stop.failure)
            except GatewayRefused as refused:
                if attempt == MAX_GENERATIONS_PER_RUN or not self._is_customer_gone():
                    return self._failed(PushFailure(refused.code, refused.detail, refused.param))
                self._forget_customer()
            except (GatewayKeyMismatch, InvalidInput) as error:
                return self._failed(PushFailure(error.code, error.detail))
        raise AssertionError("the last generation returns or raises")

    def _walk(self) -> GatewayInvoice:
        self.gateway.check(self.document)
        customer = self._customer()
        if self.record.state is not PushState.PUSHED:
            self._tell_contact(customer)
        invoice = self._found_or_created(customer)
        if invoice.status is GatewayStatus.VOID:
            return invoice
        if invoice.status is GatewayStatus.DRAFT:
            self._add_missing_lines(invoice.ref)
        invoice = self._verified(invoice.ref)
        if invoice.status is GatewayStatus.DRAFT:
            invoice = self._finalized(invoice.ref)
        return invoice

    def _customer(self) -> str:
        if self.record.gateway_customer:
            return self.record.gateway_customer
        document = self.document
        known = self._known_customer()
        ref = known.ref
        if ref is None:
            self._renew()
            ref = self.gateway.create_customer(document, gen=self.record.gen, replaced=known.replaced)
            ref = self._remembered(replace(known, ref=ref, told=Contact.of(document).sha256()))
        self._put(replace(self.record, gateway_customer=ref))
        return ref

    def _known_customer(self) -> GatewayCustomer:
        return self.pushes.customer(self.document.tenant, self.document.customer_id, self.document.currency)

    def _put_customer(self, customer: GatewayCustomer) -> None:
        self.pushes.put_customer(self.document.tenant, self.document.customer_id, self.document.currency, customer)

    def _remembered(self, made: GatewayCustomer) -> str:
        """The first one stays: the loser's customer at the gateway is never billed."""
        kept: GatewayCustomer = made
        try:
            self._put_customer(made)
        except Stale:
            kept = self._known_customer()
        if kept.ref is None:
            raise PushBusy(f"Customer {self.document.customer_id} is being made again by another pusher.")
        return kept.ref

    def _tell_contact(self, ref: str) -> None:
        """A customer who changed their name or address since the last invoice finds the change on this one.

        What they are now, not what they were when the invoice was issued: an old one must not undo what a newer told.
        """
        is_overtaken = False
        for _ in range(MAX_TELLINGS):
            known = self._known_customer()
            contact = self.contacts.contact(self.document.tenant, self.document.customer_id)
            if contact is None or known.ref != ref or (known.told == contact.sha256() and not is_overtaken):
                return
            self._renew()
            try:
                self.gateway.update_customer(self.document, ref, contact, version=known.version, gen=self.record.gen)
            except GatewayRefused:
                if self._is_customer_gone():
                    raise
                return  # it is told again with the next invoice; that this one is paid does not wait for it
            try:
                self._put_customer(replace(known, told=contact.sha256()))
            except Stale:
                # Another one told something meanwhile, and nobody knows which of the two came last: once more.
                is_overtaken = True
            else:
                return
        raise PushBusy(f"Customer {self.document.customer_id} is being changed by other pushers.")

    def _is_customer_gone(self) -> bool:
        """Asked after a refusal only; the refusal may have any text."""
        ref = self.record.gateway_customer
        try:
            return ref is not None and self.gateway.is_customer_gone(ref)
        except GatewayRefused:
            return False

    def _forget_customer(self) -> None:
        """Somebody deleted them at the gateway: the next walk makes them, and the invoice, again.

        What they have of this invoice is at most a draft, which nobody can finalize any more.
        """
        ref, draft = self.record.gateway_customer, self.record.gateway_invoice
        known = self._known_customer()
        if known.ref == ref:
            # If it is stale, another pusher has noticed it as well.
            with suppress(Stale):
                self._put_customer(known.gone())
        if draft is not None:
            self._renew()
            with suppress(GatewayRefused):
                self.gateway.delete_draft(draft)
        self._put(self.record.anew())

    def _found_or_created(self, customer: str) -> GatewayInvoice:
        invoice = self.gateway.invoice(self.record.gateway_invoice) if self.record.gateway_invoice else None
        if self.record.gateway_invoice and invoice is None:
            # Somebody deleted our draft; its key would answer with the deleted one for a day.
            self._put(replace(self.record.next_generation(), gateway_invoice=None))
        if invoice is None:
            since = self.record.first_attempt_at - CLOCK_TOLERANCE
            found = self.gateway.find_invoices(self.document, customer, since)
            live = [each for each in found if each.status is not GatewayStatus.VOID]
            if len(live) > 1:
                refs = ", ".join(each.ref for each in live)
                raise _Stopped("duplicate_invoices", f"The gateway has {len(live)} invoices for this one: {refs}.")
            if live:
                invoice = live[0]
            else:
                self._renew()
                invoice = self.gateway.create_draft(self.document, customer, gen=self.record.gen)
            self._put(replace(self.record, gateway_invoice=invoice.ref))
        if invoice.payload_sha != self.record.payload_sha:
            raise _Stopped("payload_drift", f"{invoice.ref} was made from another version of this invoice.")
        return invoice

    def _add_missing_lines(self, ref: str) -> None:
        counts = Counter(line.line_id for line in self.gateway.lines(ref, self.document.currency))
        ours = {line.line_id for line in self.document.lines}
        foreign = [line_id for line_id, count in counts.items() if line_id not in ours or count > 1]
        if foreign:
            raise _Stopped("unknown_lines", f"{ref} has lines that are not ours or stand twice: {foreign[:5]}.")
        # Chunks are cut from the document, not from what is missing, so that two pushers cut (and key) alike.
        for start in range(0, len(self.document.lines), LINES_PER_REQUEST):
            chunk = self.document.lines[start : start + LINES_PER_REQUEST]
            missing = [line for line in chunk if line.line_id not in counts]
            if missing:
                self._renew()
                self.gateway.add_lines(self.document, ref, missing, gen=self.record.gen)

    def _verified(self, ref: str) -> GatewayInvoice:
        """Read it back and compare every amount: a wrong draft can still be deleted, a wrong invoice is a dispute."""
        invoice = self.gateway.invoice(ref)
        if invoice is None:
            raise _Stopped("invoice_missing", f"{ref} disappeared while it was pushed.")
        document = self.document
        Amounts = Counter[tuple[str | None, int]]
        there = Amounts((line.line_id, line.amount_minor) for line in self.gateway.lines(ref, document.currency))
        ours = Amounts((line.line_id, line.amount_minor) for line in document.lines)
        total = invoice.subtotal_minor if document.automatic_tax else invoice.total_minor
        wrong = [
            *(["currency"] if invoice.currency != document.currency else []),
            *([f"total {total} instead of {document.total_minor}"] if total != document.total_minor else []),
            *([f"lines {sorted(map(str, (there - ours) + (ours - there)))[:5]}"] if there != ours else []),
        ]
        if wrong:
            raise _Stopped("verification_failed", f"{ref} is not the invoice we issued: {'; '.join(wrong)}.")
        return invoice

    def _finalized(self, ref: str) -> GatewayInvoice:
        self._renew()
        try:
            return self.gateway.finalize(self.document, ref, gen=self.record.gen)
        except GatewayRefused:
            # Most often "already finalized", by an earlier try whose answer was lost; the invoice itself knows.
            invoice = self.gateway.invoice(ref)
            if invoice is None or invoice.status is GatewayStatus.DRAFT:
                raise
            return invoice

    def _leased_record(self) -> PushRecord:
        now, document = self.clock.now(), self.document
        stored = self.pushes.record(document.tenant, document.invoice_id)
        record = stored or PushRecord(document.tenant, document.invoice_id, document.sha256(), first_attempt_at=now)
        if record.is_leased(now):
            raise PushBusy(f"Invoice {document.invoice_id} is being pushed until {record.lease_until}.")
        return self._stored(record.leased(now))

    def _stored(self, record: PushRecord) -> PushRecord:
        try:
            return self.pushes.put(record)
        except Stale as stale:
            raise PushBusy(f"Invoice {record.invoice_id} was taken over by another pusher.") from stale

    def _put(self, record: PushRecord) -> None:
        if record != self.record:
            self.record = self._stored(record)

    def _renew(self) -> None:
        """Before every call that changes something: still the only pusher, and for longer than the call can take.

        Written even within the same instant: the write is what notices that somebody took over.
        """
        self.record = self._stored(self.record.leased(self.clock.now()))

    def _release(self) -> None:
        if self.record.lease_until is not None:
            try:
                self.record = self.pushes.put(self.record.released())
            except Stale:
                return

    def _failed(self, failure: PushFailure) -> PaymentUpdate:
        self._put(self.record.failed(failure))
        return PaymentUpdate(
            PaymentStatus.PUSH_FAILED,
            self.clock.now(),
            gateway_invoice=self.record.gateway_invoice,
            failure=failure,
        )

    def _drifted(self) -> PaymentUpdate:
        """The document is not the one first pushed. What is at the gateway stays; the record keeps telling of it."""
        failure = PushFailure("payload_drift", "The invoice document changed after it was first pushed.")
        if self.record.state is PushState.STARTED:
            return self._failed(failure)
        return PaymentUpdate(PaymentStatus.PUSH_FAILED, self.clock.now(), failure=failure)


def payment_update(invoice: GatewayInvoice, at: datetime) -> PaymentUpdate:
    """The gateway's finished invoice in our words; a draft has none."""
    return PaymentUpdate(
        PaymentStatus(invoice.status.value),
        at,
        gateway_invoice=invoice.ref,
        number=invoice.number,
        hosted_invoice_url=invoice.hosted_invoice_url,
        invoice_pdf=invoice.invoice_pdf,
        amount_due_minor=invoice.amount_due_minor,
        amount_paid_minor=invoice.amount_paid_minor,
        returned_minor=invoice.returned_minor,
        due_at=invoice.due_at,
    )

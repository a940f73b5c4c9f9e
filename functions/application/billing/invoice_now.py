"""Invoice one customer outside the schedule: the same run as the schedule's, asked for, waited for, answered once."""

from datetime import datetime, timedelta

from functions.application.billing.list_due import first_due
from functions.application.ports.billing import BillingRun, BillingRuns, Failures, InvoiceRequests, Invoices
from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId
from functions.application.ports.subscriptions import BilledCustomers, Subscriptions
from functions.application.subscriptions.find_customer import find_billed_customer
from functions.domain.billing.invoice import InvoiceRecord
from functions.domain.billing.invoice_request import InvoiceRequest
from functions.domain.errors import InvalidInput, Unavailable, Unbillable

NO_LINES = "invoice_create_no_lines"
# A run that has not issued by then has failed; asking again starts another one, which is harmless.
RUN_IS_LOST_AFTER = timedelta(minutes=2)


def request_invoices(
    tenant: str,
    customer: str,
    as_of: datetime | None,
    *,
    progressive: bool = False,
    customers: BilledCustomers,
    subscriptions: Subscriptions,
    requests: InvoiceRequests,
    runs: BillingRuns,
    clock: Clock,
    new_id: NewId,
) -> InvoiceRequest:
    """Start a run for everything the customer (by id or key) owes at or before `as_of`, or join one asked for before.

    If progressive, also for what was used up to then of periods that have not ended. Raises NotFound for the customer
    and InvalidInput (`invoice_create_no_lines`) when there is nothing of the kind.
    """
    now = clock.now().replace(microsecond=0)
    if as_of is not None and as_of > now:
        raise InvalidInput("asOf must not be in the future: only what was used can be invoiced.")
    customer_id = find_billed_customer(tenant, customer, customers=customers).id
    until = as_of or now
    before = requests.get(tenant, customer_id)
    due_at = first_due(tenant, customer_id, until, subscriptions, progressive=progressive)
    is_waiting = before is not None and not before.is_answered
    if due_at is None:
        if before is not None and (is_waiting or before.as_of == as_of):
            return before
        again = before.answered_before(as_of) if before is not None and as_of is not None else None
        if again is not None:
            return again
        raise no_lines(customer_id, progressive=progressive)
    if before is not None and is_waiting:
        # Asked again without an instant, usage so far means what it meant the first time.
        is_same = before.progressive and as_of in (None, before.as_of)
        if progressive and is_same:
            due_at = first_due(tenant, customer_id, until, subscriptions) or before.first_due_at
        is_covered = before.as_of >= due_at and (is_same or not progressive)
        if now - before.requested_at < RUN_IS_LOST_AFTER and is_covered:
            return before
        due_at = min(due_at, before.first_due_at)
    run = BillingRun(f"now-{new_id()}", until, tenant, (customer_id,), progressive)
    request = InvoiceRequest(
        customer_id=customer_id,
        run_id=run.run_id,
        first_due_at=due_at,
        as_of=until,
        requested_at=now,
        progressive=progressive,
        answered=before.with_itself_answered() if before is not None else (),
    )
    requests.put(tenant, request)
    runs.start(run)
    return request


def requested_invoices(
    tenant: str,
    request: InvoiceRequest,
    *,
    subscriptions: Subscriptions,
    invoices: Invoices,
    requests: InvoiceRequests,
    failures: Failures,
) -> list[InvoiceRecord] | None:
    """The invoices of the request with their lines, None while its run still works.

    Raises Unbillable if the run failed in a way that trying again does not mend, Unavailable if it failed otherwise.
    """
    progressive = request.progressive
    if first_due(tenant, request.customer_id, request.as_of, subscriptions, progressive=progressive) is not None:
        for failure in failures.of_customer(tenant, request.customer_id):
            if failure.run_id == request.run_id and failure.step == "issue":
                message = f"Customer {request.customer_id} could not be invoiced: {failure.message}"
                if failure.code == Unbillable.__name__:
                    raise Unbillable(message, code="billing_failed")
                raise Unavailable(message, retry_after_seconds=60, code="billing_failed")
        return None
    headers = invoices.headers(tenant, since=request.first_due_at, until=request.as_of)
    ids = [each.invoice.id for each in headers if each.invoice.customer.id == request.customer_id]
    issued = [record for each in ids if (record := invoices.get(tenant, each)) is not None]
    if not request.is_answered:
        requests.put(tenant, request.model_copy(update={"is_answered": True}))
    if not issued:
        raise no_lines(request.customer_id, progressive=progressive)
    return issued


def no_lines(customer_id: str, *, progressive: bool) -> InvalidInput:
    why = "no period has ended since the last invoice"
    if progressive:
        why += ", and nothing was used since then that can be billed before its period ends"
    message = (
        f"Customer {customer_id} has nothing to invoice: {why}. "
        "GET subscriptions/{id}/upcoming-invoice shows what is next, and when."
    )
    return InvalidInput(message, code=NO_LINES)

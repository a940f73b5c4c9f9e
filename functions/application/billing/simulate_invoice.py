"""Try an invoice out: price given quantities for a customer; nothing is measured, numbered or stored."""

from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId
from functions.application.ports.subscriptions import BilledCustomers
from functions.application.subscriptions.find_customer import customer_not_found
from functions.domain.billing.invoice import Invoice, summed_up
from functions.domain.billing.simulation import SIMULATED, InvoiceSimulation
from functions.domain.catalog.validation import refuse, says_tax, tax_problem
from functions.domain.errors import FieldError

# Nobody ran it.
NO_RUN = ""


def simulate_invoice(
    tenant: str,
    customer: str,
    simulation: InvoiceSimulation,
    *,
    customers: BilledCustomers,
    clock: Clock,
    new_id: NewId,
) -> Invoice:
    """Raises InvalidInput for a tax, NotFound for the customer, Unbillable for more money than an invoice can say."""
    refuse(_tax_problems(simulation), code="invalid_simulation")
    billed = customers.find(tenant, customer)
    if billed is None:
        raise customer_not_found(customer)
    return summed_up(
        [line.line(new_id(), simulation.currency) for line in simulation.lines],
        id=new_id(),
        tenant=tenant,
        number=simulation.number or SIMULATED,
        run_id=NO_RUN,
        customer=billed,
        currency=simulation.currency,
        invoice_at=simulation.invoice_at,
        now=clock.now().replace(microsecond=0),
    )


def _tax_problems(simulation: InvoiceSimulation) -> list[FieldError]:
    said = {
        f"lines[{i}].{path}": config
        for i, line in enumerate(simulation.lines)
        for path, config in (
            ("taxConfig", line.tax_config),
            ("rateCard.taxConfig", line.rate_card.tax_config if line.rate_card else None),
        )
    }
    return [tax_problem(field) for field, config in said.items() if says_tax(config)]

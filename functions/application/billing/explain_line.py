"""Explain an invoice line: the steps of its working, and the windows its quantity came from as the meter has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from functions.application.ports.billing import Invoices
from functions.application.ports.usage import Measuring, Windowed, WindowedUsage
from functions.domain.billing.explanation import Step, steps_of
from functions.domain.billing.invoice import Invoice
from functions.domain.billing.line import InvoiceLine, UsageSnapshot
from functions.domain.billing.rating_steps import summed
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.catalog.pricing import Group, Needs
from functions.domain.errors import NotFound, TollboothError
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.money import EXACT

ZERO = Decimal(0)
# A page of an answer that a person reads.
MAX_WINDOWS = 100
MAX_PARTS = 100


@dataclass(frozen=True)
class Remeasured:
    """What the meter says now; `difference` is that less the quantity the line was frozen with.

    Of a period billed progressively it is all since the period's first line; what earlier lines billed goes off, too.

    `parts` are the largest of the parts a price by dimensions or hours was given, `part_count` says how many there are.
    Of a price that looks at a level, `levels` are such parts: how high it was, with its value-hours; and what it is at
    the end.
    """

    quantity: Decimal
    difference: Decimal
    windowed: Windowed
    parts: Sequence[tuple[Group, Decimal]] = ()
    part_count: int = 0
    levels: Sequence[tuple[Decimal, Decimal]] = ()
    level_at_end: Decimal | None = None


@dataclass(frozen=True)
class Explanation:
    """`remeasured` is None for a fee, and when the meter cannot answer, for which `not_measured` says why."""

    line: InvoiceLine
    steps: Sequence[Step]
    remeasured: Remeasured | None = None
    not_measured: str | None = None


def explain_line(
    tenant: str, invoice_id: str, line_id: str, *, invoices: Invoices, usage: Measuring
) -> tuple[Invoice, Explanation]:
    """Raises NotFound for the invoice or the line."""
    record = invoices.get(tenant, invoice_id)
    if record is None:
        raise NotFound(f"There is no invoice {invoice_id[:100]!r}.", code="invoice_not_found")
    return record.invoice, explained_line(
        tenant, record.invoice, _line(record.invoice, line_id), usage.reading_once(tenant)
    )


def explained_line(tenant: str, invoice: Invoice, line: InvoiceLine, meter: WindowedUsage) -> Explanation:
    steps = steps_of(line, invoice.currency)
    if line.usage is None:
        return Explanation(line, steps)
    try:
        return Explanation(line, steps, _remeasured(tenant, line, line.usage, meter))
    except TollboothError as error:
        # The line stands as it was frozen, also when its meter has changed or is gone.
        return Explanation(line, steps, not_measured=error.detail)


def _remeasured(tenant: str, line: InvoiceLine, usage: UsageSnapshot, meter: WindowedUsage) -> Remeasured | None:
    if not usage.subjects:
        return None
    question = UsageQuestion(tenant, usage.meter, usage.holdings, usage.filters, line.measured)
    windowed = meter.windows(question, MAX_WINDOWS)
    if usage.by_level:
        return _of_levels(usage, windowed, meter.levels(question))
    quantity, _ = meter.usage(question)
    needs, parts = Needs(usage.group_by, usage.time_zone), dict[Group, Decimal]()
    # As the run has it: corrections may outweigh usage, and nobody is billed for less than nothing.
    owed = max(EXACT.subtract(quantity, usage.billed_before), ZERO)
    if needs:
        parts = {group: max(part, ZERO) for group, part in meter.parts(question, needs).items()}
        owed = summed(parts)
    largest = sorted(parts.items(), key=lambda part: part[1], reverse=True)[:MAX_PARTS]
    return Remeasured(quantity, EXACT.subtract(owed, usage.quantity), windowed, largest, len(parts))


def _of_levels(usage: UsageSnapshot, windowed: Windowed, levels: LevelTimes) -> Remeasured:
    quantity = levels.value_hours
    parts = sorted(levels.parts, key=lambda part: part[1], reverse=True)
    return Remeasured(
        quantity,
        EXACT.subtract(quantity, usage.quantity),
        windowed,
        part_count=len(parts),
        levels=parts[:MAX_PARTS],
        level_at_end=levels.last,
    )


def _line(invoice: Invoice, line_id: str) -> InvoiceLine:
    found = next((line for line in invoice.lines if line.id == line_id), None)
    if found is None:
        message = f"Invoice {invoice.number} has no line {line_id[:100]!r}; its lines are in the invoice."
        raise NotFound(message, code="line_not_found")
    return found

"""One customer of a billing run: issue what is owed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from functions.application.billing.issue_invoice import issue_invoices
from functions.handlers import log
from functions.handlers.edge.step import step
from functions.handlers.wiring import billing

# A thousand periods of one customer; a longer backlog goes on in the next scheduled run, so that no run is held up.
MAX_ROUNDS = 100


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """-> {invoice_ids, has_more, rounds}: every invoice to push now, older ones that are not at the gateway first."""
    tenant, customer_id, run_id = (str(payload[name]) for name in ("tenant", "customer_id", "run_id"))
    as_of = datetime.fromisoformat(payload["as_of"])
    rounds = int((payload.get("issued") or {}).get("rounds", 0)) + 1
    progressive = bool(payload.get("progressive"))
    ports = billing.billing_ports()
    issued = issue_invoices(tenant, customer_id, as_of, run_id, ports=ports, progressive=progressive)
    ids = [record.invoice.id for record in issued.invoices]
    log.write("INFO", "invoices issued", tenant=tenant, customer_id=customer_id, run_id=run_id, invoice_ids=ids)
    return {
        "invoice_ids": [*payload.get("invoice_ids", []), *ids],
        "has_more": issued.has_more and rounds < MAX_ROUNDS,
        "rounds": rounds,
    }

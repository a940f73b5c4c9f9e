"""Lines of a draft: add_lines, invoice items, their list, and the totals that follow from them."""

from infra.local.stripe_standin import currencies, customers, lists, objects
from infra.local.stripe_standin.forms import Params
from infra.local.stripe_standin.refusal import Refusal, missing, wrong_state
from infra.local.stripe_standin.world import Json, World

MAX_LINES = 250
# Stricter than anything Stripe has written down, so that our chunks stay small enough for any undocumented cap.
MAX_LINES_PER_REQUEST = 100


def find_invoice(world: World, name: str, *, param: str = "invoice", status: int = 404) -> Json:
    invoice = world.invoices.get(name)
    if invoice is None:
        raise missing("invoice", name, param=param, status=status)
    return invoice


def require_draft(invoice: Json, what: str) -> None:
    if invoice["status"] != "draft":
        raise wrong_state(
            f"Invoice {invoice['id']} is no longer editable: {what} needs a draft, it is {invoice['status']}.",
            code="invoice_not_editable",
        )


def recompute(world: World, invoice: Json) -> None:
    """Totals and the embedded first lines, after any change of the lines."""
    lines = world.lines[invoice["id"]]
    total = sum(line["amount"] for line in lines)
    for field in ("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"):
        invoice[field] = total
    invoice["amount_due"] = invoice["amount_remaining"] = max(total, 0)
    shown = [dict(line) for line in lines[: objects.EMBEDDED_LINES]]
    invoice["lines"] |= {"data": shown, "has_more": len(lines) > len(shown)}


def add_lines(world: World, params: Params, name: str) -> Json:
    invoice = find_invoice(world, name)
    params.texts("expand")
    given = params.children("lines")
    if len(given) > MAX_LINES_PER_REQUEST:
        raise Refusal(400, f"Too many lines: at most {MAX_LINES_PER_REQUEST} in one request.", param="lines")
    wanted = [_line_fields(each, invoice["currency"]) for each in given]
    params.close()
    require_draft(invoice, "adding lines")
    _append(world, invoice, wanted)
    world.emit("invoice.updated", invoice)
    return invoice


def create_item(world: World, params: Params) -> Json:
    """An invoice item of an invoice, or pending until an invoice includes it."""
    customer = customers.find(world, params.text("customer"), param="customer", status=400)
    target = params.text("invoice", None)
    invoice = find_invoice(world, target, status=400) if target is not None else None
    currency = params.text("currency", invoice["currency"] if invoice else customer["currency"] or "usd")
    currencies.supported(currency, "currency")
    params.texts("expand")
    fields = _line_fields(params, currency)
    if invoice is not None:
        require_draft(invoice, "adding an item")
    item: Json = {
        "id": world.new_id("ii"),
        "object": "invoiceitem",
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "date": world.now(),
        "discounts": [],
        "discountable": True,
        "invoice": target,
        "livemode": False,
        "net_amount": fields["amount"],
        "parent": None,
        "pricing": None,
        "proration": False,
        "quantity": 1,
        "quantity_decimal": "1",
        "tax_rates": [],
        "test_clock": None,
        **fields,
    }
    world.keep(world.invoice_items, item)
    if invoice is not None:
        _append(world, invoice, [fields], item["id"])
    return item


def include_pending(world: World, invoice: Json) -> None:
    for item in world.invoice_items.values():
        if item["invoice"] is None and item["customer"] == invoice["customer"]:
            fields = {field: item[field] for field in ("amount", "description", "period", "metadata")}
            _append(world, invoice, [fields], item["id"])
            item["invoice"] = invoice["id"]


def list_lines(world: World, params: Params, name: str) -> Json:
    invoice = find_invoice(world, name)
    return lists.page(world.lines[invoice["id"]], params, f"/v1/invoices/{name}/lines")


def _append(world: World, invoice: Json, wanted: list[Json], item: str | None = None) -> None:
    lines = world.lines[invoice["id"]]
    if len(lines) + len(wanted) > MAX_LINES:
        raise wrong_state(f"An invoice can have at most {MAX_LINES} line items.")
    if invoice["automatic_tax"]["enabled"] and any(fields["amount"] < 0 for fields in wanted):
        raise wrong_state("Invoice items with negative amounts cannot be added to automatic tax invoices.")
    lines += [objects.invoice_line(world, invoice, item or world.new_id("ii"), **fields) for fields in wanted]
    recompute(world, invoice)


def _line_fields(params: Params, currency: str) -> Json:
    amount = params.integer("amount")
    currencies.chargeable(amount, currency, params.name("amount"))
    description = params.text("description", None)
    period = params.child("period", None)
    now = {"start": 0, "end": 0}
    if period is not None:
        now = {"start": period.integer("start"), "end": period.integer("end")}
        period.close()
        if now["end"] < now["start"]:
            raise Refusal(400, "The period must not end before it starts.", param=params.name("period"))
    metadata = params.metadata()
    params.boolean("discountable", True)
    params.close()
    return {"amount": amount, "description": description, "period": now, "metadata": metadata}

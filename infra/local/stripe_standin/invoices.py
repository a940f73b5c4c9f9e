"""What /v1/invoices does before an invoice is final: create, read, list, update, delete."""

from infra.local.stripe_standin import currencies, customers, lists, objects
from infra.local.stripe_standin.forms import Params
from infra.local.stripe_standin.lines import find_invoice, include_pending, recompute, require_draft
from infra.local.stripe_standin.refusal import Refusal
from infra.local.stripe_standin.world import Json, World

COLLECTION_METHODS = ("charge_automatically", "send_invoice")
STATUSES = ("draft", "open", "paid", "uncollectible", "void")
EXPANDABLE = frozenset({"payments"})
MAX_CUSTOM_FIELDS = 4


def create(world: World, params: Params) -> Json:
    owner = customers.find(world, params.text("customer"), param="customer", status=400)
    currency = currencies.supported(params.text("currency", owner["currency"] or "usd"), "currency")
    method = params.choice("collection_method", COLLECTION_METHODS, "charge_automatically")
    days = params.integer("days_until_due", None, low=0)
    if method == "send_invoice" and days is None:
        raise Refusal(
            400,
            "If invoices are sent to the customer, you must provide `days_until_due`.",
            code="parameter_missing",
            param="days_until_due",
        )
    if method != "send_invoice" and days is not None:
        raise Refusal(
            400,
            "You can only set `days_until_due` if collection method is 'send_invoice'.",
            param="days_until_due",
        )
    tax = params.child("automatic_tax", None)
    is_taxed = tax.boolean("enabled") if tax else False
    if tax:
        tax.close()
    params.text("discounts", "")
    params.texts("expand")
    includes_pending = params.choice("pending_invoice_items_behavior", ("exclude", "include"), "exclude") == "include"
    invoice = objects.invoice(
        world,
        owner,
        currency=currency,
        collection_method=method,
        auto_advance=params.boolean("auto_advance", False),
        custom_fields=_custom_fields(params),
        description=params.text("description", None, longest=1500),
        footer=params.text("footer", None),
        number=params.text("number", None, longest=26),
        metadata=params.metadata(),
    )
    params.close()
    invoice["automatic_tax"] |= {"enabled": is_taxed, "liability": {"type": "self"} if is_taxed else None}
    if is_taxed:
        invoice["automatic_tax"]["status"] = "complete"
    if days is not None:
        invoice["due_date"] = invoice["created"] + days * 86_400
    owner["currency"] = owner["currency"] or currency
    world.keep(world.invoices, invoice)
    world.lines[invoice["id"]] = []
    if includes_pending:
        include_pending(world, invoice)
    recompute(world, invoice)
    world.emit("invoice.created", invoice)
    return invoice


def retrieve(world: World, params: Params, name: str) -> Json:
    expand = params.texts("expand")
    params.close()
    unknown = set(expand) - EXPANDABLE
    if unknown:
        raise Refusal(400, f"This property cannot be expanded ({', '.join(unknown)}).")
    invoice = find_invoice(world, name)
    if "payments" not in expand:
        return invoice
    payments = [each for each in world.payments.values() if each["invoice"] == name]
    listed = {"object": "list", "data": payments, "has_more": False, "url": "/v1/invoice_payments"}
    return {**invoice, "payments": listed}


def list_all(world: World, params: Params) -> Json:
    wanted = {
        "customer": params.text("customer", None),
        "status": params.choice("status", STATUSES, None),
        "collection_method": params.choice("collection_method", COLLECTION_METHODS, None),
    }
    is_inside = lists.created_filter(params)
    found = [
        each
        for each in reversed(world.invoices.values())
        if is_inside(each) and all(value in (None, each[field]) for field, value in wanted.items())
    ]
    return lists.page(found, params, "/v1/invoices")


def update(world: World, params: Params, name: str) -> Json:
    invoice = find_invoice(world, name)
    params.texts("expand")
    auto_advance = params.boolean("auto_advance", invoice["auto_advance"])
    metadata = params.metadata(invoice["metadata"])
    drafted = {}
    if params.has("description"):
        drafted["description"] = params.text("description", longest=1500)
    if params.has("days_until_due"):
        drafted["due_date"] = invoice["created"] + params.integer("days_until_due", low=0) * 86_400
    params.close()
    if drafted:
        require_draft(invoice, "changing more than metadata")
    invoice.update(drafted, auto_advance=auto_advance, metadata=metadata)
    world.emit("invoice.updated", invoice)
    return invoice


def delete(world: World, params: Params, name: str) -> Json:
    params.close()
    invoice = find_invoice(world, name)
    require_draft(invoice, "deleting")
    del world.invoices[name], world.lines[name]
    world.emit("invoice.deleted", invoice)
    return {"id": name, "object": "invoice", "deleted": True}


def _custom_fields(params: Params) -> list[Json] | None:
    given = params.children("custom_fields", None)
    if len(given) > MAX_CUSTOM_FIELDS:
        raise Refusal(400, "At most 4 custom fields are allowed.", param="custom_fields")
    fields = [{"name": each.text("name", longest=40), "value": each.text("value", longest=140)} for each in given]
    for each in given:
        each.close()
    return fields or None

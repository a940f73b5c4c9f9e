"""Which method and path of the Stripe API runs which operation."""

import re
from collections.abc import Callable

from infra.local.stripe_standin import collecting, credits, customers, invoices, lines, lists
from infra.local.stripe_standin.forms import Params
from infra.local.stripe_standin.refusal import Refusal, missing
from infra.local.stripe_standin.world import Json, World

Operation = Callable[..., Json]


def list_events(world: World, params: Params) -> Json:
    kind = params.text("type", None)
    is_inside = lists.created_filter(params)
    found = [each for each in reversed(world.events.values()) if is_inside(each) and kind in (None, each["type"])]
    return lists.page(found, params, "/v1/events")


def retrieve_event(world: World, params: Params, name: str) -> Json:
    params.close()
    if name not in world.events:
        raise missing("event", name)
    return world.events[name]


_ROUTES: list[tuple[str, str, Operation]] = [
    ("POST", "/v1/customers", customers.create),
    ("GET", "/v1/customers", customers.list_all),
    ("GET", "/v1/customers/{}", customers.retrieve),
    ("POST", "/v1/customers/{}", customers.update),
    ("DELETE", "/v1/customers/{}", customers.delete),
    ("POST", "/v1/invoices", invoices.create),
    ("GET", "/v1/invoices", invoices.list_all),
    ("GET", "/v1/invoices/{}", invoices.retrieve),
    ("POST", "/v1/invoices/{}", invoices.update),
    ("DELETE", "/v1/invoices/{}", invoices.delete),
    ("POST", "/v1/invoices/{}/add_lines", lines.add_lines),
    ("GET", "/v1/invoices/{}/lines", lines.list_lines),
    ("POST", "/v1/invoiceitems", lines.create_item),
    ("POST", "/v1/invoices/{}/finalize", collecting.finalize),
    ("POST", "/v1/invoices/{}/pay", collecting.pay),
    ("POST", "/v1/invoices/{}/void", collecting.void),
    ("POST", "/v1/invoices/{}/mark_uncollectible", collecting.mark_uncollectible),
    ("POST", "/v1/invoices/{}/send", collecting.send),
    ("GET", "/v1/invoice_payments", credits.list_payments),
    ("POST", "/v1/credit_notes", credits.create_note),
    ("GET", "/v1/credit_notes", credits.list_notes),
    ("GET", "/v1/credit_notes/{}", credits.retrieve_note),
    ("POST", "/v1/credit_notes/{}/void", credits.void_note),
    ("POST", "/v1/refunds", credits.create_refund),
    ("GET", "/v1/refunds", credits.list_refunds),
    ("GET", "/v1/refunds/{}", credits.retrieve_refund),
    ("GET", "/v1/events", list_events),
    ("GET", "/v1/events/{}", retrieve_event),
]
_COMPILED = [
    (method, re.compile(re.escape(path).replace(r"\{\}", r"([^/]+)")), operation) for method, path, operation in _ROUTES
]


def execute(world: World, method: str, path: str, values: Json) -> Json:
    """Run one request against the world, alone. Raises Refusal."""
    for route_method, pattern, operation in _COMPILED:
        match = pattern.fullmatch(path)
        if match and route_method == method:
            with world.lock:
                return operation(world, Params(values), *match.groups())
    raise Refusal(404, f"Unrecognized request URL ({method}: {path}).")

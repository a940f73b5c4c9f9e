"""/api/v1/billing/reconciliation: billed periods that would cost something else with today's usage."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from functions.application.held_listing import HeldListing
from functions.application.subscriptions.find_customer import find_customer
from functions.domain.billing.difference import BilledDifference
from functions.domain.wire import plain
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.listing import Listed, by_cursor_or_number
from functions.handlers.edge.money_json import money_shown
from functions.handlers.edge.query_model import Paged, choice, instant, text
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import billing, subscriptions
from functions.names import SCOPE_READ

routes = Routes()

ANY = "any"
STATUSES = ("open", "not_measured", ANY)


class ReconciliationQuery(Paged):
    customer_id = text("Only of the customer with this id or key; of all unless given.")
    from_ = instant("Only periods that end after this instant; from the beginning unless given.")
    to = instant("Only periods that begin before this instant; with no end unless given.")
    status = choice(
        "`open` for differences, `not_measured` for what cannot be rated any more, `any` for both.", STATUSES, ANY
    )


@routes.get(
    "/api/v1/billing/reconciliation",
    "List billed periods whose amount would differ today",
    scope=SCOPE_READ,
    answers="Reconciliation",
)
def reconciliation(request: Request[ReconciliationQuery]) -> Answer:
    query = request.query
    status, start, end = query.status, query.from_, query.to
    found = [
        each
        for each in _known(request.tenant, query.customer_id)
        if (start is None or each.period_end > start)
        and (end is None or each.period_start < end)
        and status in (ANY, _status(each))
    ]
    listed = Listed(HeldListing(found, lambda each: f"{each.customer_id}/{each.name}"), _shown)
    return http.ok({**by_cursor_or_number(request, listed), **_totals(found)})


def _known(tenant: str, id_or_key: str | None) -> Iterable[BilledDifference]:
    differences = billing.differences()
    if id_or_key is None:
        return differences.all(tenant)
    customer = find_customer(tenant, id_or_key, customers=subscriptions.customers()).record
    return differences.of_customer(tenant, customer.id)


def _status(difference: BilledDifference) -> str:
    return "not_measured" if difference.reason == "not_measured" else "open"


def _shown(difference: BilledDifference) -> dict[str, Any]:
    """Amounts are in major units, before coupons."""
    currency = difference.currency
    wire = {
        "customerId": difference.customer_id,
        "subscriptionId": difference.subscription_id,
        "itemKey": difference.item_key,
        "period": {"from": difference.period_start, "to": difference.period_end},
        "currency": currency,
        **_amounts(difference, currency),
        "issuedQuantity": plain(difference.issued_quantity),
        "reRatedQuantity": None if difference.re_rated_quantity is None else plain(difference.re_rated_quantity),
        "status": _status(difference),
        "reason": difference.reason,
        "detail": difference.detail,
        "invoices": list(difference.invoices),
        "foundAt": difference.found_at,
        "checkedAt": difference.checked_at,
    }
    return http.without_none(wire)


def _amounts(difference: BilledDifference, currency: str) -> dict[str, Any]:
    re_rated = difference.re_rated_minor
    return {
        "issued": money_shown(difference.issued_minor, currency),
        "reRated": None if re_rated is None else money_shown(re_rated, currency),
        "adjusted": money_shown(0, currency),
        "open": money_shown(difference.open_minor, currency),
    }


def _totals(found: Iterable[BilledDifference]) -> Mapping[str, Any]:
    """`totals` where all is in one currency, and by currency always; of what could be measured."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for each in found:
        if each.re_rated_minor is not None:
            sums[each.currency][0] += each.issued_minor
            sums[each.currency][1] += each.re_rated_minor
    by_currency = [
        {
            "currency": currency,
            "issued": money_shown(issued, currency),
            "reRated": money_shown(re_rated, currency),
            "adjusted": money_shown(0, currency),
            "open": money_shown(re_rated - issued, currency),
        }
        for currency, (issued, re_rated) in sorted(sums.items())
    ]
    if len(by_currency) > 1:
        return {"totalsByCurrency": by_currency}
    nothing = dict.fromkeys(("issued", "reRated", "adjusted", "open"), "0")
    return {"totals": by_currency[0] if by_currency else nothing, "totalsByCurrency": by_currency}

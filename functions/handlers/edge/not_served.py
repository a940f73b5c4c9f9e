"""Operations of OpenMeter that Tollbooth does not serve, and what to do instead: they are refused by name.

A 404 would say that the thing is not there; a client would make it, or go on without it.
"""

import re
from collections.abc import Mapping
from functools import cache

from functions.domain.errors import NotSupported

_STRIPE = "Stripe is the one gateway, and its keys come with the deployment (Invoices in the guide)."
_APPS = f"There are no apps to install or to change. {_STRIPE}"
_OTHER_SYSTEM = "Invoices are pushed to Stripe alone; another system reads GET /api/v1/billing/invoices."
_CUSTOMER_APPS = "Who a customer is at Stripe is kept when their first invoice is pushed; it cannot be set."
_SESSION = "Make the session with Stripe's own API."
_ONE_PROFILE = (
    "A tenant bills in one way: GET and PUT /api/v1/billing/settings. A customer has a time zone and a currency."
)
_LINES = "Lines come from subscriptions; sell a single fee as an add-on, POST /api/v1/subscriptions/{id}/addons."
_FROZEN = "An invoice does not change once it is issued, and none is a draft. Credit or void it at Stripe."
_ISSUED = "An invoice is issued when it is owed and waits for nobody; see POST /api/v1/billing/invoices/invoice."
_RETRIED = "A push to Stripe is tried again by itself; see GET /api/v1/billing/failures."
_TAX = "Taxes are not computed here; Stripe can compute them."
_NOTIFICATIONS = "Nobody is notified; ask for what changed, such as GET /api/v1/billing/invoices, or listen to Stripe."

# As OpenMeter writes the paths.
NOT_SERVED: Mapping[str, str] = {
    "GET /api/v1/apps": _APPS,
    "GET /api/v1/apps/{id}": _APPS,
    "PUT /api/v1/apps/{id}": _APPS,
    "DELETE /api/v1/apps/{id}": _APPS,
    "PUT /api/v1/apps/{id}/stripe/api-key": _APPS,
    "POST /api/v1/apps/custom-invoicing/{invoiceId}/draft/synchronized": _OTHER_SYSTEM,
    "POST /api/v1/apps/custom-invoicing/{invoiceId}/issuing/synchronized": _OTHER_SYSTEM,
    "POST /api/v1/apps/custom-invoicing/{invoiceId}/payment/status": _OTHER_SYSTEM,
    "GET /api/v1/marketplace/listings": _APPS,
    "GET /api/v1/marketplace/listings/{type}": _APPS,
    "POST /api/v1/marketplace/listings/{type}/install": _APPS,
    "POST /api/v1/marketplace/listings/{type}/install/apikey": _APPS,
    "GET /api/v1/marketplace/listings/{type}/install/oauth2": _APPS,
    "GET /api/v1/marketplace/listings/{type}/install/oauth2/authorize": _APPS,
    "GET /api/v1/customers/{customerIdOrKey}/apps": _CUSTOMER_APPS,
    "PUT /api/v1/customers/{customerIdOrKey}/apps": _CUSTOMER_APPS,
    "DELETE /api/v1/customers/{customerIdOrKey}/apps/{appId}": _CUSTOMER_APPS,
    "GET /api/v1/customers/{customerIdOrKey}/stripe": _CUSTOMER_APPS,
    "PUT /api/v1/customers/{customerIdOrKey}/stripe": _CUSTOMER_APPS,
    "POST /api/v1/customers/{customerIdOrKey}/stripe/portal": _SESSION,
    "POST /api/v1/stripe/checkout/sessions": _SESSION,
    "GET /api/v1/billing/profiles": _ONE_PROFILE,
    "POST /api/v1/billing/profiles": _ONE_PROFILE,
    "GET /api/v1/billing/profiles/{id}": _ONE_PROFILE,
    "PUT /api/v1/billing/profiles/{id}": _ONE_PROFILE,
    "DELETE /api/v1/billing/profiles/{id}": _ONE_PROFILE,
    "GET /api/v1/billing/customers": _ONE_PROFILE,
    "GET /api/v1/billing/customers/{customerId}": _ONE_PROFILE,
    "PUT /api/v1/billing/customers/{customerId}": _ONE_PROFILE,
    "DELETE /api/v1/billing/customers/{customerId}": _ONE_PROFILE,
    "POST /api/v1/billing/customers/{customerId}/invoices/pending-lines": _LINES,
    "PUT /api/v1/billing/invoices/{invoiceId}": _FROZEN,
    "DELETE /api/v1/billing/invoices/{invoiceId}": _FROZEN,
    "POST /api/v1/billing/invoices/{invoiceId}/void": _FROZEN,
    "POST /api/v1/billing/invoices/{invoiceId}/advance": _ISSUED,
    "POST /api/v1/billing/invoices/{invoiceId}/approve": _ISSUED,
    "POST /api/v1/billing/invoices/{invoiceId}/snapshot-quantities": _ISSUED,
    "POST /api/v1/billing/invoices/{invoiceId}/retry": _RETRIED,
    "POST /api/v1/billing/invoices/{invoiceId}/taxes/recalculate": _TAX,
    "GET /api/v1/notification/channels": _NOTIFICATIONS,
    "POST /api/v1/notification/channels": _NOTIFICATIONS,
    "GET /api/v1/notification/channels/{channelId}": _NOTIFICATIONS,
    "PUT /api/v1/notification/channels/{channelId}": _NOTIFICATIONS,
    "DELETE /api/v1/notification/channels/{channelId}": _NOTIFICATIONS,
    "GET /api/v1/notification/events": _NOTIFICATIONS,
    "GET /api/v1/notification/events/{eventId}": _NOTIFICATIONS,
    "POST /api/v1/notification/events/{eventId}/resend": _NOTIFICATIONS,
    "GET /api/v1/notification/rules": _NOTIFICATIONS,
    "POST /api/v1/notification/rules": _NOTIFICATIONS,
    "GET /api/v1/notification/rules/{ruleId}": _NOTIFICATIONS,
    "PUT /api/v1/notification/rules/{ruleId}": _NOTIFICATIONS,
    "DELETE /api/v1/notification/rules/{ruleId}": _NOTIFICATIONS,
    "POST /api/v1/notification/rules/{ruleId}/test": _NOTIFICATIONS,
}


def refusal(method: str, path: str) -> NotSupported | None:
    """None for what is no operation of OpenMeter either."""
    asked = f"{method} {path}"
    operation = next((each for each, rule in _rules() if rule.fullmatch(asked)), None)
    if operation is None:
        return None
    return NotSupported(f"Tollbooth does not serve {operation}. {NOT_SERVED[operation]}", code="not_supported")


@cache
def _rules() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((each, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(each)))) for each in NOT_SERVED)

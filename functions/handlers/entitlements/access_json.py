"""Access as the third version of OpenMeter's API shows it: in snake case, quantities as texts."""

import re
from collections.abc import Mapping
from typing import Any

from functions.application.entitlements.check_access import Access
from functions.application.entitlements.query_access import CustomerAccess, Unanswered
from functions.application.entitlements.refuse_access import Reason
from functions.domain.period import rfc3339
from functions.domain.subscriptions.customer import Customer
from functions.handlers.edge.http import without_none

# What OpenMeter's labels may be; other metadata are no labels.
LABEL_KEY = re.compile(r"(?!(?:kong|konnect|mesh|kic|_))[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?", re.ASCII)
LABEL_VALUE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?", re.ASCII)


def access_shown(feature_key: str, access: Access) -> dict[str, Any]:
    assert access.entitlement is not None, feature_key
    entitlement = access.entitlement
    shown = {"feature_key": feature_key, "has_access": access.is_granted, "type": entitlement.type}
    return without_none({**shown, "config": entitlement.config})


def customer_access_shown(found: CustomerAccess) -> dict[str, Any]:
    return {
        "customer": customer_shown(found.customer),
        "matched": found.matched,
        "features": {key: _feature_shown(reason) for key, reason in found.features.items()},
        "updated_at": rfc3339(found.as_of),
    }


def unanswered_shown(each: Unanswered) -> dict[str, Any]:
    return {"code": each.code, "message": each.message, "customer": each.identifier}


def customer_shown(customer: Customer) -> dict[str, Any]:
    """One without a key is shown with its first subject, by which it is found as by a key."""
    address = customer.billing_address
    shown = {
        "id": customer.id,
        "key": next(iter(customer.usage_subjects), customer.id),
        "name": customer.name,
        "description": customer.description,
        "labels": _labels(customer.metadata or {}),
        "primary_email": customer.primary_email,
        "currency": customer.currency,
        "billing_address": address.model_dump(exclude_none=True) if address else None,
        "created_at": rfc3339(customer.created_at),
        "updated_at": rfc3339(customer.updated_at),
    }
    if customer.usage_attribution is not None:
        shown["usage_attribution"] = {"subject_keys": customer.usage_attribution.subject_keys}
    return without_none(shown)


def _labels(metadata: Mapping[str, str]) -> dict[str, str] | None:
    found = {key: text for key, text in metadata.items() if LABEL_KEY.fullmatch(key) and LABEL_VALUE.fullmatch(text)}
    return found or None


def _feature_shown(reason: Reason | None) -> dict[str, Any]:
    if reason is None:
        return {"has_access": True}
    told: dict[str, Any] = {"code": reason.code, "message": reason.message}
    if reason.attributes:
        told["attributes"] = dict(reason.attributes)
    return {"has_access": False, "reason": told}

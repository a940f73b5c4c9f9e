"""A coupon, and one that a customer or a subscription has, as the API shows them."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from functions.domain.catalog.coupon import AppliedCoupon, Coupon
from functions.domain.wire import WireModel


def coupon_shown(coupon: Coupon) -> dict[str, Any]:
    return _dumped(coupon)


def applied_shown(applied: AppliedCoupon, now: datetime) -> dict[str, Any]:
    """`status` is active while an invoice can still get it, then used_up or removed."""
    wire = _dumped(applied)
    status = "removed" if applied.removed_at else "active" if applied.is_live(now) else "used_up"
    return {**wire.pop("terms"), **wire, "status": status}


def _dumped(model: WireModel) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(model.model_dump_json(by_alias=True, exclude_none=True), parse_float=Decimal)
    return found

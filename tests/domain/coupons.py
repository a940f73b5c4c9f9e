"""Short words for coupons, so that tests read as examples."""

from typing import Any

from functions.domain.catalog.coupon import AppliedCoupon, CouponCreate, CouponTerms
from tests.domain.builders import at


def coupon_body(off: str, duration: str = "forever", key: str = "welcome", **changed: Any) -> dict[str, Any]:
    """As the API takes it, from words: 25 % or 5 USD; once, 3 times, until 2026-06-01 or forever."""
    number, unit = off.split()
    amount = {"type": "amount", "amount": number, "currency": unit}
    percentage = {"type": "percentage", "percentage": float(number) if unit == "%" else 0}
    return {
        "key": key,
        "name": key.title(),
        "off": percentage if unit == "%" else amount,
        "duration": _duration(duration),
    } | changed


def coupon_create(off: str, duration: str = "forever", key: str = "welcome", **changed: Any) -> CouponCreate:
    return CouponCreate.model_validate(coupon_body(off, duration, key, **changed))


def applied(
    off: str,
    duration: str = "forever",
    key: str = "welcome",
    *,
    subscription_id: str | None = None,
    invoice_count: int = 0,
) -> AppliedCoupon:
    return AppliedCoupon(
        id=f"01APPLIED{key}",
        customer_id="01CUSTOMER0000000000000000",
        subscription_id=subscription_id,
        coupon_id=f"01COUPON{key}",
        terms=CouponTerms.model_validate(coupon_body(off, duration, key)),
        applied_at=at("2026-04-01"),
        applied_by="key-1",
        invoice_count=invoice_count,
    )


def _duration(text: str) -> dict[str, Any]:
    words = text.split()
    match words:
        case ["once" | "forever"]:
            return {"type": text}
        case ["until", day]:
            return {"type": "until", "until": day if "T" in day else f"{day}T00:00:00Z"}
        case [number, "times"]:
            return {"type": "times", "times": int(number)}
    raise AssertionError(text)

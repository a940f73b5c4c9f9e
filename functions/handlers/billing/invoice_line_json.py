"""A line of an invoice as the API shows it: OpenMeter's fields, and beside them what explains it down to the ledger."""

import json
from decimal import Decimal
from typing import Any

from functions.domain.billing.invoice import InvoiceRecord
from functions.domain.billing.line import InvoiceCharge, InvoiceDiscount, InvoiceLine, UsageSnapshot
from functions.domain.billing.simulation import LinkedPercentage, LinkedUsage
from functions.domain.identity import named_ulid
from functions.domain.money import Money
from functions.domain.period import Period
from functions.domain.wire import WireModel, plain
from functions.handlers.edge.http import without_none
from functions.handlers.edge.money_json import money_shown
from functions.handlers.subscriptions.subscription_json import period


def totals(currency: str, *, total_minor: int, commitments_minor: int = 0, discounts_minor: int = 0) -> dict[str, str]:
    """`amount` is what was charged before discounts and beside commitments."""

    def shown(minor: int) -> str:
        return money_shown(minor, currency)

    return {
        "amount": shown(total_minor + discounts_minor - commitments_minor),
        "chargesTotal": shown(commitments_minor),
        "discountsTotal": shown(discounts_minor),
        "creditsTotal": shown(0),
        "taxesInclusiveTotal": shown(0),
        "taxesExclusiveTotal": shown(0),
        "taxesTotal": shown(0),
        "total": shown(total_minor),
    }


def line_shown(record: InvoiceRecord, line: InvoiceLine) -> dict[str, Any]:
    price, discounts = _dumped(line.price), _rate_discounts(line)
    wire = {
        **_base(record, line),
        "id": line.id,
        "name": line.name,
        "description": line.description,
        "type": "usage_based",
        "status": "valid",
        "totals": totals(
            record.invoice.currency,
            total_minor=line.total_minor,
            commitments_minor=line.commitments_minor,
            discounts_minor=line.discounts_minor,
        ),
        "price": price,
        "featureKey": line.feature_key,
        "rateCard": without_none({"featureKey": line.feature_key, "price": price, "discounts": discounts}),
        **_quantities(line),
        "discounts": _line_discounts(record, line),
        "children": [_child(record, line, charge) for charge in line.charges],
        # Beyond OpenMeter.
        "childUniqueReferenceId": line.reference,
        "pricingModel": line.price.title,
        "unit": line.priced_unit,
        "meteredUnit": line.unit,
        "unitConfig": _dumped(line.unit_config) if line.unit_config else None,
        "usageSnapshot": _snapshot(line),
        "splitLine": _split_line(record, line),
        "timeZone": line.time_zone if line.subscription_id else None,
        "carriedAmount": plain(line.carried) if line.carried else None,
    }
    return without_none(wire)


def _split_line(record: InvoiceRecord, line: InvoiceLine) -> dict[str, Any] | None:
    """Where the line is among those of a period that is billed progressively; what a simulation of it needs to know."""
    if line.position is None or line.working is None:
        return None
    billed = Money(line.working.previously_billed_minor, record.invoice.currency)
    return {
        "group": line.split_group,
        "position": line.position,
        "previouslyBilledAmount": plain(billed.major),
    }


def _dumped(model: WireModel) -> Any:
    return json.loads(model.model_dump_json(by_alias=True), parse_float=Decimal)


def _base(record: InvoiceRecord, line: InvoiceLine) -> dict[str, Any]:
    invoice = record.invoice
    return {
        "createdAt": invoice.issued_at,
        "updatedAt": invoice.issued_at,
        "managedBy": "subscription" if line.subscription_id else "manual",
        "invoice": {"id": invoice.id, "number": invoice.number},
        "currency": invoice.currency,
        "period": period(Period(line.period_start, line.period_end)),
        "invoiceAt": line.invoice_at,
        "subscription": _subscription(line) if line.subscription_id else None,
    }


def _subscription(line: InvoiceLine) -> dict[str, Any]:
    return {
        "subscription": {"id": line.subscription_id},
        "phase": {"id": line.phase_id},
        # What a whole subscription owes is of no item.
        "item": {"id": line.item_id or line.id},
        "billingPeriod": period(Period(line.billing_start, line.billing_end)),
    }


def _quantities(line: InvoiceLine) -> dict[str, Any]:
    """The priced quantity, and the metered one that it was before conversion and free units."""
    if line.usage is None and line.working is None:
        return {"quantity": "1"}
    metered = before = priced = priced_before = Decimal(0)
    if line.working:
        metered, before = line.working.metered, line.working.metered_before
        priced, priced_before = line.working.priced, line.working.priced_before
    elif line.usage:
        metered = priced = line.usage.quantity
    return {
        "quantity": plain(priced),
        "meteredQuantity": plain(metered),
        "preLinePeriodQuantity": plain(priced_before),
        "meteredPreLinePeriodQuantity": plain(before),
    }


def _rate_discounts(line: InvoiceLine) -> dict[str, Any] | None:
    """Each with the id that links what it took off in all lines of the item."""
    if line.rate_discounts is None:
        return None
    wire: dict[str, dict[str, Any]] = _dumped(line.rate_discounts)
    return {name: each | {"correlationId": _correlation_id(line, name)} for name, each in wire.items()}


def _correlation_id(line: InvoiceLine, name: str) -> str:
    """The caller's own, if a line was tried out with one."""
    discount = getattr(line.rate_discounts, name, None)
    given = discount.correlation_id if isinstance(discount, LinkedPercentage | LinkedUsage) else None
    return given or named_ulid(line.billing_start, "discount", line.item_id or line.reference, name)


def _line_discounts(record: InvoiceRecord, line: InvoiceLine) -> dict[str, Any] | None:
    free = line.working.free_units if line.working else Decimal(0)
    usage = []
    if free and line.working and line.rate_discounts and line.rate_discounts.usage:
        correlation_id = _correlation_id(line, "usage")
        quantity = plain(line.rate_discounts.usage.quantity)
        usage.append(
            _discount_base(record, line, "usage")
            | {
                "reason": {"type": "ratecard_usage", "quantity": quantity, "correlationId": correlation_id},
                "quantity": plain(free),
                "preLinePeriodQuantity": plain(line.working.free_units_before),
            }
        )
    amount = [_amount_discount(record, line, f"line/{i}", each) for i, each in enumerate(line.discounts)]
    return without_none({"usage": usage or None, "amount": amount or None}) or None


def _discount_base(record: InvoiceRecord, line: InvoiceLine, name: str) -> dict[str, Any]:
    issued_at = record.invoice.issued_at
    return {
        "id": named_ulid(line.invoice_at, "discount", line.reference, name),
        "createdAt": issued_at,
        "updatedAt": issued_at,
    }


def _amount_discount(record: InvoiceRecord, line: InvoiceLine, name: str, discount: InvoiceDiscount) -> dict[str, Any]:
    amount = money_shown(discount.amount_minor, record.invoice.currency)
    base = _discount_base(record, line, name) | {"amount": amount}
    if discount.reason == "ratecard_percentage":
        correlation_id = _correlation_id(line, "percentage")
        reason = {"type": discount.reason, "percentage": discount.percentage, "correlationId": correlation_id}
        return base | {"reason": reason}
    if discount.reason == "maximum_spend":
        return base | {"reason": {"type": discount.reason}, "description": "Beyond the maximum of the period"}
    if discount.reason == "not_received":
        return base | {"reason": {"type": "maximum_spend"}, "description": "Not paid, or credited back before"}
    # OpenMeter has no coupons; a percentage off is the reason of its own that comes closest.
    percentage = discount.percentage if discount.percentage is not None else Decimal(0)
    reason = {"type": "ratecard_percentage", "percentage": percentage}
    # Beyond OpenMeter: which coupon it was, and which redemption of it.
    coupon = without_none({"key": discount.coupon_key, "appliedCouponId": discount.coupon_id})
    return base | {"reason": reason, "description": f"Coupon {discount.coupon_key}", "coupon": coupon}


def _child(record: InvoiceRecord, line: InvoiceLine, charge: InvoiceCharge) -> dict[str, Any]:
    unit_amount, quantity = plain(charge.unit_amount), plain(charge.quantity)
    term = "in_advance" if line.invoice_at <= line.period_start else "in_arrears"
    price = {"type": "flat", "amount": unit_amount, "paymentTerm": term}
    is_commitment = charge.category == "commitment"
    discounts = [
        _amount_discount(record, line, f"{charge.reference}/{i}", each) for i, each in enumerate(charge.discounts)
    ]
    wire = {
        **_base(record, line),
        "id": named_ulid(line.invoice_at, "charge", line.reference, charge.reference),
        "name": charge.name,
        "type": "flat_fee",
        "status": "detailed",
        "totals": totals(
            record.invoice.currency,
            total_minor=charge.amount_minor - charge.discounts_minor,
            commitments_minor=charge.amount_minor if is_commitment else 0,
            discounts_minor=charge.discounts_minor,
        ),
        "perUnitAmount": unit_amount,
        "quantity": quantity,
        "paymentTerm": term,
        "category": charge.category,
        "rateCard": {"price": price, "quantity": quantity},
        "discounts": {"amount": discounts} if discounts else None,
        # Beyond OpenMeter.
        "childUniqueReferenceId": charge.reference,
        "tier": charge.tier,
        "unit": line.unit_of(charge),
    }
    return without_none(wire)


def attribution(usage: UsageSnapshot) -> list[dict[str, Any]] | None:
    """Since when and until when each subject was the customer's; None where all were all the time."""
    return [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in usage.held] or None


def _snapshot(line: InvoiceLine) -> dict[str, Any] | None:
    usage = line.usage
    if usage is None:
        return None
    wire = {
        "meterSlug": usage.meter,
        "subjects": list(usage.subjects),
        "attribution": attribution(usage),
        "filters": dict(usage.filters),
        "quantity": plain(usage.quantity),
        "period": period(line.measured),
        "billedBefore": plain(usage.billed_before) if usage.counted_from else None,
        "groupBy": list(usage.group_by) or None,
        "windowSize": usage.window,
        "windowTimeZone": usage.time_zone,
        "lanes": usage.lanes,
        "takenAt": usage.taken_at,
    }
    return without_none(wire)

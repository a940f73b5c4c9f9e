"""A line's explanation as the API shows it: steps, charges, and the windows its quantity came from."""

from collections.abc import Mapping
from typing import Any

from functions.application.billing.explain_line import Explanation, Remeasured
from functions.application.ports.usage import Windowed
from functions.domain.billing.explanation import Step
from functions.domain.billing.line import InvoiceCharge, InvoiceLine, UsageSnapshot, explained
from functions.domain.catalog.pricing import Group
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.period import Period
from functions.domain.wire import plain
from functions.handlers.billing.invoice_line_json import attribution
from functions.handlers.edge.http import without_none
from functions.handlers.edge.money_json import money_shown
from functions.handlers.subscriptions.subscription_json import period

HOW_MEASURED: Mapping[str, str] = {
    Aggregation.SUM: "The sum of the period's values: its windows add up to it.",
    Aggregation.COUNT: "The number of the period's events: its windows add up to it.",
    Aggregation.UNIQUE_COUNT: "How many different values the whole period had: one of two windows counts once.",
    Aggregation.AVG: "The mean of all values of the period: the windows' means do not add up.",
    Aggregation.MIN: "The lowest value of the period: the lowest of its windows.",
    Aggregation.MAX: "The highest value of the period: the highest of its windows.",
    Aggregation.LATEST: "The last value of the period: the one of its last window.",
    Aggregation.TIME_WEIGHTED_SUM: "The level times the hours it lasted: the period's windows add up to it.",
    Aggregation.PERCENTILE: "A percentile of all values of the period: the windows' percentiles do not add up.",
}


def explanation_shown(explanation: Explanation, currency: str) -> dict[str, Any]:
    line = explanation.line
    wire = {
        "lineId": line.id,
        "reference": line.reference,
        "name": line.name,
        "sentence": explained(line, currency),
        "currency": currency,
        "period": period(Period(line.period_start, line.period_end)),
        "steps": [_step(each, currency) for each in explanation.steps],
        "charges": [charge_shown(each, currency) for each in line.charges],
        "total": money_shown(line.total_minor, currency),
        "usage": _usage(line, line.usage, explanation) if line.usage else None,
    }
    return without_none(wire)


def _step(step: Step, currency: str) -> dict[str, Any]:
    wire = {
        "step": step.name,
        "quantity": None if step.quantity is None else plain(step.quantity),
        "quantityAfter": None if step.quantity_after is None else plain(step.quantity_after),
        "amount": None if step.amount_minor is None else money_shown(step.amount_minor, currency),
        "amountAfter": None if step.amount_minor_after is None else money_shown(step.amount_minor_after, currency),
        "couponKey": step.reference,
    }
    return without_none(wire)


def charge_shown(charge: InvoiceCharge, currency: str) -> dict[str, Any]:
    discounts = [
        {"reason": each.reason, "amount": money_shown(each.amount_minor, currency)} for each in charge.discounts
    ]
    wire = {
        "reference": charge.reference,
        "name": charge.name,
        "category": charge.category,
        "tier": charge.tier,
        "quantity": plain(charge.quantity),
        "unitAmount": plain(charge.unit_amount),
        "amount": money_shown(charge.amount_minor, currency),
        "discounts": discounts or None,
        "total": money_shown(charge.amount_minor - charge.discounts_minor, currency),
    }
    return without_none(wire)


def _usage(line: InvoiceLine, usage: UsageSnapshot, explanation: Explanation) -> dict[str, Any]:
    now = explanation.remeasured
    wire = {
        "meterSlug": usage.meter,
        "subjects": list(usage.subjects),
        "attribution": attribution(usage),
        "filters": dict(usage.filters),
        "quantity": plain(usage.quantity),
        "takenAt": usage.taken_at,
        "lanes": usage.lanes,
        "before": plain(line.working.metered_before) if line.working and line.working.metered_before else None,
        "countedFrom": usage.counted_from,
        "billedBefore": plain(usage.billed_before) if usage.counted_from else None,
        "notMeasured": explanation.not_measured,
    }
    return without_none(wire) | (_measured(usage, now) if now else {})


def _measured(usage: UsageSnapshot, now: Remeasured) -> dict[str, Any]:
    windowed = now.windowed
    wire = {
        "measuredNow": plain(now.quantity),
        "difference": plain(now.difference) if now.difference else "0",
        **_windows(windowed),
        "parts": _parts(usage, now) or None,
        "partCount": now.part_count or None,
        "levelAtEnd": None if now.level_at_end is None else plain(now.level_at_end),
    }
    return without_none(wire)


def _windows(windowed: Windowed) -> dict[str, Any]:
    rows = [{"from": each.start, "to": each.end, "quantity": plain(each.quantity)} for each in windowed.windows]
    return {
        "aggregation": windowed.aggregation.value,
        "howMeasured": HOW_MEASURED[windowed.aggregation],
        "windowSize": windowed.size.value,
        "windowTimeZone": "UTC",
        "windowsAddUp": windowed.aggregation.is_divisible,
        "windows": rows,
    }


def _parts(usage: UsageSnapshot, now: Remeasured) -> list[dict[str, Any]]:
    if usage.by_level:
        return [{"level": plain(level), "quantity": plain(part)} for level, part in now.levels]
    return [_part(usage, group) | {"quantity": plain(part)} for group, part in now.parts]


def _part(usage: UsageSnapshot, group: Group) -> dict[str, Any]:
    if group.hour is not None:
        return {"hour": group.hour}
    return {"groupBy": dict(zip(usage.group_by, group.values, strict=True))}

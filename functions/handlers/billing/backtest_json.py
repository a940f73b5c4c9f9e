"""A backtest as the API shows it; beyond OpenMeter."""

from collections.abc import Sequence
from typing import Any

from functions.domain.billing.backtest import (
    Backtest,
    Compared,
    ComparedCard,
    ComparedCustomer,
    ComparedPeriod,
    by_card,
)
from functions.domain.billing.line import InvoiceLine
from functions.domain.period import Period
from functions.domain.wire import plain
from functions.handlers.billing.explanation_json import charge_shown
from functions.handlers.edge.http import without_none
from functions.handlers.edge.money_json import money_shown
from functions.handlers.subscriptions.subscription_json import period


def backtest_shown(found: Backtest) -> dict[str, Any]:
    differences = [each.amounts.difference_minor for each in found.customers]
    totals = _amounts(found.amounts, found.currency) | {
        "rateCards": _cards(found.cards, found.currency),
        "compared": len(differences),
        "increased": sum(each > 0 for each in differences),
        "decreased": sum(each < 0 for each in differences),
        "failed": len(found.failed),
    }
    return {
        "currency": found.currency,
        "totals": totals,
        "customers": [_customer(each, found.currency) for each in found.customers],
        "failed": [{"customer": each.customer, "code": each.code, "message": each.message} for each in found.failed],
    }


def _customer(compared: ComparedCustomer, currency: str) -> dict[str, Any]:
    customer, periods = compared.customer, compared.periods
    old, new = [line for each in periods for line in each.old], [line for each in periods for line in each.new]
    wire = {
        "customerId": customer.id,
        "customerKey": customer.key,
        "name": customer.name,
        **_amounts(compared.amounts, currency),
        "rateCards": _cards(by_card(old, new), currency),
        "periods": [_period(each, currency) for each in periods],
    }
    return without_none(wire)


def _period(compared: ComparedPeriod, currency: str) -> dict[str, Any]:
    return {
        "period": period(compared.period),
        **_amounts(compared.amounts, currency),
        "old": [_line(line, currency, line.subscription_id) for line in compared.old],
        # The subscription that was tried out is none.
        "new": [_line(line, currency, None) for line in compared.new],
    }


def _line(line: InvoiceLine, currency: str, subscription_id: str | None) -> dict[str, Any]:
    wire = {
        "key": line.item_key,
        "name": line.name,
        "featureKey": line.feature_key,
        "subscriptionId": subscription_id,
        "period": period(Period(line.period_start, line.period_end)),
        "quantity": plain(line.usage.quantity) if line.usage else None,
        "charges": [charge_shown(each, currency) for each in line.charges],
        "amount": money_shown(line.total_minor, currency),
    }
    return without_none(wire)


def _cards(cards: Sequence[ComparedCard], currency: str) -> list[dict[str, Any]]:
    return [{"key": each.key} | _amounts(each.amounts, currency) for each in cards]


def _amounts(amounts: Compared, currency: str) -> dict[str, Any]:
    return {
        "oldAmount": money_shown(amounts.old_minor, currency),
        "newAmount": money_shown(amounts.new_minor, currency),
        "difference": money_shown(amounts.difference_minor, currency),
    }

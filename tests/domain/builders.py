"""Short words for plans and subscriptions, so that tests read as examples."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from pydantic import TypeAdapter

from functions.domain.catalog.plan import Plan
from functions.domain.subscriptions.edit import edited
from functions.domain.subscriptions.operations import Operation
from functions.domain.subscriptions.subscribe import SubscriptionTerms, subscribe
from functions.domain.subscriptions.subscription import MeteredFeature, Subscription

TOKENS = MeteredFeature(id="01FEATURE0000000000000TOKEN", key="tokens", name="Tokens", meter_slug="tokens_total")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def flat(
    amount: str = "10", *, key: str = "fee", cadence: str | None = "P1M", term: str = "in_advance"
) -> dict[str, Any]:
    price = {"type": "flat", "amount": amount, "paymentTerm": term}
    return {"type": "flat_fee", "key": key, "name": key.title(), "billingCadence": cadence, "price": price}


def unit(amount: str = "0.5", *, key: str = "tokens", cadence: str = "P1M") -> dict[str, Any]:
    price = {"type": "unit", "amount": amount}
    card = {"type": "usage_based", "key": key, "name": key.title(), "featureKey": key, "billingCadence": cadence}
    return card | {"price": price}


def phase(*cards: dict[str, Any], key: str = "main", duration: str | None = None) -> dict[str, Any]:
    return {"key": key, "name": key.title(), "duration": duration, "rateCards": list(cards)}


def draft(*phases: dict[str, Any], **changed: Any) -> dict[str, Any]:
    body = {"key": "pro", "name": "Pro", "currency": "USD", "billingCadence": "P1M"}
    return body | {"phases": list(phases) or [phase(flat(), unit())]} | changed


def plan(*phases: dict[str, Any], **changed: Any) -> Plan:
    """A published plan, active from the year 2000 on."""
    times = {"createdAt": at("2000-01-01"), "updatedAt": at("2000-01-01"), "effectiveFrom": at("2000-01-01")}
    return Plan.model_validate(draft(*phases, **changed) | times | {"id": "01PLAN", "version": 1})


EDIT: TypeAdapter[Any] = TypeAdapter(Operation)
_new_ids = count(1)


def edit(
    of: Subscription, *operations: dict[str, Any], at: str | datetime, now: datetime | None = None
) -> Subscription:
    """The subscription with the operations in effect from `at` on, asked for at `now` or at that moment."""
    effective = datetime.fromisoformat(at).replace(tzinfo=UTC) if isinstance(at, str) else at
    return edited(
        of,
        [EDIT.validate_python(each) for each in operations],
        at=effective,
        now=now or effective,
        features={"tokens": TOKENS},
        new_id=lambda: f"01NEW{next(_new_ids):021d}",
    )


def subscription(of: Plan, start: str, *, anchor: str | None = None, **changed: Any) -> Subscription:
    numbers = count(1)
    return subscribe(
        of,
        new_id=lambda: f"01ID{next(numbers):022d}",
        customer_id="01CUSTOMER0000000000000000",
        features={"tokens": TOKENS},
        start=at(start),
        now=at(start),
        terms=SubscriptionTerms(anchor=at(anchor) if anchor else None, **changed),
    )

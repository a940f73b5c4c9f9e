"""CPU time of rating: one subscription of ten rate cards, one of each price, from its services to its invoice lines."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from functions.domain.billing.line import InvoiceLine, line_from
from functions.domain.billing.rating import rate
from functions.domain.catalog.plan import Plan
from functions.domain.catalog.pricing import Group
from functions.domain.subscriptions.subscribe import subscribe
from functions.domain.subscriptions.subscription import MeteredFeature, Subscription
from infra.local.paths import REPOSITORY
from tests.bench.timing import best

START, END = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
QUANTITY = Decimal("1234567.5")
MODELS = [f"model-{n}" for n in range(20)]
TIERS = [
    {"upToAmount": "1000", "flatPrice": {"type": "flat", "amount": "5"}, "unitPrice": None},
    {"upToAmount": "100000", "flatPrice": None, "unitPrice": {"type": "unit", "amount": "0.002"}},
    {"flatPrice": None, "unitPrice": {"type": "unit", "amount": "0.001"}},
]
SHARES = [{"upToAmount": "1000", "rate": "3"}, {"rate": "2.5"}]
ROWS = [{"values": {"model": name}, "amount": "0.0000025"} for name in MODELS]
NIGHT = {"name": "Night", "fromHour": 0, "toHour": 6, "amount": "0.001"}
PRICES: list[dict[str, Any]] = [
    {"type": "flat", "amount": "99.99", "paymentTerm": "in_arrears"},
    {"type": "unit", "amount": "0.0000025", "minimumAmount": "10", "maximumAmount": "500"},
    {"type": "tiered", "mode": "graduated", "tiers": TIERS},
    {"type": "tiered", "mode": "volume", "tiers": TIERS},
    {"type": "package", "amount": "10", "quantityPerPackage": "1000"},
    {"type": "dynamic", "multiplier": "1.2"},
    {"type": "percentage", "rate": "2.9", "freeAmount": "1000"},
    {"type": "graduated_percentage", "tiers": SHARES},
    {"type": "matrix", "dimensions": ["model"], "rows": ROWS, "defaultAmount": "0.00001"},
    {"type": "time_of_day", "timeZone": "Europe/Berlin", "bands": [NIGHT], "defaultAmount": "0.002"},
]
BY_MODEL = {Group((name,)): QUANTITY for name in MODELS}
BY_HOUR = {Group(hour=datetime(2026, 4, n // 24 + 1, n % 24, tzinfo=UTC)): QUANTITY for n in range(30 * 24)}


def measured_alone(runs: int) -> float:
    """`milliseconds` in a process of its own, as a function is; the heap of a long bench would slow it down."""
    command = [sys.executable, "-m", "tests.bench.rate", str(runs)]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=True)
    return float(told.stdout.split()[-3])


def milliseconds(runs: int) -> float:
    of = subscription()
    assert len(lines(of)) == len(PRICES)
    return best(runs, lambda: of, lines) * 1e3


def lines(of: Subscription) -> list[InvoiceLine]:
    made = []
    for service in of.billables_due_at(END):
        price = service.item.card.price
        assert price is not None
        groups = BY_MODEL if price.needs.dimensions else BY_HOUR if price.needs.time_zone else None
        quantity = None if price.is_flat else QUANTITY
        made.append(line_from(rate(service, quantity, of.currency, prorate=True, groups=groups), of.id, None))
    return made


def subscription() -> Subscription:
    cards = [_card(f"card_{n}", price) for n, price in enumerate(PRICES)]
    phase = {"key": "main", "name": "Main", "duration": None, "rateCards": cards}
    plan = Plan.model_validate(
        {"key": "bench", "name": "Bench", "currency": "USD", "billingCadence": "P1M", "phases": [phase]}
        | {"id": "01PLAN", "version": 1, "createdAt": START, "updatedAt": START, "effectiveFrom": START}
    )
    ids, keys = count(1), [card["key"] for card in cards]
    features = {key: MeteredFeature(id=key, key=key, name=key, meter_slug="tokens") for key in keys}
    return subscribe(
        plan,
        new_id=lambda: f"01ID{next(ids):022d}",
        customer_id="01CUSTOMER0000000000000000",
        features=features,
        start=START,
        now=START,
    )


def _card(key: str, price: dict[str, Any]) -> dict[str, Any]:
    card = {"key": key, "name": key, "billingCadence": "P1M", "price": price, "featureKey": key}
    if price["type"] == "flat":
        return card | {"type": "flat_fee", "discounts": {"percentage": {"percentage": 10}}}
    return card | {"type": "usage_based", "discounts": {"percentage": {"percentage": 10}}}


if __name__ == "__main__":
    spent = milliseconds(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    print(f"rating one subscription of {len(PRICES)} rate cards: {spent:.3f} ms CPU")

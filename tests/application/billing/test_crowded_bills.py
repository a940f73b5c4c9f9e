"""What is billed by groups, to the cent, where counters had no room for the groups or a value was too long for them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from functions.application.billing.measure_usage import MeasuredUsage
from functions.application.billing.rate_billables import Rater
from functions.domain.catalog.feature import GroupFilter, MeteredFeature
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.holding import held_ever
from functions.domain.subscriptions.lineage import Lineages
from functions.domain.subscriptions.subscribe import SubscriptionTerms, subscribe
from tests.application.metering.ledger.test_usage import NOW, Deployment, event
from tests.domain.builders import phase, plan

AT = NOW - timedelta(hours=2)
START = AT.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
METER = Meter("m3", "paid", "call", Aggregation.SUM, "$.v", {"model": "$.model", "url": "$.url"}, since=1)


def billed(deployment: Deployment, price: dict[str, Any], filters: dict[str, GroupFilter]) -> int:
    """What the one subject's month so far comes to, by the ways of a billing run."""
    card = {
        "type": "usage_based",
        "key": "paid",
        "name": "Paid",
        "featureKey": "paid",
        "billingCadence": "P1M",
        "price": price,
    }
    feature = MeteredFeature(id="01F", key="paid", name="Paid", meter_slug="paid", filters=filters)
    ids = _ids()
    of = subscribe(
        plan(phase(card)),
        new_id=lambda: next(ids),
        customer_id="01C",
        features={"paid": feature},
        start=START,
        now=START,
        terms=SubscriptionTerms(),
    )
    of = of.cancelled(NOW.replace(microsecond=0), NOW)
    measured = MeasuredUsage(deployment.reader, deployment.ledger, deployment.clock)
    rater = Rater("t", held_ever(["c1"]), measured, Lineages([of]))
    return sum(line.total_minor for line in rater.lines(of, of.billables_due_at(NOW.replace(microsecond=0)), NOW))


def _ids() -> Iterator[str]:
    yield from (f"01ID{n:022d}" for n in range(100))


@pytest.mark.parametrize(
    ("price", "filters"),
    [
        ({"type": "unit", "amount": "10"}, {"model": ("big",)}),
        (
            {
                "type": "matrix",
                "dimensions": ["model"],
                "rows": [{"values": {"model": "big"}, "amount": "10"}],
                "defaultAmount": "1",
            },
            {},
        ),
    ],
)
def test_an_event_with_a_very_long_url_costs_what_the_other_costs(
    price: dict[str, Any], filters: dict[str, Any]
) -> None:
    deployment = Deployment(MeterSet(1, (METER,)))
    urls = ["/short", "https://example.com/" + "x" * 1_100]
    deployment.send([event(f"e{n}", AT, model="big", url=url, v=1) for n, url in enumerate(urls)])
    deployment.deliver()

    assert billed(deployment, price, filters) == 2_000


@pytest.mark.large
def test_10_300_payments_of_their_own_cost_a_fee_each() -> None:
    """One per cent and 0.30 of each: 103.00 and 3,090.00; ten thousand of them have a code."""
    meter = Meter("m3", "paid", "call", Aggregation.SUM, "$.v", {"payment": "$.payment"}, since=1)
    deployment = Deployment(MeterSet(1, (meter,)))
    for first in range(0, 10_300, 1_030):
        deployment.send([event(f"e{n}", AT, payment=f"p{n}", v=1) for n in range(first, first + 1_030)])
        deployment.deliver()
    assert any("__other__" in code.groups.values() for lane in range(8) for code in deployment.ledger.codes("t", lane))

    price = {"type": "percentage", "rate": "1", "eventDimension": "payment", "fixedFee": "0.30"}
    assert billed(deployment, price, {}) == 319_300

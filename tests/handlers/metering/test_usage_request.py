"""What a query means beside what it says: the meter's own settings."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter
from functions.handlers.metering.usage_request import UsageRequest, resolved

LATENCY = Meter("m", "latency", "call", Aggregation.PERCENTILE, "$.ms", percentile=Decimal("99.9"))
NOBODY: Any = SimpleNamespace(holdings=lambda _tenant, _ids: {}, many=lambda _tenant, _ids: [])


@pytest.mark.parametrize(("asked", "answered"), [({}, "99.9"), ({"percentile": "50"}, "50")])
def test_a_percentile_that_is_not_asked_for_is_the_meters_own(asked: dict[str, str], answered: str) -> None:
    query = resolved("acme", LATENCY, UsageRequest.model_validate(asked), NOBODY)
    assert query.percentile == Decimal(answered)

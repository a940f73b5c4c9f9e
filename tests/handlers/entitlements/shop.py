"""Two customers who use tokens: events go in through ingest, access is asked for over HTTP, at a clock that moves."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.application.billing.world import MovableClock
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client, Response
from tests.handlers.metering.world import Metering
from tests.wired import wire

NOON = datetime(2026, 11, 5, 12, 7, 20, tzinfo=UTC)
METER = {
    "slug": "tokens",
    "eventType": "prompt",
    "aggregation": "SUM",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}
MONTHLY = {"interval": "MONTH", "anchor": "2026-11-01T00:00:00Z"}
METERED = {"type": "metered", "featureKey": "tokens", "usagePeriod": MONTHLY}


@dataclass
class Shop:
    api: Client
    metering: Metering
    clock: MovableClock
    sent: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    def now(self, **later: float) -> str:
        return f"{self.clock.now() + timedelta(**later):%Y-%m-%dT%H:%M:%SZ}"

    def wait(self, **later: float) -> None:
        self.clock.time += timedelta(**later)

    def use(self, tokens: Any, subject: str = "acme", *, ago: timedelta = timedelta(), **data: Any) -> str:
        """One event; returns its id."""
        (event,) = self.events([(tokens, subject)], ago=ago, **data)
        self.metering.count([event], self.api.tenant)
        return str(event["id"])

    def events(self, used: list[tuple[Any, str]], *, ago: timedelta = timedelta(), **data: Any) -> list[dict[str, Any]]:
        found = []
        for tokens, subject in used:
            self.sent += 1
            found.append(
                {
                    "specversion": "1.0",
                    "id": f"e{self.sent}",
                    "source": "shop",
                    "type": "prompt",
                    "subject": subject,
                    "time": f"{self.clock.now() - ago:%Y-%m-%dT%H:%M:%SZ}",
                    "data": {"tokens": tokens, **data},
                }
            )
        return found

    def entitle(self, customer: str = "acme", **more: Any) -> dict[str, Any]:
        made = self.api.post(f"/api/v2/customers/{customer}/entitlements", {**METERED, **more})
        assert made.status == 201, made.text
        return dict(made.json)

    def grant(self, amount: Any, customer: str = "acme", feature: str = "tokens", **more: Any) -> dict[str, Any]:
        body = {"amount": amount, "effectiveAt": self.now(), **more}
        made = self.api.post(f"/api/v2/customers/{customer}/entitlements/{feature}/grants", body)
        assert made.status == 201, made.text
        return dict(made.json)

    def ask(self, customer: str = "acme", feature: str = "tokens", at: str | None = None) -> Response:
        params = {"time": at} if at else ""
        return self.api.get(f"/api/v2/customers/{customer}/entitlements/{feature}/value", params)

    def value(self, customer: str = "acme", feature: str = "tokens", at: str | None = None) -> dict[str, Any]:
        found = self.ask(customer, feature, at)
        assert found.status == 200, found.text
        return dict(found.json)

    def history(self, size: str = "MINUTE", **params: Any) -> dict[str, Any]:
        found = self.api.get("/api/v2/customers/acme/entitlements/tokens/history", {"windowSize": size, **params})
        assert found.status == 200, found.text
        return dict(found.json)


def open_shop(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Shop:
    clock = MovableClock(NOON)
    wire(monkeypatch, clock=clock)
    shop = Shop(api, Metering(dynamodb, monkeypatch), clock)
    for slug, aggregation in (("tokens", "SUM"), ("peak", "MAX"), ("seats", "LATEST"), ("models", "UNIQUE_COUNT")):
        meter = {**METER, "slug": slug, "aggregation": aggregation}
        if aggregation == "UNIQUE_COUNT":
            meter |= {"valueProperty": "$.model", "groupBy": {}}
        made = api.post("/api/v1/meters", meter)
        assert made.status == 201, made.text
        assert api.post("/api/v1/features", {"key": slug, "name": slug, "meterSlug": slug}).status == 201
    large = {"key": "large", "name": "Large", "meterSlug": "tokens", "meterGroupByFilters": {"model": "large"}}
    for feature in ({"key": "sso", "name": "SSO"}, large):
        assert api.post("/api/v1/features", feature).status == 201
    for key, subjects in (("acme", ["acme", "acme-eu", "acme-us"]), ("globex", ["globex"])):
        body = {"name": key, "key": key, "usageAttribution": {"subjectKeys": subjects}}
        made = api.post("/api/v1/customers", body)
        assert made.status == 201, made.text
        shop.ids[key] = made.json["id"]
    return shop

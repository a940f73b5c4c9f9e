"""What a test does with a tenant of the running stack: over HTTP, as any client would."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import httpx
import openmeter

from infra.local.patience import POLL_SECONDS, wait_while_it_moves
from infra.local.state import LocalStack

# How long a total must stay the same before a test believes that nothing more is coming.
QUIET_SECONDS = 2.5

EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

Event = dict[str, Any]


class Tenant:
    """One tenant with an admin key: a plain HTTP client, the genuine SDK, and the questions tests ask."""

    def __init__(self, stack: LocalStack, name: str, key: str) -> None:
        self.stack = stack
        self.name = name
        self.key = key
        self.http = self.client(key)
        # Any: its generated types want models where its documentation sends plain dictionaries.
        self.sdk: Any = openmeter.Client(endpoint=stack.api_url, token=key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.http.close()
        self.sdk.close()

    def client(self, key: str | None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.stack.api_url, headers=headers, timeout=60)

    def key_with(self, *scopes: str) -> str:
        return str(self.made("/api/v1/api-keys", {"name": "limited", "scopes": list(scopes)})["token"])

    def made(self, path: str, body: Any) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code in {200, 201}, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def count_meter(self, slug: str = "calls") -> str:
        self.made("/api/v1/meters", {"slug": slug, "eventType": "call", "aggregation": "COUNT"})
        return slug

    def sum_meter(self, slug: str = "tokens", **group_by: str) -> str:
        body = {"slug": slug, "eventType": "call", "aggregation": "SUM", "valueProperty": "$.tokens"}
        self.made("/api/v1/meters", body | ({"groupBy": group_by} if group_by else {}))
        return slug

    def send(self, events: Sequence[Event]) -> httpx.Response:
        return self.http.post("/api/v1/events", json=list(events), headers={"Content-Type": BATCH})

    def total(self, slug: str, **query: str) -> Decimal:
        answer = self.http.get(f"/api/v1/meters/{slug}/query", params=query)
        assert answer.status_code == 200, answer.text
        rows = answer.json(parse_float=Decimal, parse_int=Decimal)["data"]
        return sum((row["value"] for row in rows), Decimal(0))

    def reaches(self, slug: str, expected: int | Decimal) -> None:
        """Until the meter says `expected`."""
        wait_while_it_moves(lambda: self.total(slug), lambda total: total >= expected, f"{slug} to be {expected}")
        assert self.total(slug) == expected

    def settles_at(self, slug: str, expected: int | Decimal) -> None:
        """Until the meter says `expected`, and keeps saying it: nothing is counted twice a little later."""
        self.reaches(slug, expected)
        self.stays_at(slug, expected)

    def stays_at(self, slug: str, expected: int | Decimal) -> None:
        quiet_until = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < quiet_until:
            assert self.total(slug) == expected
            time.sleep(POLL_SECONDS)


def calls(count: int, *, prefix: str = "call", ago: timedelta = timedelta(hours=2), **data: Any) -> list[Event]:
    """`count` different events over ten subjects."""
    start = datetime.now(UTC) - ago
    return [
        {
            "specversion": "1.0",
            "id": f"{prefix}-{number}",
            "source": "test",
            "type": "call",
            "subject": f"subject-{number % 10}",
            "time": (start + timedelta(milliseconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "data": {"tokens": number, **data},
        }
        for number in range(count)
    ]

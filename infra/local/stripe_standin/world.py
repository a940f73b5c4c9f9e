"""Everything the stand-in remembers, its movable clock, and the events that happened in it."""

import copy
import random
import string
import threading
import time
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

# The one the pinned stripe package speaks.
API_VERSION = "2026-10-28.endive"
# Kept per kind of object; a development session stays far below, and a runaway one does not eat the machine.
MAX_OBJECTS = 200_000


class World:
    """One account. Hold `lock` while reading or changing it; every dict is ordered oldest first."""

    def __init__(self, seed: int | None = None) -> None:
        self.lock = threading.RLock()
        self.url = ""
        self.customers: dict[str, Json] = {}
        self.deleted_customers: dict[str, Json] = {}
        self.invoices: dict[str, Json] = {}
        self.lines: dict[str, list[Json]] = {}
        self.invoice_items: dict[str, Json] = {}
        self.payments: dict[str, Json] = {}
        self.credit_notes: dict[str, Json] = {}
        self.refunds: dict[str, Json] = {}
        self.events: dict[str, Json] = {}
        self.on_event: Callable[[Json], None] = lambda _: None
        self._random = random.Random(seed)  # noqa: S311 - names, not secrets
        self._ahead = 0.0

    def now(self) -> int:
        return int(time.time() + self._ahead)

    def advance(self, seconds: float) -> None:
        with self.lock:
            self._ahead += seconds

    def new_id(self, prefix: str) -> str:
        letters = self._random.choices(string.ascii_letters + string.digits, k=24)
        return f"{prefix}_{''.join(letters)}"

    def keep(self, kind: dict[str, Json], thing: Json) -> Json:
        assert len(kind) < MAX_OBJECTS, "the stand-in is full; start it again"
        kind[thing["id"]] = thing
        return thing

    def emit(self, type: str, thing: Json, request: Json | None = None) -> None:
        """Record that something happened, with the object as it is now, and hand it to the webhooks."""
        event = {
            "id": self.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": {"object": copy.deepcopy(thing)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": request or {"id": None, "idempotency_key": None},
            "type": type,
        }
        self.keep(self.events, event)
        self.on_event(copy.deepcopy(event))

"""Webhook delivery: signed with the real time, retried, and on demand duplicated or shuffled."""

import hashlib
import hmac
import json
import queue
import random
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from infra.local.stripe_standin.world import Json

# Stripe retries for three days; a developer waits for seconds. About a minute in all.
RETRY_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
TIMEOUT_SECONDS = 30
# Events that happen within this time are what shuffling mixes.
SHUFFLE_SECONDS = 0.3
MAX_DELIVERIES_KEPT = 1_000


@dataclass(frozen=True)
class Target:
    """Where events go; several secrets sign as Stripe does while one of them is being rolled."""

    url: str | None
    secrets: tuple[str, ...]
    duplicates: int = 0
    is_shuffled: bool = False


def signature(body: bytes, secrets: tuple[str, ...], at: int) -> str:
    signed = f"{at}.".encode() + body
    macs = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={mac}" for mac in macs)])


class Webhooks:
    """One delivering thread; `target` may be replaced at any time."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.deliveries: list[Json] = []
        self._queue: queue.Queue[Json | None] = queue.Queue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._queue.put(None)
        self._thread.join(timeout=5)

    def send(self, event: Json) -> None:
        if self.target.url is not None:
            for _ in range(1 + self.target.duplicates):
                self._queue.put(event)

    def _run(self) -> None:
        while not self._stopping.is_set():
            batch = [self._queue.get()]
            if self.target.is_shuffled:
                time.sleep(SHUFFLE_SECONDS)
                while not self._queue.empty():
                    batch.append(self._queue.get())
                random.shuffle(batch)
            for event in batch:
                if event is not None:
                    self._deliver(event)

    def _deliver(self, event: Json) -> None:
        body = json.dumps(event, indent=2).encode()
        for attempt, wait in enumerate((*RETRY_WAITS, 0.0), start=1):
            target = self.target
            status = self._post(target, body) if target.url else None
            self.deliveries.append({"event": event["id"], "type": event["type"], "attempt": attempt, "status": status})
            del self.deliveries[:-MAX_DELIVERIES_KEPT]
            if (status is not None and 200 <= status < 300) or self._stopping.wait(wait):
                return

    def _post(self, target: Target, body: bytes) -> int | None:
        assert target.url is not None
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(body, target.secrets, int(time.time())),
        }
        request = urllib.request.Request(target.url, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

"""The stand-in without its sockets: authentication, idempotency, faults and the log, around the routes."""

import base64
import binascii
import json
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from infra.local.stripe_standin import forms, routes
from infra.local.stripe_standin.faults import Fault, Faults, Plan
from infra.local.stripe_standin.idempotency import Answer, Idempotency
from infra.local.stripe_standin.refusal import Refusal
from infra.local.stripe_standin.webhooks import Target, Webhooks
from infra.local.stripe_standin.world import Json, World

MAX_REQUESTS_LOGGED = 20_000

_FAILURE = Refusal(500, "An unknown error occurred.", type="api_error")


class ConnectionDropped(Exception):
    """No answer at all: the socket is closed."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    encoded: str
    authorization: str
    idempotency_key: str | None


class Service:
    def __init__(self, api_key: str, target: Target, *, world: World | None = None) -> None:
        self.api_key = api_key
        self.world = world or World()
        self.idempotency = Idempotency()
        self.faults = Faults()
        self.webhooks = Webhooks(target)
        self.log: deque[Json] = deque(maxlen=MAX_REQUESTS_LOGGED)
        self._log_lock = threading.Lock()
        self.world.on_event = self.webhooks.send

    def answer(self, request: Request) -> Answer:
        """One API request, as Stripe treats it. Raises ConnectionDropped."""
        self._authenticate(request.authorization)
        plan = self.faults.next(request.method, request.path)
        key = request.idempotency_key if request.method == "POST" else None
        entry: Json = {"method": request.method, "path": request.path, "idempotency_key": key, "status": None}
        with self._log_lock:
            self.log.append(entry)
        answer = self._attempt(request, key, plan, entry)
        entry["status"] = answer.status
        entry["is_replayed"] = answer.is_replayed
        return answer

    def _attempt(self, request: Request, key: str | None, plan: Plan | None, entry: Json) -> Answer:
        fault = plan.fault if plan else None
        if fault is Fault.DROP_BEFORE:
            raise ConnectionDropped
        if fault is Fault.RATE_LIMIT:
            return _answer(Refusal(429, "Too many requests hit the API too quickly.", code="rate_limit"))
        if fault is Fault.CONFLICT:
            return _answer(Refusal(409, "This object is being accessed by another request.", code="lock_timeout"))
        try:
            values = entry["params"] = forms.nested(request.encoded)
            kept = self._begun(request, key)
        except Refusal as refusal:
            return _answer(refusal)
        if kept is not None:
            return kept
        if fault is Fault.SLOW and plan is not None:
            time.sleep(plan.seconds)
        answer, is_kept = _answer(_FAILURE), False
        try:
            answer, is_kept = self._executed(request, values, fault)
        except Exception:
            traceback.print_exc()
        if key is not None:
            if is_kept:
                self.idempotency.finish(self.api_key, key, answer)
            else:
                self.idempotency.abandon(self.api_key, key)
        if fault is Fault.DROP_AFTER:
            raise ConnectionDropped
        return answer

    def _begun(self, request: Request, key: str | None) -> Answer | None:
        if key is None:
            return None
        shape = f"{request.method} {request.path}\n{request.encoded}"
        return self.idempotency.begin(self.api_key, key, shape, self.world.now())

    def _executed(self, request: Request, values: Json, fault: Fault | None) -> tuple[Answer, bool]:
        if fault is Fault.ERROR_BEFORE:
            return _answer(_FAILURE), True
        try:
            with self.world.lock:
                # A copy, while nobody else can change it: what is answered (and kept) is this moment.
                body = json.loads(json.dumps(routes.execute(self.world, request.method, request.path, values)))
        except Refusal as refusal:
            return _answer(refusal), refusal.is_kept
        return (_answer(_FAILURE) if fault is Fault.ERROR_AFTER else Answer(200, body)), True

    def _authenticate(self, authorization: str) -> None:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                given = ""
        elif scheme.lower() != "bearer":
            given = ""
        if not given:
            raise Refusal(401, "You did not provide an API key.")
        if given != self.api_key:
            raise Refusal(401, f"Invalid API Key provided: {given[:4]}****")

    def control(self, action: str, given: dict[str, Any]) -> Json:
        """The levers Stripe does not have. Raises Refusal for one that is not here."""
        if action == "webhook":
            target = self.webhooks.target
            secrets = given.get("secrets") or list(target.secrets)
            self.webhooks.target = replace(
                target,
                url=given.get("url", target.url),
                secrets=tuple(map(str, secrets)),
                duplicates=int(given.get("duplicates", 0)),
                is_shuffled=bool(given.get("shuffle", False)),
            )
            return {"url": self.webhooks.target.url}
        if action == "faults":
            self.faults.add(given)
            return {"added": given}
        if action == "clear_faults":
            self.faults.clear()
            return {}
        if action == "clock":
            self.world.advance(float(given.get("advance_seconds", 0)))
            return {"now": self.world.now()}
        if action == "redeliver":
            events = [event for name, event in self.world.events.items() if given.get("event") in (None, name)]
            for event in events:
                self.webhooks.send(event)
            return {"sent": len(events)}
        raise Refusal(404, f"There is no lever called {action!r}.")


def _answer(refusal: Refusal) -> Answer:
    return Answer(refusal.status, refusal.body)

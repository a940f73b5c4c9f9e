"""Stripe's idempotency: one key, one execution, the same answer for 24 hours - also when that answer was a failure."""

import hashlib
import threading
from dataclasses import dataclass

from infra.local.stripe_standin.refusal import Refusal
from infra.local.stripe_standin.world import Json

KEEP_SECONDS = 24 * 3600
MAX_KEY_CHARACTERS = 255


@dataclass
class Answer:
    status: int
    body: Json
    is_replayed: bool = False


@dataclass
class _Entry:
    fingerprint: str
    created: int
    answer: Answer | None = None


class Idempotency:
    """`begin` before executing; then `finish` with the answer to keep, or `abandon` when nothing was executed."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._lock = threading.Lock()

    def begin(self, account: str, key: str, request: str, now: int) -> Answer | None:
        """The kept answer, or None when this request is to be executed.

        Raises the refusals for another payload under the same key and for a key still in flight.
        """
        if len(key) > MAX_KEY_CHARACTERS:
            raise Refusal(400, "Idempotency keys have at most 255 characters.", type="idempotency_error")
        fingerprint = hashlib.sha256(request.encode()).hexdigest()
        with self._lock:
            entry = self._entries.get((account, key))
            if entry is not None and entry.answer is not None and now - entry.created >= KEEP_SECONDS:
                entry = None
            if entry is None:
                self._entries[account, key] = _Entry(fingerprint, now)
                return None
            if entry.fingerprint != fingerprint:
                raise Refusal(
                    400,
                    "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                    f"Try using a key other than '{key}' if you meant to execute a different request.",
                    type="idempotency_error",
                )
            if entry.answer is None:
                raise Refusal(
                    409,
                    f"There is currently another in-progress request using this idempotent key ({key}).",
                    type="idempotency_error",
                    code="idempotency_key_in_use",
                )
            return Answer(entry.answer.status, entry.answer.body, is_replayed=True)

    def finish(self, account: str, key: str, answer: Answer) -> None:
        with self._lock:
            self._entries[account, key].answer = answer

    def abandon(self, account: str, key: str) -> None:
        with self._lock:
            self._entries.pop((account, key), None)

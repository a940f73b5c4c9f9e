"""Failures on demand: which request fails next, how, and how often."""

import re
import threading
from dataclasses import dataclass
from enum import StrEnum

from infra.local.stripe_standin.refusal import Refusal
from infra.local.stripe_standin.world import Json


class Fault(StrEnum):
    RATE_LIMIT = "rate_limit"  # 429, not executed, not kept
    CONFLICT = "conflict"  # 409, not executed, not kept
    ERROR_BEFORE = "error_before"  # 500 kept for the key, not executed
    ERROR_AFTER = "error_after"  # executed, and 500 kept for the key
    DROP_BEFORE = "drop_before"  # connection closed, not executed
    DROP_AFTER = "drop_after"  # executed, answer kept, connection closed
    SLOW = "slow"  # executed after some seconds in flight


@dataclass
class Plan:
    fault: Fault
    method: str
    path: re.Pattern[str]
    skip: int
    times: int
    seconds: float


class Faults:
    def __init__(self) -> None:
        self._plans: list[Plan] = []
        self._lock = threading.Lock()

    def add(self, given: Json) -> None:
        """{"fault": "drop_after", "method": "POST", "path": regex, "skip": 0, "times": 1, "seconds": 1}"""
        try:
            plan = Plan(
                Fault(given["fault"]),
                str(given.get("method", "POST")).upper(),
                re.compile(str(given.get("path", ".*"))),
                int(given.get("skip", 0)),
                int(given.get("times", 1)),
                float(given.get("seconds", 1)),
            )
        except (KeyError, ValueError, TypeError, re.error) as error:
            known = ", ".join(Fault)
            raise Refusal(400, f"Not a fault: {error}. Send fault (one of {known}), method, path, times.") from error
        with self._lock:
            self._plans.append(plan)

    def clear(self) -> None:
        with self._lock:
            self._plans.clear()

    def next(self, method: str, path: str) -> Plan | None:
        with self._lock:
            for plan in self._plans:
                if plan.times > 0 and plan.method == method and plan.path.fullmatch(path):
                    if plan.skip > 0:
                        plan.skip -= 1
                        continue
                    plan.times -= 1
                    return plan
        return None

"""A random customer: events that are late, sent twice or taken back, grants, voids and resets, at a clock that moves.

What is told of the balance, now and of any minute before, is held against a simulation that goes minute by minute over
the events themselves.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tests.domain.entitlements.test_engine_property import Rules, simulated
from tests.handlers.entitlements.shop import Shop

START = datetime(2026, 11, 5, 12, 0, tzinfo=UTC)
SUBJECTS = ("acme", "acme-eu", "acme-us")
OF_TOKENS = "/api/v2/customers/acme/entitlements/tokens"
STEPS = 40
HOUR = 60


class BalanceStory:
    def __init__(self, shop: Shop, seed: int) -> None:
        self._shop, self._random = shop, Random(seed)
        self._minute = 0
        self._grants: Rules = []
        self._resets: dict[int, bool] = {}
        self._used: dict[str, tuple[int, Decimal, dict[str, Any]]] = {}
        self._preserves = self._random.random() < 0.3

    def play(self) -> None:
        self._set(0)
        period = {"interval": "PT1H", "anchor": f"{START:%Y-%m-%dT%H:%M:%SZ}"}
        self._shop.entitle(usagePeriod=period, preserveOverageAtReset=self._preserves)
        for _ in range(STEPS):
            action = self._random.choice((*[self.use] * 4, self.take_back, self.grant, self.void, self.reset, self.ask))
            action()
            if self._random.random() < 0.7:
                self._set(self._minute + self._random.choice((1, 1, 2, 7, 20)))
        self.ask()

    def use(self) -> None:
        """Some at once, of several subjects, and some of them twice."""
        events = []
        for _ in range(self._random.randint(1, 4)):
            minute = max(0, self._minute - self._random.choice((0, 0, 0, 1, 5, 30, 90)))
            tokens = Decimal(self._random.randint(1, 90)) / 10
            (event,) = self._shop.events([(str(tokens), self._random.choice(SUBJECTS))])
            event["time"] = (
                f"{START + timedelta(minutes=minute, seconds=self._random.randint(0, 29)):%Y-%m-%dT%H:%M:%SZ}"
            )
            self._used[event["id"]] = (minute, tokens, event)
            events.append(event)
        self._shop.metering.count(events)
        if self._random.random() < 0.3:
            self._shop.metering.count(events)

    def take_back(self) -> None:
        if not self._used:
            return
        event_id = self._random.choice(sorted(self._used))
        _, _, sent = self._used.pop(event_id)
        event = {name: sent[name] for name in ("id", "source", "subject", "time")}
        body = {"event": event, "reason": "a story"}
        assert self._shop.api.post("/api/v1/events/corrections", body).status == 202
        self._shop.metering.deliver()

    def grant(self) -> None:
        """In the usage period that is on, or later."""
        begun = max([self._minute - self._minute % HOUR, *(each for each in self._resets if each <= self._minute)])
        starts = self._random.randint(begun, self._minute + 40)
        amount, most = (Decimal(self._random.randint(1, 300)) / 10 for _ in range(2))
        least = self._random.choice((Decimal(0), Decimal("1.5")))
        rule: dict[str, Any] = {"starts": starts, "amount": amount, "least": least, "most": most, "voided": None}
        rule |= {"priority": self._random.randint(1, 2), "every": self._random.choice((None, None, HOUR, 2 * HOUR))}
        rule["expires"] = starts + HOUR * self._random.randint(1, 3) if self._random.random() < 0.5 else None
        body = {
            "amount": str(amount),
            "effectiveAt": self._instant(starts),
            "priority": rule["priority"],
            "minRolloverAmount": str(least),
            "maxRolloverAmount": str(most),
        }
        if rule["every"]:
            body["recurrence"] = {"interval": f"PT{rule['every'] // HOUR}H", "anchor": self._instant(0)}
        if rule["expires"] is not None:
            body["expiration"] = {"duration": "HOUR", "count": (rule["expires"] - starts) // HOUR}
        made = self._shop.api.post(f"{OF_TOKENS}/grants", body)
        assert made.status == 201, made.text
        self._grants.append({**rule, "id": made.json["id"]})

    def void(self) -> None:
        whole = [each for each in self._grants if each["voided"] is None and each["starts"] < self._minute]
        if whole:
            rule = self._random.choice(whole)
            assert self._shop.api.delete(f"/api/v1/grants/{rule['id']}").status == 204
            rule["voided"] = self._minute

    def reset(self) -> None:
        preserves = self._random.choice((None, True, False))
        body = {"retainAnchor": True, **({} if preserves is None else {"preserveOverage": preserves})}
        answer = self._shop.api.post(f"{OF_TOKENS}/reset", body)
        if self._minute % HOUR == 0 or self._minute in self._resets:
            assert answer.status == 400, answer.text
            return
        assert answer.status == 204, answer.text
        self._resets[self._minute] = self._preserves if preserves is None else preserves

    def ask(self) -> None:
        """Of now, and of a minute before."""
        self._compare(self._shop.value(), self._minute + 1, is_now=True)
        minute = self._random.randint(1, self._minute) if self._minute else 0
        if 0 < minute < self._minute:
            self._compare(self._shop.value(at=self._instant(minute)), minute)

    def _compare(self, told: dict[str, Any], minute: int, *, is_now: bool = False) -> None:
        resets = dict.fromkeys(range(HOUR, minute + 1, HOUR), self._preserves) | self._resets
        usage = [Decimal(0)] * (minute + 1)
        for at, tokens, _ in self._used.values():
            if at <= minute:
                usage[at] += tokens
        grants = self._grants
        if is_now:  # what begins in the next minute is not there yet
            resets.pop(minute, None)
            grants = [each for each in grants if each["starts"] < minute]
            if any(each["every"] and minute % each["every"] == 0 for each in grants):
                return
        known = simulated(grants, {at: each for at, each in resets.items() if at <= minute}, usage, minute)
        shown = {
            "balances": told["grantBalances"],
            "overage": told["overage"],
            "usage": told["usage"],
            "available": told["totalAvailableGrantAmount"],
        }
        assert shown == known, (minute, is_now)

    def _set(self, minute: int) -> None:
        self._minute = minute
        self._shop.clock.time = START + timedelta(minutes=minute, seconds=30)

    @staticmethod
    def _instant(minute: int) -> str:
        return f"{START + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}"

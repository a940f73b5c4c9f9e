"""How long a tenant waits for its events to be counted while another sends the worst that is accepted.

`python -m tests.stories.two_tenants` runs it on the local stack that `make up` left running.
"""

import argparse
import operator
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from functions.domain.metering.meters.meter import MAX_SEARCHES_PER_TYPE
from infra.local import state
from infra.local.patience import wait_while_it_moves
from tests.local.conftest import new_tenant
from tests.local.tenant import BATCH, Event, Tenant

ROUNDS = 15
SECONDS_BETWEEN_ATTACKS = 1.0
HOSTILE = "$..[?@..[?@..*]]"
BUSHY = {f"k{n}": [{"a": [1, {"b": [n]}]} for _ in range(20)] for n in range(25)}  # 11 KB, thousands of nodes


@dataclass(frozen=True)
class Attack:
    """A kind of call: what is made before, and the events of one call."""

    name: str
    meters: Sequence[dict[str, Any]]
    events: Callable[[int], list[Event]]


def _event(number: str, data: Any, at: datetime | None = None, subject: str = "worst") -> Event:
    made = {"specversion": "1.0", "id": number, "source": "attack", "type": "worst", "subject": subject, "data": data}
    return made if at is None else made | {"time": at.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _searches(call: int) -> list[Event]:
    return [_event(f"s{call}-{n}", BUSHY, subject=f"s{n % 8}") for n in range(100)]


def _late(call: int) -> list[Event]:
    now = datetime.now(UTC)
    return [_event(f"l{call}-{n}", {"n": 1}, now - timedelta(minutes=5 * (n + 1) + call)) for n in range(2_000)]


def _padded(call: int) -> list[Event]:
    return [_event(f"p{call}-{n}", {"n": 1, "pad": "0" * 200_000}) for n in range(18)]


def _wide(call: int) -> list[Event]:
    return [_event(f"w{call}-{n}", {"n": n, "model": f"m{call}-{n}"}, subject=f"w{call}-{n}") for n in range(50)]


def _patterns(call: int) -> list[Event]:
    return [_event(f"k{call}-{n}", {"text": "a" * 1_000, "n": 1}) for n in range(2_000)]


def _meter(slug: str, **more: Any) -> dict[str, Any]:
    return {"slug": slug, "eventType": "worst", "aggregation": "COUNT"} | more


ATTACKS = (
    Attack(
        "searching paths",
        [_meter(f"search{n}", groupBy={"d": f"{HOSTILE}.x{n}"}) for n in range(MAX_SEARCHES_PER_TYPE)],
        _searches,
    ),
    Attack("late events of 2,000 buckets", [_meter("late")], _late),
    Attack("records that inflate", [_meter("padded")], _padded),
    Attack("new groups and subjects", [_meter("wide", groupBy={"model": "$.model"})], _wide),
    Attack(
        "patterns",
        [_meter("like", eventFilter={"$.text": {"$nilike": "%" + "a" * 500 + "b%"}})],
        _patterns,
    ),
)


def waits(bystander: Tenant, rounds: int) -> list[float]:
    """Seconds from a call's 204 to the answer that counts it."""
    found, sent = [], bystander.total("count") if bystander.total("count") else 0
    for _ in range(rounds):
        sent += 1
        event = _event(f"b{sent}-{time.monotonic_ns()}", {"n": 1}, subject="bystander") | {"type": "call"}
        answer = bystander.http.post(
            "/api/v1/events", content=msgspec.json.encode([event]), headers={"Content-Type": BATCH}
        )
        assert answer.status_code == 204, answer.text
        began = time.monotonic()
        counted = partial(operator.le, sent)
        wait_while_it_moves(lambda: bystander.total("count"), counted, "the bystander's event", poll_seconds=0.05)
        found.append(time.monotonic() - began)
    return found


def beside(attack: Attack, attacker: Tenant, bystander: Tenant, rounds: int) -> tuple[list[float], dict[int, int]]:
    """The bystander's waits while calls of the attack go on; and how many of these were answered how."""
    for meter in attack.meters:
        attacker.http.post("/api/v1/meters", json=meter)
    is_over, answers = threading.Event(), dict[int, int]()

    def attack_on() -> None:
        call = 0
        while not is_over.is_set():
            call += 1
            body = msgspec.json.encode(attack.events(call))
            answer = attacker.http.post("/api/v1/events", content=body, headers={"Content-Type": BATCH})
            answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
            is_over.wait(SECONDS_BETWEEN_ATTACKS)

    attacking = threading.Thread(target=attack_on)
    attacking.start()
    try:
        return waits(bystander, rounds), answers
    finally:
        is_over.set()
        attacking.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    stack = state.load()
    slowest = 0.0
    with new_tenant(stack) as bystander:
        bystander.made("/api/v1/meters", {"slug": "count", "eventType": "call", "aggregation": "COUNT"})
        waits(bystander, 3)  # wakes the functions
        for attack in ATTACKS:
            alone = statistics.median(waits(bystander, asked.rounds))
            with new_tenant(stack) as attacker:
                found, answers = beside(attack, attacker, bystander, asked.rounds)
            together = statistics.median(found)
            slowest = max(slowest, together / alone)
            print(
                f"{attack.name:<30} alone {alone:5.2f} s, beside it {together:5.2f} s (most {max(found):5.2f}), "
                f"{together / alone:4.2f} times; the attacker's calls: {answers}",
                flush=True,
            )
    print(f"The bystander waits at most {slowest:.2f} times as long (medians).")
    return 0 if slowest <= 2 else 1


if __name__ == "__main__":
    sys.exit(main())

"""A load under which functions are killed at random, and the audit that must not find a difference afterwards.

`python -m tests.stories.kill_load --events 200000` runs it on the local stack that `make up` left running.
"""

import argparse
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from infra.local import audit, state
from infra.local.patience import wait_while_it_moves
from tests.local.conftest import new_tenant
from tests.local.tenant import BATCH, Event, Tenant
from tests.local.workers import kill, workers

EVENTS_PER_CALL = 400
SENDERS = 3
RESENT_SHARE = 0.1
KILLED = ("StreamAggregateFunctionName", "StreamAggregateFunctionName", "HttpIngestFunctionName")
METERS = ("COUNT", "SUM", "UNIQUE_COUNT", "AVG", "MIN", "MAX", "LATEST", "PERCENTILE", "TIME_WEIGHTED_SUM")


@dataclass
class Load:
    """What happened: calls answered 204, calls that failed and were sent again, events counted, functions killed."""

    events: int
    resent_events: int = 0
    failed_calls: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    rows: Sequence[audit.Row] = ()
    accepted_before: int = 0
    answered_calls: int = 0
    counted: Decimal = Decimal(0)

    @property
    def progress(self) -> tuple[int, Decimal]:
        """Another one as soon as anything moved."""
        return self.answered_calls, self.counted

    def total(self, column: str) -> int:
        return sum(int(row[column]) for row in self.rows)

    def problems(self) -> list[str]:
        found = [f"lane {row['lane']}: {audit.described(each)}" for row in self.rows for each in row["differences"]]
        accepted = self.total("accepted") - self.accepted_before
        if accepted != self.events:
            found.append(f"{accepted} events accepted, {self.events} sent")
        if self.total("duplicates") - self.total("redelivered") < self.resent_events:
            found.append(f"fewer duplicates than the {self.resent_events} events that were sent twice")
        return found


def kill_load(stack: state.LocalStack, events: int, *, seed: int = 0, seconds_between_kills: float = 2.0) -> Load:
    """Sends, kills, waits until everything is counted, audits; the stack should have no other traffic meanwhile."""
    load, chance = Load(events), random.Random(seed)
    auditor = audit.of_local_stack(stack)
    load.accepted_before = sum(row["accepted"] for row in auditor.day(None))
    with new_tenant(stack) as tenant:
        for aggregation in METERS:
            meter = {"slug": aggregation.lower(), "eventType": "call", "aggregation": aggregation}
            value = {} if aggregation == "COUNT" else {"valueProperty": "$.tokens"}
            tenant.made("/api/v1/meters", meter | value | {"groupBy": {"model": "$.model"}})
        is_over = threading.Event()
        killer = threading.Thread(target=_kill_now_and_then, args=(stack, load, chance, seconds_between_kills, is_over))
        killer.start()
        try:
            with ThreadPoolExecutor(SENDERS) as pool:
                for _ in pool.map(lambda first: _send(tenant, load, first), range(0, events, EVENTS_PER_CALL)):
                    pass
            _wait_until_counted(tenant, load)
        finally:
            is_over.set()
            killer.join()
        tenant.settles_at("count", events)
    load.rows = auditor.day(None)
    return load


def _send(tenant: Tenant, load: Load, first: int) -> None:
    """One call, sent again until it is acknowledged; one in ten once more after that."""
    chance = random.Random(first)
    batch = [_event(number) for number in range(first, min(first + EVENTS_PER_CALL, load.events))]
    _insist(tenant, load, batch)
    if chance.random() < RESENT_SHARE:
        _insist(tenant, load, batch)
        load.resent_events += len(batch)


def _insist(tenant: Tenant, load: Load, batch: list[Event]) -> None:
    while True:
        try:
            answer = tenant.http.post("/api/v1/events", json=batch, headers={"Content-Type": BATCH})
            if answer.status_code == 204:
                load.answered_calls += 1
                return
        except httpx.TransportError:
            pass
        load.failed_calls += 1
        time.sleep(0.3)


def _event(number: int) -> dict[str, Any]:
    """Over fifty subjects, three groups and ten minutes; the same number is the same event."""
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "load",
        "type": "call",
        "subject": f"subject-{number % 50}",
        "time": (START + timedelta(seconds=number % 600)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "data": {"tokens": number % 97 + 1, "model": f"m{number % 3}"},
    }


START = datetime.now(UTC) - timedelta(minutes=20)


def _kill_now_and_then(
    stack: state.LocalStack, load: Load, chance: random.Random, seconds: float, is_over: threading.Event
) -> None:
    """At random moments, `seconds` apart on average.

    While nothing moves, each pause is twice the one before: on a busy machine no function starts between two kills.
    """
    pause, seen = seconds, load.progress
    while not is_over.wait(chance.uniform(0, 2 * pause)):
        pause, seen = (seconds if load.progress != seen else 2 * pause), load.progress
        output = chance.choice(KILLED)
        if found := workers(stack, output):
            try:
                kill(chance.choice(found))
            except ProcessLookupError:
                continue
            load.kills[output.removesuffix("FunctionName")] += 1


def _wait_until_counted(tenant: Tenant, load: Load) -> None:
    def counted() -> Decimal:
        load.counted = tenant.total("count")
        return load.counted

    expected = f"{load.events} events to be counted"
    wait_while_it_moves(counted, lambda total: total >= load.events, expected, poll_seconds=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()
    load = kill_load(state.load(), arguments.events, seed=arguments.seed)
    print(audit.table(load.rows))
    print(f"\n{load.events} events sent, {load.resent_events} of them twice, {load.failed_calls} calls failed;")
    print(f"killed: {dict(load.kills)}; {time.monotonic() - started:.0f} s")
    for problem in load.problems():
        print(problem)
    return 1 if load.problems() else 0


if __name__ == "__main__":
    sys.exit(main())

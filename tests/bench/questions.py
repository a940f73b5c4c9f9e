"""What questions cost, through the API's handler: a month by day, many distinct values, an edge by minute.

Cold is a new process's first question after its imports (see the import row), warm the best of several after it.
"""

import gc
import json
import random
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from functions.application.metering.ledger.apply_pages import PageApplier
from functions.domain.metering.cells.pages import PAGE_SECONDS, WINDOW_SECONDS
from functions.domain.metering.ledger.counting import count
from functions.domain.metering.ledger.ledger import Commit, Counts, Directory, LaneState
from functions.domain.metering.meters.groupings import compile_meters
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.values.event import Event
from functions.handlers import http_api
from functions.handlers.wiring import metering
from functions.names import DEFAULT_TENANT
from tests.bench import assumptions as assume
from tests.bench.load import (
    MODELS,
    SEVEN_METERS,
    USERS_PER_SUBJECT,
    Call,
    Deployment,
    ShardLoad,
    event_json,
    read_payload,
    subject_name,
)
from tests.bench.rates import SPAN_START
from tests.bench.scenario import Scenario, Way
from tests.bench.stand import Stand
from tests.bench.tally import Tally

if TYPE_CHECKING:
    from tests.bench.deployed import Deployed

DAY = 86_400
MONTH_DAYS = 30
MONTH_START = SPAN_START // DAY * DAY
VALUES = 100_000
VALUES_OF_AN_INVOCATION = 50_000  # 6 MB hold some 85,000 events
WARM_RUNS = 10
EDGE_MINUTES = 10
EVENTS_PER_WINDOW = 360  # of one of 5,000 subjects at 1,000 events/s
COMMITS_PER_WINDOW = 2  # where a subject's users are all named by the first, the second finds them known
# One lane of 1,000 events/s: as many commits a minute as each lane has there.
EDGE = Deployment(1_000, 5_000, 8, 8)
EDGE_WAY = Way("batch_1000_60s", 1_000, 60)


@dataclass(frozen=True)
class Asked:
    """One question: what it read and the CPU time of its handler; `answer` is for checking."""

    tally: Tally
    cold_seconds: float
    warm_seconds: float
    answer: Any

    def as_json(self) -> dict[str, Any]:
        tally = self.tally
        waiting = sum(assume.LATENCY.get(name, 0) * count for name, count in tally.items())
        return {
            "bytes_read": round(tally["read_bytes"] + tally["fetched_bytes"]),
            "read_units": round(tally["read_units"], 1),
            "aws_calls": round(sum(tally[f"requests.{name}"] for name in ("dynamodb", "dynamodb_batch", "s3"))),
            "archive_objects": round(tally["s3_gets"]),
            "archive_bytes": round(tally["fetched_bytes"]),
            "cpu_cold_ms": round(self.cold_seconds * 1e3, 2),
            "cpu_warm_ms": round(self.warm_seconds * 1e3, 2),
            "seconds_with_waiting": round(self.cold_seconds + waiting, 2),
            "usd_per_million_questions": round(sum(tally.usd().values()) * 1e6, 2),
        }


def ask(stand: Stand, meter: str, **parameters: str) -> Asked:
    """Rows of a meter; the counts are those of the first question of a process."""
    payload = read_payload(f"/api/v1/meters/{meter}/query", urlencode(parameters))
    stand.restart()
    # What the load left behind must not be looked through while the question is answered.
    gc.collect()
    gc.freeze()
    first = stand.invoke(http_api.handler, payload)
    warm = min(stand.invoke(http_api.handler, payload).cpu_seconds for _ in range(WARM_RUNS))
    gc.unfreeze()
    assert first.answer["statusCode"] == 200, first.answer
    return Asked(first.tally, first.cpu_seconds, warm, json.loads(first.answer["body"]))


def measure(
    endpoint: str,
    deployed: "Deployed",
    say: Callable[[str], None],
    days: int = MONTH_DAYS,
    values: int = VALUES,
    minutes: int = EDGE_MINUTES,
) -> dict[str, dict[str, Any]]:
    say("a month of a subject by day")
    shown = month(endpoint, days)
    say(f"{values:,} distinct values")
    shown |= distinct_values(endpoint, deployed, values)
    say("an edge by minute")
    return shown | edge(endpoint, deployed, minutes)


# A month.


def month(endpoint: str, days: int) -> dict[str, dict[str, Any]]:
    """Every page of a month of one subject, its cells as full as at 1,000 events/s over 5,000 subjects."""
    stand = Stand(endpoint, 8, MONTH_START + days * DAY, meters=SEVEN_METERS)
    fill_days(stand, SEVEN_METERS, days)
    day = {"subject": subject_name(0), "windowSize": "DAY", "from": _iso(MONTH_START), "to": _iso(stand.clock.seconds)}
    tokens, users = ask(stand, "tokens", **day), ask(stand, "users", **day)
    assert len(tokens.answer["data"]) == len(users.answer["data"]) == days
    stand.drop()
    return {"month_by_day": tokens.as_json(), "month_by_day_unique_count": users.as_json()}


def fill_days(stand: Stand, meters: MeterSet, days: int) -> None:
    """Commits as the writer makes them, each of half a window of one subject."""
    ledger, chance, subject = metering.ledger(), random.Random(11), subject_name(0)
    lane = stand.lanes.lane_of(DEFAULT_TENANT, subject)
    by_type, applier = compile_meters(meters), PageApplier(metering.ledger())
    state = LaneState(lane=lane, n=0, confirmed_at=MONTH_START, directories={DEFAULT_TENANT: Directory()})
    for window in range(MONTH_START, MONTH_START + days * DAY, WINDOW_SECONDS):
        for _ in range(COMMITS_PER_WINDOW):
            events = []
            for _ in range(EVENTS_PER_WINDOW // COMMITS_PER_WINDOW):
                at = window + chance.randrange(WINDOW_SECONDS)
                raw = json.loads(event_json(chance, subject, at))
                data = json.dumps(raw["data"]).encode()
                events.append(Event(chance.getrandbits(64), at, raw["id"], raw["source"], raw["type"], subject, data))
            groups = deque([(DEFAULT_TENANT, subject, events)])
            deltas = count(state, groups, lambda _: by_type, stand.lanes.value_fingerprint, window)
            state.n += 1
            commit = Commit(
                lane, state.n, "a", window, window, {}, deltas.pages, [], deltas.codes, deltas.subjects, [], "", b"",
                Counts(), {},
            )  # fmt: skip
            if deltas.codes or deltas.subjects:
                ledger.put_index([commit])
            applier.apply([commit])


# Distinct values.


def distinct_values(endpoint: str, deployed: "Deployed", values: int) -> dict[str, dict[str, Any]]:
    """One subject whose every event names another user, half an hour's at most; counted by all seven meters."""
    stand = Stand(endpoint, 32, SPAN_START, meters=SEVEN_METERS)
    one = Deployment(10_000, 1, 32, 1)
    load = ShardLoad(one, stand.lanes, seed=5)
    scenario = Scenario(stand, one, load, deployed)
    scenario.warm_up(SPAN_START)
    tally = Tally()
    for first in range(0, values, VALUES_OF_AN_INVOCATION):
        users = range(first, min(values, first + VALUES_OF_AN_INVOCATION))
        tally = tally.plus(scenario.aggregate_tally(scenario.drive(_named_users(users), 1_000, window=WINDOW_SECONDS)))
    per_event = tally.times(1 / values)
    units = {kind: round(per_event[f"write_units.{kind}"], 4) for kind in ("ledger", "pages", "totals", "values")}
    ingest = {
        "distinct_values": values,
        "usd_per_million_events": round(sum(per_event.usd().values()) * 1e6, 4),
        "write_units_per_event": units,
        "aggregate_cpu_us": round(per_event["aggregate_cpu_seconds"] * 1e6, 2),
        "events_counted_by_one_invocation": min(values, VALUES_OF_AN_INVOCATION),
    }
    day = {"subject": subject_name(0), "from": _iso(SPAN_START), "to": _iso(SPAN_START + PAGE_SECONDS)}
    asked = ask(stand, "users", **day)
    (row,) = asked.answer["data"]
    assert values <= row["value"] <= values + USERS_PER_SUBJECT, row
    stand.drop()
    return {"values_ingest": ingest, "values_query": asked.as_json()}


def _named_users(users: range) -> Iterator[Call]:
    """Calls of 1,000 events; none of them names a user of the usual load."""
    chance = random.Random(users.start)
    for first in users[::1_000]:
        at = SPAN_START + 300 + first / 10_000
        some = range(USERS_PER_SUBJECT + first, USERS_PER_SUBJECT + min(first + 1_000, users.stop))
        yield Call(at, [event_json(chance, subject_name(0), at, MODELS[0], user) for user in some])


# An edge.


def edge(endpoint: str, deployed: "Deployed", minutes: int) -> dict[str, dict[str, Any]]:
    """Minutes of one subject: only the log knows them, so every commit of its lane in that time is read."""
    stand = Stand(endpoint, EDGE.lanes, SPAN_START, meters=SEVEN_METERS)
    stand.counter.keeps_objects = True
    load = ShardLoad(EDGE, stand.lanes, seed=9)
    scenario = Scenario(stand, EDGE, load, deployed)
    scenario.warm_up(SPAN_START)
    start = at = SPAN_START + WINDOW_SECONDS
    while at < start + (minutes + 2) * 60:
        at += round(scenario.next(EDGE_WAY, at).seconds)
    asked = ask(
        stand,
        "tokens",
        subject=load.subjects[0],
        windowSize="MINUTE",
        **{"from": _iso(start + 60), "to": _iso(start + 60 + minutes * 60)},
    )
    assert asked.answer["data"], asked.answer
    stand.drop()
    return {"edge_by_minute": {"minutes": minutes, **asked.as_json()}}


def _iso(second: float) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"


def main() -> int:
    from infra.local.dynamodb_local import dynamodb_local
    from tests.bench.deployed import read_dev

    with dynamodb_local() as endpoint:
        print(json.dumps(measure(endpoint, read_dev(), lambda what: print(what, file=sys.stderr)), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The load: LLM usage of uniformly active subjects as 293-byte CloudEvents, as one shard sees it."""

import base64
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.lanes import Lanes
from functions.names import DEFAULT_TENANT

EVENT_BYTES = 293
LATE_SECONDS = 30 * 86_400
MODELS = ("claude-sonnet-4-5", "gpt-4.1-mini-2025")
EVENT_TYPE = "llm.completion"
BY_MODEL = {"model": "$.model"}
USERS_PER_SUBJECT = 10
METERS = MeterSet(
    1,
    (
        Meter("01TOKENS", "tokens", EVENT_TYPE, Aggregation.SUM, "$.tokens", BY_MODEL),
        Meter("01CALLS", "calls", EVENT_TYPE, Aggregation.COUNT, None, BY_MODEL),
    ),
)
SEVEN_METERS = MeterSet(
    1,
    (
        *METERS.meters,
        Meter("01USERS", "users", EVENT_TYPE, Aggregation.UNIQUE_COUNT, "$.user", BY_MODEL),
        Meter("01LATENCY", "latency", EVENT_TYPE, Aggregation.AVG, "$.ms", BY_MODEL),
        Meter("01FASTEST", "fastest", EVENT_TYPE, Aggregation.MIN, "$.ms", BY_MODEL),
        Meter("01SLOWEST", "slowest", EVENT_TYPE, Aggregation.MAX, "$.ms", BY_MODEL),
        Meter("01CONTEXT", "context", EVENT_TYPE, Aggregation.LATEST, "$.prompt_tokens", BY_MODEL),
    ),
)


def subject_name(number: int) -> str:
    return f"customer-{number:05d}"


def event_json(
    chance: random.Random, subject: str, time: float, model: str | None = None, user: int | None = None
) -> str:
    """One event as a client's JSON library writes it; with its comma it has EVENT_BYTES bytes on average."""
    identity = f"{chance.getrandbits(128):032x}"
    prompt, completion = chance.randrange(100, 4_000), chance.randrange(20, 1_500)
    milliseconds = completion + chance.randrange(100, 900)
    if user is None:
        user = chance.randrange(USERS_PER_SUBJECT)
    at = datetime.fromtimestamp(time, UTC)
    return (
        f'{{"specversion":"1.0","id":"{identity[:8]}-{identity[8:12]}-4{identity[13:16]}-a{identity[17:20]}-'
        f'{identity[20:]}","source":"edge","type":"{EVENT_TYPE}","subject":"{subject}",'
        f'"time":"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}Z","data":{{"model":"{model or chance.choice(MODELS)}",'
        f'"prompt_tokens":{prompt},"completion_tokens":{completion},"tokens":{prompt + completion},'
        f'"user":"{subject[9:]}-{user}","ms":{milliseconds}}}}}'
    )


def read_payload(path: str, query: str) -> dict[str, Any]:
    """A GET as API Gateway hands it over."""
    verdict = {"tenant": DEFAULT_TENANT, "scopes": "read", "key_id": "bench"}
    http = {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "bench"}
    context = {"requestId": "bench", "http": http, "stage": "$default", "authorizer": {"lambda": verdict}}
    return {
        "version": "2.0",
        "routeKey": "ANY /api/{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"authorization": "Bearer tb_bench_secret", "host": "bench", "accept": "application/json"},
        "requestContext": context,
        "isBase64Encoded": False,
    }


def http_payload(events: Sequence[str]) -> dict[str, Any]:
    """What API Gateway hands over; it passes any type but application/json and text on as base64."""
    is_batch = len(events) > 1
    body = ("[" + ",".join(events) + "]") if is_batch else events[0]
    kind = "application/cloudevents-batch+json" if is_batch else "application/cloudevents+json"
    verdict = {"tenant": DEFAULT_TENANT, "scopes": "ingest", "key_id": "bench"}
    return {
        "version": "2.0",
        "routeKey": "POST /api/v1/events",
        "rawPath": "/api/v1/events",
        "rawQueryString": "",
        "headers": {"content-type": kind, "authorization": "Bearer tb_bench_secret", "user-agent": "bench"},
        "requestContext": {"requestId": "bench", "authorizer": {"lambda": verdict}},
        "body": base64.b64encode(body.encode()).decode(),
        "isBase64Encoded": True,
    }


@dataclass(frozen=True)
class Deployment:
    """A rate, and what is deployed to carry it."""

    rate: int  # events a second, over all subjects
    subjects: int
    lanes: int
    shards: int


@dataclass(frozen=True)
class Call:
    """One client call as far as it concerns the sampled shard: its events of that shard's subjects."""

    sent_at: float
    events: list[str]


class ShardLoad:
    """The calls of the whole deployment, thinned to the events that reach its first shard.

    Every subject is equally active, so an event belongs to the shard with the chance its subjects have among all.
    """

    def __init__(self, deployment: Deployment, lanes: Lanes, seed: int, late_share: float = 0) -> None:
        """`late_share` of the events happened at any time of the last 30 days before they are sent."""
        self._late_share = late_share
        self._chance = random.Random(seed)
        self._rate = deployment.rate
        names = [subject_name(number) for number in range(deployment.subjects)]
        per_shard = deployment.lanes // deployment.shards
        self.subjects = [name for name in names if lanes.lane_of(DEFAULT_TENANT, name) < per_shard]
        self._share = len(self.subjects) / len(names)
        self.rate = deployment.rate * self._share

    def calls(self, start: float, events_per_call: int) -> Iterator[Call]:
        """Calls one after another from `start` on, for ever; a call is sent when its last event has happened."""
        chance, subjects, share, rate = self._chance, self.subjects, self._share, self._rate
        number = 0
        while True:
            events = []
            for _ in range(events_per_call):
                number += 1
                if share == 1 or chance.random() < share:
                    at = start + number / rate
                    if self._late_share and chance.random() < self._late_share:
                        at -= chance.random() * LATE_SECONDS
                    events.append(event_json(chance, chance.choice(subjects), at))
            yield Call(start + number / rate, events)

    def one_of_each(self, time: float) -> list[str]:
        """An event of every subject and model: after it every page, code and subject of the shard exists."""
        return [event_json(self._chance, name, time, model) for name in self.subjects for model in MODELS]

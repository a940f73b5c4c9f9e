"""What readers cannot answer: damaged parameters, cursors, filters and bodies are no errors of ours."""

import json
from random import Random
from typing import Any
from urllib.parse import quote_from_bytes

from tests.fuzz import fragments
from tests.fuzz.fragments import NOW, time_text
from tests.fuzz.world import World

QUESTIONS = 60
PATHS: dict[str, tuple[str, ...]] = {
    "/api/v1/events": (
        "from",
        "to",
        "ingestedAtFrom",
        "ingestedAtTo",
        "id",
        "subject",
        "customerId",
        "limit",
        "clientId",
    ),
    "/api/v2/events": ("filter", "cursor", "limit", "clientId"),
    "/api/v1/rejects": ("from", "to", "code", "cursor", "limit"),
    "/api/v1/events/corrections": ("cursor", "limit"),
    "/api/v1/meters/calls/query": (
        *("from", "to", "windowSize", "windowTimeZone", "subject", "filterCustomerId", "groupBy", "exact", "fillZero"),
        *("filterGroupBy", "filterGroupBy[model]", "advancedMeterGroupByFilters", "percentile"),
    ),
    "/api/v1/meters/tokens/subjects": ("from", "to", "after"),
    "/api/v1/meters/tokens/group-by/any/values": ("from", "to", "page", "pageSize"),
    "/api/v1/meters/nothing/query": ("from",),
    "/api/v1/audit/metering": ("day",),
}
BODIES = (
    "/api/v1/meters/tokens/query",
    "/api/v1/archive/queries",
    "/api/v1/events/corrections",
    "/api/v1/rejects/replay",
)
CONDITIONS = (
    "$eq",
    "$ne",
    "$in",
    "$nin",
    "$like",
    "$nlike",
    "$ilike",
    "$gt",
    "$lte",
    "$exists",
    "$and",
    "$or",
    "$what",
)
NAMES = ("id", "source", "subject", "type", "customerId", "time", "ingestedAt", "model", "nothing")
FIELDS = (
    "query",
    "meter",
    "from",
    "to",
    "subjects",
    "groupBy",
    "filterGroupBy",
    "windowSize",
    "event",
    "reason",
    "code",
    "limit",
)


def ask_nonsense(world: World, tenant: str, chance: Random) -> None:
    """Any answer will do that is no error of ours: the world looks at each."""
    cursors = [found["nextCursor"] for found in _first_pages(world, tenant) if "nextCursor" in found]
    for _ in range(QUESTIONS):
        if chance.random() < 0.25:
            body = {name: _value(chance) for name in chance.sample(FIELDS, chance.randint(0, 5))}
            world.call(
                tenant,
                "POST",
                chance.choice(BODIES),
                body=json.dumps(body).encode() if chance.random() < 0.7 else fragments.odd(chance),
            )
            continue
        path = chance.choice(list(PATHS))
        names = chance.sample(PATHS[path], min(len(PATHS[path]), chance.choice((1, 1, 2, 4))))
        pairs = [f"{name}={quote_from_bytes(_text(name, cursors, chance))}" for name in names]
        world.call("default" if "audit" in path else tenant, "GET", path, "&".join(pairs))


def _first_pages(world: World, tenant: str) -> list[Any]:
    paths = ("/api/v2/events", "/api/v1/rejects", "/api/v1/events/corrections")
    return [world.get(tenant, path, {"limit": "1"}) for path in paths]


def _text(name: str, cursors: list[str], chance: Random) -> bytes:
    kind = chance.random()
    if kind < 0.3:
        return fragments.odd(chance)[: chance.choice((1, 20, 3_000))]
    if name == "cursor" and cursors:
        cursor = bytearray(chance.choice(cursors).encode())
        cursor[chance.randrange(len(cursor))] = chance.choice(b"Aa0-_=.\xff")
        return bytes(cursor)
    if name == "filter" or name.startswith("advanced"):
        return json.dumps({chance.choice(NAMES): {chance.choice(CONDITIONS): _value(chance)}}).encode()
    return str(_value(chance)).encode("utf-8", "surrogatepass")


def _value(chance: Random) -> Any:
    texts = (
        "",
        "x",
        "acme",
        "calls",
        "usage",
        "recount",
        "MINUTE",
        "DAY",
        "Europe/Berlin",
        "../../etc/passwd",
        "0",
        "-1",
        "1e9",
    )
    times = (
        time_text(NOW),
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-02-30T00:00:00Z",
        "2026-11-28T00:00:00+23:59",
    )
    deep: Any = "x"
    for _ in range(chance.choice((1, 3, 40, 200))):
        deep = {"$and": [deep]} if chance.random() < 0.5 else [deep]
    odd: list[Any] = [
        "\u0000",
        "\ud800",
        "\u2028",
        "%" * 900,
        10**30,
        1e308,
        True,
        None,
        [],
        {},
        ["acme"] * 101,
        {"model": ["x"]},
    ]
    return chance.choice((*texts, *times, deep, *odd))

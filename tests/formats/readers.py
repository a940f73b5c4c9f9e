"""What is asked of stored things, by name: most of it through the API, the rest as workflows and schedules read it.

A reader answers plain JSON and stays for ever: released answers are compared with what it answers then. It asks for
what was stored, and not for sentences that a later version may say better. Those of `GOES_ON` change what is stored,
come last and in this order.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

import msgspec
from pydantic import BaseModel

from functions.adapters.dynamo import billing_keys
from functions.adapters.dynamo.sale_counts import sale_counts
from functions.adapters.dynamo.subscriptions.reconciliation_store import DynamoRechecks
from functions.adapters.records import decode_record
from functions.domain.metering.ledger.ledger import BUCKET_SECONDS, HOUR_SECONDS
from functions.domain.rate_limit import Bucket
from functions.handlers.wiring import access as access_ports
from functions.handlers.wiring import base, metering
from functions.handlers.wiring import billing as billing_ports
from functions.handlers.wiring import entitlements as entitlement_ports
from functions.handlers.wiring import subscriptions as subscription_ports
from functions.names import LEDGER_FORMAT, SORT_KEY
from tests.formats.entitlement_readers import entitlement_backfill
from tests.formats.work import METERS, UNREADABLE, prompt
from tests.formats.world import LANES, World

TENANT = "default"
YEAR = {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
MINUTES = {"from": "2026-10-05T09:40:00Z", "to": "2026-10-05T10:01:00Z"}
LONG_AGO = "2026-08-20T00:00:00Z"
FIRST_HOUR = int(datetime.fromisoformat(LONG_AGO).timestamp()) // HOUR_SECONDS
LAST_HOUR = FIRST_HOUR + 200 * 24
OCTOBER_RUN = "schedule-20261101T0200"
HEADER = ("id", "number", "status", "currency", "period", "issuedAt", "dueAt", "externalIds")
LINE = ("id", "name", "period", "invoiceAt", "quantity", "meteredQuantity", "splitLine", "discounts")
REJECT = ("id", "code", "event", "meterSlug", "countedElsewhere", "objectKey", "replayedAt")

Reader = Callable[[World], Any]


def plain(value: Any) -> Any:
    """As JSON has it: records by the names of their fields, so that a later one may have more; bytes in base64."""
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.structs.asdict(value))
    if isinstance(value, BaseModel):
        return plain(dict(value))
    if is_dataclass(value) and not isinstance(value, type):
        return plain({field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value))
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return list(map(plain, value))
    return value if isinstance(value, bool | int | str | None) else msgspec.to_builtins(value, enc_hook=str)


def _telling(records: Iterable[Any]) -> list[Any]:
    """Those that have something in a field where none before them had; without what is empty in them."""
    told: set[str] = set()
    kept = []
    for record in map(_without_empty, records):
        if not record.keys() <= told:
            kept.append(record)
            told |= record.keys()
    return kept


def _without_empty(record: Any) -> Any:
    return {name: each for name, each in plain(record).items() if each not in ([], {}, "", 0)}


# Records through the API.


def customers(world: World) -> Any:
    found = world.get("customers")["items"]
    return {
        each["key"]: {
            "customer": each,
            "held": world.get(f"customers/{each['id']}/attribution")["items"],
            "coupons": world.get(f"customers/{each['id']}/coupons")["items"],
            "by_key": world.get(f"customers/{each['key']}")["id"],
        }
        for each in found
    }


def subjects(world: World) -> Any:
    found = world.get("subjects")
    return {each["key"]: {"subject": each, "by_key": world.get(f"subjects/{each['key']}")["id"]} for each in found}


def entitled(world: World) -> Any:
    """Each as the API shows it, and as all of a customer and feature are read for an answer."""
    ports = entitlement_ports.entitlement_ports()
    found = world.get("entitlements", version=2)["items"]
    kept = {(each["customerId"], each["featureKey"]) for each in found}
    return {
        "entitlements": found,
        "grants": world.get("grants", {"includeDeleted": "true"}, version=2)["items"],
        "kept": [ports.entitlements.entitled(TENANT, *each) for each in sorted(kept)],
    }


def catalogue(world: World) -> Any:
    plans = world.get("plans", {"includeDeleted": "true"})["items"]
    return {
        "meters": world.get("meters"),
        "features": world.get("features"),
        "plans": plans,
        "addons": world.get("addons")["items"],
        "coupons": world.get("coupons")["items"],
        "settings": world.get("billing/settings"),
        "by_key": world.get("plans/pro")["id"],
        "plan_addons": {each["id"]: world.get(f"plans/{each['id']}/addons")["items"] for each in plans},
    }


def subscriptions(world: World) -> Any:
    return {each["id"]: _subscription(world, each["id"]) for each in world.get("subscriptions")["items"]}


def _subscription(world: World, subscription_id: str) -> Any:
    found = world.get(f"subscriptions/{subscription_id}")
    for phase in found["phases"]:
        del phase["itemTimelines"]  # the items once more
    return {"subscription": found, "addons": world.get(f"subscriptions/{subscription_id}/addons")}


def invoices(world: World) -> Any:
    found = world.get("billing/invoices", {"expand": "lines"})["items"]
    return [
        _picked(each, HEADER)
        | {
            "customer": each["customer"]["key"],
            "total": each["totals"]["total"],
            "lines": list(map(_line, each["lines"])),
        }
        for each in found
    ]


def _line(line: Mapping[str, Any]) -> Any:
    charges = [
        [each["quantity"], each["perUnitAmount"], each["totals"]["total"]] for each in line.get("children") or ()
    ]
    return _picked(line, LINE) | {"total": line["totals"]["total"], "charges": charges}


def _picked(answer: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {name: answer[name] for name in fields if answer.get(name) is not None}


def upcoming(world: World) -> Any:
    """Rated anew from stored usage, with what is stored of earlier parts of the period."""
    answers = {}
    for each in world.get("subscriptions", {"status": "active"})["items"]:
        invoice = world.get(f"subscriptions/{each['id']}/upcoming-invoice")
        answers[each["id"]] = {"total": invoice["totals"]["total"], "lines": _amounts(invoice)}
    return answers


def _amounts(invoice: Mapping[str, Any]) -> Any:
    return [{"name": line["name"], "total": line["totals"]["total"]} for line in invoice["lines"]]


def migrations(world: World) -> Any:
    partition = billing_keys.records(TENANT, billing_keys.PLAN_MIGRATION)
    ids = [item[SORT_KEY] for item in base.billing_table().query(partition)]
    latest, version = subscription_ports.plan_migrations().latest(TENANT)
    assert latest is not None
    return {
        "latest": [latest.id, version],
        "all": {
            each: {
                "migration": world.get(f"plans/pro/migrations/{each}"),
                "subscriptions": world.get(f"plans/pro/migrations/{each}/subscriptions")["items"],
            }
            for each in ids
        },
    }


def billing(world: World) -> Any:
    """What runs, pushes and reconciliation read."""
    now, table = world.clock.now(), base.billing_table()
    ids = [(each["id"], each["customer"]["id"]) for each in world.get("billing/invoices")["items"]]
    pushes, requests = billing_ports.pushes(), billing_ports.invoice_requests()
    holders = sorted({customer for _, customer in ids})
    settled = table.query(billing_keys.records(TENANT, billing_keys.GATEWAY_EVENT))
    forever = datetime.fromisoformat("2099-01-01T00:00:00+00:00")
    return {
        "failures": world.get("billing/failures")["items"],
        "differences": world.get("billing/reconciliation")["items"],
        "due": plain(billing_ports.due_index().due(forever, after=None, limit=10)),
        "unpushed": plain(billing_ports.due_index().unpushed(forever, after=None, limit=10)),
        "turn": plain(billing_ports.billing_turns().last()),
        "due_plan": plain(billing_ports.due_plans().page(OCTOBER_RUN, "due:", 1)),
        "rechecks": plain(DynamoRechecks(table).due(forever, 10)),
        "pushes": {each: plain(pushes.record(TENANT, each)) for each, _ in ids},
        "documents": {each: plain(billing_ports.invoice_documents().get(TENANT, each)) for each, _ in ids},
        "gateway_customers": {each: plain(pushes.customer(TENANT, each, "USD")) for each in holders},
        "settled": [pushes.is_settled(TENANT, item[SORT_KEY]) for item in settled],
        "requests": {each: plain(requests.get(TENANT, each)) for each in holders},
        "numbers": {each: billing_ports.invoices().last_number(TENANT, each) for each in ("ACME", "GLOB")},
        "sale_counts": plain(sale_counts(table, TENANT)),
        "withdrawn": {each: subscription_ports.subscriptions().withdrawn(TENANT, each) for each in holders},
        "tenures": {each: plain(subscription_ports.subscriptions().tenures(TENANT, each)) for each in holders},
        "late": _late(now),
    }


def _late(now: datetime) -> Any:
    index, slot = metering.late_index(), int(now.timestamp()) // HOUR_SECONDS + 1
    tenants = index.tenants(slot, 10)
    return {"tenants": plain(tenants), "usage": [plain(index.late(*each, 10)) for each in tenants]}


def access(world: World) -> Any:
    """Whom the stored keys let in; one of them was revoked."""
    first = world.authorize(world.vault.read())
    ids = [item[SORT_KEY] for item in base.billing_table().query(billing_keys.CREDENTIALS)]
    keys = access_ports.api_keys()
    return {"first": first, "listed": world.get("api-keys"), "stored": {each: plain(keys.find(each)) for each in ids}}


def portal(world: World) -> Any:
    """Which tokens there are, and which of them open."""
    store = access_ports.portal_tokens()
    kept = [each.token for each in store.newest(TENANT, 100)]
    in_force = {each.id: store.is_in_force(TENANT, each.id, each.grant.holder) for each in kept}
    return {"listed": world.get("portal/tokens"), "in_force": in_force}


def archive_queries(world: World) -> Any:
    ids = [
        item[SORT_KEY] for item in base.billing_table().query(billing_keys.records(TENANT, billing_keys.ARCHIVE_QUERY))
    ]
    budget = base.billing_table().get(billing_keys.records(TENANT, billing_keys.ARCHIVE_BUDGET), "2026-11-13")
    return {"budget": plain(budget), "answers": {each: world.get(f"archive/queries/{each}") for each in ids}}


# Usage.


def usage(world: World) -> Any:
    """By counters and by the log behind them, by what stands beside them, and counted again from the archive."""
    answers = {}
    for slug in (*(meter["slug"] for meter in METERS), "history"):
        answers[slug] = {
            "by_month": _rows(world, slug, windowSize="MONTH"),
            "by_subject": _rows(world, slug, groupBy="subject"),
            "counted_again": _rows(world, slug, exact="true"),
        }
    answers["tokens"] |= {
        "by_minute": _rows(world, "tokens", windowSize="MINUTE", **MINUTES),
        "by_model": _rows(world, "tokens", groupBy="model"),
        "models": world.get("meters/tokens/group-by/model/values", YEAR),
        "subjects": world.get("meters/tokens/subjects", YEAR),
    }
    return answers


def _rows(world: World, slug: str, **asked: str) -> Any:
    """[begin of the window, subject, groups, value] of each row; the value as a text, with all its digits."""
    rows = world.get(f"meters/{slug}/query", YEAR | asked)["data"]
    return [[each["windowStart"], each["subject"] or "", each["groupBy"], str(each["value"])] for each in rows]


def backfills(world: World) -> Any:
    slots, version = metering.backfill_slots().load()
    shown = {slug: world.get(f"meters/{slug}/backfill") for slug in ("history", "waiting")}
    return {"slots": plain(slots), "version": version, "shown": shown}


def events(world: World) -> Any:
    return {
        "events": world.get("events", {"limit": "100"}, version=2)["items"],
        "rejects": [
            _picked(each, REJECT)
            for each in world.get("rejects", {"from": LONG_AGO, "to": "2026-11-20T00:00:00Z"})["items"]
        ],
        "corrections": world.get("events/corrections")["items"],
        "audits": world.get("audit/metering", {"day": "2026-11-10"}),
        "begun": plain(metering.audit_results().begun(0, "2026-11-12")),
        "heartbeats": plain(metering.heartbeats().counted()),
    }


def ledger(world: World) -> Any:
    """The log of each lane and what is derived from it, as writers and auditors read it."""
    reader = metering.ledger()
    lanes = {}
    for lane in range(LANES.count):
        commits = list(reader.commits_from(lane, 1))
        hours = range(FIRST_HOUR, LAST_HOUR)
        buckets = sorted({bucket for commit in commits for bucket in commit.fingerprints})
        lanes[lane] = {
            "head": reader.head(lane),
            "last": reader.last_commit_number(lane),
            "commits": [{**each, "pages": len(each.get("pages", ()))} for each in _telling(commits)],
            "deltas": _telling(page for commit in commits for page in commit.pages),
            "tallies": plain(reader.tallies(lane, FIRST_HOUR * HOUR_SECONDS, LAST_HOUR * HOUR_SECONDS)),
            "fingerprints": plain({bucket * BUCKET_SECONDS: reader.chunk(lane, bucket) for bucket in buckets}),
            "hours": plain(list(reader.hour_index(lane, hours[-1], hours[0]))),
            "codes": plain(list(reader.codes(TENANT, lane))),
            "subjects": reader.subjects(TENANT, lane, 10),
        }
    kept = metering.genesis().record(LANES.count, "another key", LEDGER_FORMAT)
    markers = {each: plain(reader.marked_lanes(each)) for each in (OCTOBER_RUN, "backfill-of-nobody")}
    shown = world.health()
    return {
        "health": shown,
        "lanes": lanes,
        "markers": markers,
        "genesis": plain(kept),
        "meters": plain(reader.meter_set(TENANT)),
    }


def limits(_world: World) -> Any:
    """Taking nothing from a bucket tells how full it is and what an operator has made of it."""
    far = 2**53
    return {
        kind: plain(access_ports.buckets().take(Bucket(TENANT, kind), 0, now=0, latest=far, believable=far, expected=0))
        for kind in ("bytes", "calls", "questions", "requests")
    }


def records(world: World) -> Any:
    return _telling(decode_record(each) for each in world.stream.delivered if each != UNREADABLE)


# What goes on with what is stored.


def resent(world: World) -> Any:
    """An id with a new time, and then all records once more: everything is known, nothing is counted."""
    world.send(prompt("a1", "acme-app", "2026-11-14T08:30:00Z", 1200))
    world.deliver()
    world.deliver(world.stream.delivered)
    return {meter["slug"]: _rows(world, meter["slug"]) for meter in METERS}


def counted_on(world: World) -> Any:
    """New usage goes into pages, codes and values that are there; audits end and find no difference."""
    world.send(
        prompt("new1", "acme-app", "2026-11-13T08:01:00Z", 1000, user="u1"),
        prompt("new2", "acme-app", "2026-10-05T09:46:00Z", 1, user="user-1"),
        prompt("new3", "fresh-app", "2026-11-14T08:00:00Z", 2, model="huge"),
    )
    world.deliver()
    counted = {meter["slug"]: _rows(world, meter["slug"], windowSize="MONTH") for meter in METERS}
    audits = [world.audit(0, "2026-11-12"), *(world.audit(lane, "2026-11-14") for lane in range(LANES.count))]
    ended = [[each["goesOn"], each["differences"]] for each in audits]
    return {"counted": counted, "audits": ended}


def billed_on(world: World) -> Any:
    """November ends: subscriptions, parts, fees, coupons and claims that are there become invoices."""
    world.clock.set("2026-12-01T02:00:00+00:00")
    world.bill()
    found = world.get("billing/invoices", {"expand": "lines", "createdAfter": "2026-11-30T00:00:00Z"})["items"]
    return [[each["number"], each["totals"]["total"], _amounts(each)] for each in found]


READERS = (
    *(customers, subjects, entitled, catalogue, subscriptions, invoices, upcoming, migrations, billing, access),
    *(portal, entitlement_backfill, archive_queries),
    *(usage, backfills, events, ledger, limits, records),
)
GOES_ON = (resent, counted_on, billed_on)
EVERY: Mapping[str, Reader] = {reader.__name__: reader for reader in (*READERS, *GOES_ON)}


def answers(world: World, asked: Collection[str]) -> Any:
    """By reader, as they are written to a file and read again."""
    found = {name: plain(reader(world)) for name, reader in EVERY.items() if name in asked}
    return json.loads(json.dumps(found))

"""Two months of a small deployment, so that every kind of item and object comes to be stored."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from functions.handlers.billing import workflow_issue_invoice, workflow_record_failure
from functions.handlers.edge import json_body
from functions.handlers.metering import workflow_queue_backfill
from functions.handlers.subscriptions import schedule_entitle
from tests.formats.world import Time, World, small_bounds
from tests.handlers.subscriptions.entitling import older_version

UNREADABLE = b"no record of ours"
LONG_NAME = "€" * 171  # more bytes than a lock item's key holds as they are
METERS: list[dict[str, Any]] = [
    {
        "slug": "tokens",
        "eventType": "prompt",
        "aggregation": "SUM",
        "valueProperty": "$.tokens",
        "groupBy": {"model": "$.model"},
    },
    {"slug": "calls", "eventType": "prompt", "aggregation": "COUNT"},
    {"slug": "users", "eventType": "prompt", "aggregation": "UNIQUE_COUNT", "valueProperty": "$.user"},
    {"slug": "peak", "eventType": "prompt", "aggregation": "MAX", "valueProperty": "$.tokens"},
    {"slug": "least", "eventType": "prompt", "aggregation": "MIN", "valueProperty": "$.tokens"},
    {"slug": "latest", "eventType": "prompt", "aggregation": "LATEST", "valueProperty": "$.tokens"},
    {"slug": "mean", "eventType": "prompt", "aggregation": "AVG", "valueProperty": "$.tokens"},
    {"slug": "speed", "eventType": "prompt", "aggregation": "PERCENTILE", "valueProperty": "$.ms"},
    {"slug": "seats", "eventType": "seat", "aggregation": "TIME_WEIGHTED_SUM", "valueProperty": "$.change"},
]


def work(world: World) -> None:
    """From the first of October to the middle of November."""
    world.clock.set("2026-10-01T00:00:00+00:00")
    world.bootstrap()
    with small_bounds():
        sell(world)
        describe(world)
        entitle(world)
        use(world)
        bill(world)
        change(world)
        correct(world)
        count_history(world)
        migrate(world)
        entitle_older(world)
        ask(world)
        close_a_usage_period(world)
    world.clock.set("2026-11-14T09:00:00+00:00")


def sell(world: World) -> None:
    """Meters, features, a plan with an add-on, a coupon, two customers who subscribe; keys for producers."""
    for meter in METERS:
        world.post("meters", meter)
    for key in ("tokens", "users", "seats"):
        world.post("features", {"key": key, "name": key.title(), "meterSlug": key})
    world.call("PUT", "billing/settings", {"timeZone": "Europe/Berlin", "invoicesIdle": True})
    addon = world.post("addons", {
        "key": "support", "name": "Support", "currency": "USD", "instanceType": "single",
        "rateCards": [fee("support", "5")],
    })  # fmt: skip
    world.post(f"addons/{addon['id']}/publish")
    mini = world.post("plans", plan("mini", [fee("base", "7")]))
    pro = world.post("plans", plan("pro", [fee("base", "20"), tiered("tokens"), unit("users", "1", minimumAmount="2")]))
    world.post(f"plans/{pro['id']}/addons", {"addonId": addon["id"], "fromPlanPhase": "main"})
    for each in (mini, pro):
        world.post(f"plans/{each['id']}/publish")
    world.post("coupons", {
        "key": "welcome", "name": "Welcome", "off": {"type": "percentage", "percentage": "10"},
        "duration": {"type": "times", "times": 3},
    })  # fmt: skip
    for key, plan_key, subjects in (("acme", "pro", ["acme-app"]), ("globex", "mini", ["globex-app", LONG_NAME])):
        customer = world.post("customers", {
            "key": key, "name": key.title(), "primaryEmail": f"pay@{key}.example", "currency": "USD",
            "usageAttribution": {"subjectKeys": subjects}, "metadata": {"crm": f"id-{key}"},
        })  # fmt: skip
        world.post("subscriptions", {"customerId": customer["id"], "plan": {"key": plan_key}})
    world.post("customers/acme/coupons", {"coupon": "welcome"})
    bought = {"name": "Support", "addon": {"id": addon["id"]}, "quantity": 1, "timing": "immediate"}
    world.post(f"subscriptions/{subscription_of(world, 'acme')}/addons", bought)
    for name in ("Producer", "Lost"):
        made = world.post("api-keys", {"name": name, "scopes": ["ingest"], "expiresAt": "2027-10-01T00:00:00Z"})
    world.call("DELETE", f"api-keys/{made['id']}")


def describe(world: World) -> None:
    """Subjects with a name and more, one of which is renamed and one forgotten."""
    period = {"currentPeriodStart": "2026-10-01T00:00:00Z", "currentPeriodEnd": "2026-11-01T00:00:00Z"}
    more = {"metadata": {"seats": Decimal("2.50"), "tags": ["a", None, True]}, "stripeCustomerId": "cus_1", **period}
    app = {"key": "acme-app", "displayName": "Acme's app"}
    world.post("subjects", json_body.encode([app | more, {"key": LONG_NAME}, {"key": "gone"}]))
    world.post("subjects", [{"key": LONG_NAME, "displayName": "Euros"}])
    world.call("DELETE", "subjects/gone")


def entitle(world: World) -> None:
    """All kinds of entitlements, and grants that expire, recur, roll over and are voided; a plan that entitles."""
    sold = {**unit("seats", "1"), "entitlementTemplate": {"type": "metered", "issueAfterReset": 5}}
    team = world.post("plans", plan("team", [sold]))
    world.post(f"plans/{team['id']}/publish")
    world.post("customers", {"key": "hooli", "name": "Hooli"})
    world.post("subscriptions", {"customerKey": "hooli", "plan": {"key": "team"}})
    mine, start = "customers/globex/entitlements", "2026-10-01T00:00:00Z"

    def ask(method: str, path: str, body: Any = None) -> Any:
        return world.call(method, f"{mine}{path}", body, version=2)

    ask("POST", "", {"type": "boolean", "featureKey": "seats", "metadata": {"by": "hand"}})
    ask("POST", "", {"type": "static", "featureKey": "users", "config": '{"roles": ["a"]}'})
    ask("POST", "", {
        "type": "metered", "featureKey": "tokens", "usagePeriod": {"interval": "WEEK", "anchor": start},
        "isSoftLimit": True, "preserveOverageAtReset": True, "issue": {"amount": 10.5, "priority": 2},
    })  # fmt: skip
    grant = {"amount": 900, "effectiveAt": start, "priority": 1, "metadata": {"why": "sorry"}}
    expiring = {**grant, "expiration": {"duration": "MONTH", "count": 3}, "recurrence": {"interval": "P10D"}}
    ask("POST", "/tokens/grants", {**expiring, "maxRolloverAmount": 400, "minRolloverAmount": 1})
    voided = ask("POST", "/tokens/grants", grant)
    world.clock.set("2026-10-02T08:00:30+00:00")
    world.call("DELETE", f"grants/{voided['id']}")
    ask("POST", "/tokens/reset", {"retainAnchor": True, "preserveOverage": False})
    world.clock.set("2026-10-02T09:00:00+00:00")
    ask("PUT", "/users/override", {"type": "static", "featureKey": "users", "config": "{}"})


def close_a_usage_period(world: World) -> None:
    world.clock.set("2026-11-14T08:00:00+00:00")
    assert world.get("customers/globex/entitlements/tokens/value", version=2)["usage"] == 0


def use(world: World) -> None:
    """Events on time, twice, of no use, and a record nobody can read."""
    first = [
        prompt("a1", "acme-app", "2026-10-05T09:58:00Z", 1200),
        prompt("a2", "acme-app", "2026-10-05T09:59:30.250Z", 0.125, model="large", user="u2", ms=340),
        prompt("g1", "globex-app", "2026-10-05T09:59:59Z", 800),
        seats("s1", "2026-10-05T08:00:00Z", 4),
    ]
    world.clock.set("2026-10-05T10:00:00+00:00")
    world.send(*first)
    world.deliver()
    world.send(*first)
    world.deliver()
    for number in range(3):
        world.clock.set(f"2026-10-05T10:0{number + 1}:00+00:00")
        world.send(prompt(f"u{number}", "acme-app", "2026-10-05T09:45:00Z", 10, user=f"user-{number}"))
        world.deliver()
    world.clock.set("2026-10-06T10:00:00+00:00")
    world.send(*(prompt(f"bad{number}", "acme-app", "2026-10-06T09:30:00Z", "many") for number in range(3)))
    world.send(prompt("plain", "globex-app", "2026-10-06T09:30:00Z", 1), seats("s2", "2026-10-06T08:00:00Z", -1))
    world.deliver()
    world.deliver([UNREADABLE])
    world.send(prompt("old", "acme-app", "2026-08-23T00:00:00Z", 5))
    world.clock.set("2026-10-09T10:00:00+00:00")
    world.deliver()  # the stream kept it too long
    world.accepts_past(60)
    reject = world.get("rejects", {"code": "outside_acceptance_window"})["items"][0]
    world.post(f"rejects/{reject['id']}/replay")
    world.deliver()


def bill(world: World) -> None:
    """October is billed; one invoice is paid, one customer is noted as one who could not be billed."""
    world.clock.set("2026-11-01T02:00:00+00:00")
    run_id = world.bill()
    world.pay(invoices_of(world, "acme")[0]["externalIds"]["invoicing"])
    failed = {"tenant": "default", "customer_id": customer_id(world, "globex"), "run_id": run_id}
    error = {"Error": "Unavailable", "Cause": json.dumps({"errorType": "Unavailable", "errorMessage": "Later."})}
    workflow_record_failure.handler(failed | {"error": error}, None)


def change(world: World) -> None:
    """A subject moves on, usage comes late, and what was used so far is invoiced and not pushed yet."""
    world.clock.set("2026-11-05T10:20:00+00:00")
    for key, more in (("globex", []), ("acme", ["acme-app", "globex-app"])):
        customer = world.get(f"customers/{key}")
        world.call("PUT", f"customers/{key}", customer | {"usageAttribution": {"subjectKeys": more}})
    world.send(prompt("late1", "acme-app", "2026-10-20T12:00:00Z", 500))
    world.deliver()
    world.clock.set("2026-11-05T11:20:00+00:00")
    world.reconcile()
    world.send(
        prompt("late2", "acme-app", "2026-10-21T12:00:00Z", 7), prompt("n1", "acme-app", "2026-11-04T00:00:00Z", 90)
    )
    world.deliver()
    body = {"customerId": customer_id(world, "acme"), "progressiveBillingOverride": True}
    world.api.post("/api/v1/billing/invoices/invoice", body)  # 503: nobody runs what it has started
    run = world.runs.started[-1]
    due = {"tenant": "default", "customer_id": body["customerId"], "run_id": run["run_id"], "as_of": run["as_of"]}
    workflow_issue_invoice.handler(due | {"progressive": True}, None)


def correct(world: World) -> None:
    """One event is taken back, one is replaced."""
    world.clock.set("2026-11-06T09:00:00+00:00")
    named = {"source": "gateway", "subject": "acme-app"}
    world.post(
        "events/corrections", {"event": named | {"id": "u0", "time": "2026-10-05T09:45:00Z"}, "reason": "A test."}
    )
    world.post("events/corrections", {
        "event": named | {"id": "n1", "time": "2026-11-04T00:00:00Z"}, "reason": "Wrong number.",
        "replacement": {"data": {"tokens": 91, "model": "small", "user": "u1", "ms": 100}},
    })  # fmt: skip
    world.deliver()


def count_history(world: World) -> None:
    """A meter that comes after its events; another has got its place and not begun."""
    world.clock.set("2026-11-10T09:00:00+00:00")
    for slug, aggregation in (("history", "SUM"), ("waiting", "MAX")):
        meter = METERS[0] | {"slug": slug, "aggregation": aggregation, "eventFrom": "2026-11-03T00:00:00Z"}
        world.post("meters", meter)
    counted, waiting = world.backfills.started
    world.run("backfill", counted)
    workflow_queue_backfill.handler(waiting, None)
    for question in ("query", "subjects"):
        world.get(f"meters/history/{question}")


def migrate(world: World) -> None:
    """Everybody to a newer version, first as a dry run."""
    world.clock.set("2026-11-12T09:00:00+00:00")
    draft = world.post("plans/pro/next")
    dearer = plan("pro", [fee("base", "25"), tiered("tokens"), unit("users", "1.5")])
    world.call("PUT", f"plans/{draft['id']}", {name: dearer[name] for name in ("name", "billingCadence", "phases")})
    world.post(f"plans/{draft['id']}/publish")
    for more in ({"dryRun": True}, {}):
        world.post("plans/pro/migrate-all", {"toVersion": 2, **more})
        world.run("migration", world.migrations.started[-1])


def entitle_older(world: World) -> None:
    """Two customers subscribed when there were no entitlements; one of them has an entitlement of its own."""
    world.clock.set("2026-11-12T10:00:00+00:00")
    template = {"type": "metered", "issueAfterReset": 100, "isSoftLimit": True}
    card = {"type": "flat_fee", "key": "seats", "featureKey": "seats", "name": "Seats", "billingCadence": None}
    cards = [fee("base", "3"), {**card, "price": None, "entitlementTemplate": template}]
    limited = world.post("plans", plan("limited", cards))
    world.post(f"plans/{limited['id']}/publish")
    for key in ("initech", "umbrella"):
        world.post("customers", {"key": key, "name": key.title(), "usageAttribution": {"subjectKeys": [f"{key}-app"]}})
        with older_version():
            world.post("subscriptions", {"customerKey": key, "plan": {"key": "limited"}})
    own = {"type": "static", "featureKey": "seats", "config": '{"seats": 3}'}
    world.call("POST", "customers/umbrella/entitlements", own, version=2)
    for time in ("10:00:00", "10:15:00"):
        world.clock.set(f"2026-11-12T{time}+00:00")
        schedule_entitle.handler({}, Time())


def ask(world: World) -> None:
    """The archive is asked and repaired, one audit ends and one does not, an operator gives a tenant more room."""
    world.clock.set("2026-11-13T09:00:00+00:00")
    world.beat()
    question = {"query": "usage", "meter": "tokens", "from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}
    for _ in range(2):
        asked = world.post("archive/queries", question)
    world.get(f"archive/queries/{asked['id']}")
    world.audit(0, "2026-11-10")
    world.audit(0, "2026-11-12", time_left=0)
    world.health()
    note = {"id": "note", "type": "note", "subject": "acme-app", "time": "2026-11-13T07:00:00Z"}
    world.send({**note, "data": {"text": "UNREADABLE"}})
    world.deliver()
    (key,) = (key for key in world.objects() if key.startswith("archive/day=2026-11-13/"))
    world.damage(key, b"UNREADABLE")
    assert world.repair(int(key.partition("lane-")[2][:3]), "2026-11-13")["damaged"]
    open_portal(world)
    world.raise_limit("bytes", 400)
    world.send(prompt("open", "acme-app", "2026-11-13T08:00:00Z", 3))
    world.deliver()


def open_portal(world: World) -> None:
    """Tokens of a subject and of a customer; some are invalidated by their id, some by whose they are."""
    acme = {"customerId": customer_id(world, "acme")}
    for body in ({"subject": "acme-app", "allowedMeterSlugs": ["tokens"]}, acme, {"subject": "other-app"}):
        first = world.post("portal/tokens", {**body, "expiresIn": 7 * 86_400})
    world.post("portal/tokens/invalidate", {"id": first["id"]})
    for holder in ({"subject": "acme-app"}, acme):
        world.post("portal/tokens/invalidate", holder)
        world.post("portal/tokens", {**holder, "expiresIn": 7 * 86_400})


def prompt(event_id: str, subject: str, time: str, tokens: Any, **data: Any) -> Mapping[str, Any]:
    content = {"tokens": tokens, "model": "small", "user": "u1", "ms": 120, **data}
    return {"id": event_id, "type": "prompt", "subject": subject, "time": time, "data": content}


def seats(event_id: str, time: str, change: int) -> Mapping[str, Any]:
    return {"id": event_id, "type": "seat", "subject": "acme-app", "time": time, "data": {"change": change}}


def priced(key: str, price: Mapping[str, Any]) -> dict[str, Any]:
    card = {"type": "usage_based", "key": key, "featureKey": key, "name": key.title(), "billingCadence": "P1M"}
    return {**card, "price": price}


def unit(key: str, amount: str, **more: Any) -> dict[str, Any]:
    return priced(key, {"type": "unit", "amount": amount, **more})


def tiered(key: str) -> dict[str, Any]:
    tiers = [
        {"upToAmount": "1000", "flatPrice": None, "unitPrice": {"type": "unit", "amount": "0.01"}},
        {
            "upToAmount": None,
            "flatPrice": {"type": "flat", "amount": "1"},
            "unitPrice": {"type": "unit", "amount": "0.005"},
        },
    ]
    return priced(key, {"type": "tiered", "mode": "graduated", "tiers": tiers})


def fee(key: str, amount: str) -> dict[str, Any]:
    price = {"type": "flat", "amount": amount, "paymentTerm": "in_advance"}
    return {"type": "flat_fee", "key": key, "name": key.title(), "billingCadence": "P1M", "price": price}


def plan(key: str, cards: list[dict[str, Any]]) -> dict[str, Any]:
    phase = {"key": "main", "name": "Main", "duration": None, "rateCards": cards}
    return {"key": key, "name": key.title(), "currency": "USD", "billingCadence": "P1M", "phases": [phase]}


def customer_id(world: World, key: str) -> str:
    return str(world.get(f"customers/{key}")["id"])


def subscription_of(world: World, key: str) -> str:
    return str(world.get(f"customers/{key}/subscriptions")["items"][0]["id"])


def invoices_of(world: World, key: str) -> list[Any]:
    found: list[Any] = world.get("billing/invoices", {"customers": customer_id(world, key)})["items"]
    return found

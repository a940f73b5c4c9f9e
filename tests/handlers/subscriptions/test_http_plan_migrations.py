"""All subscriptions of a plan to another version: over HTTP and through the workflow as written, on DynamoDB Local."""

import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from functions.adapters.dynamo.subscriptions.plan_migration_store import DynamoPlanMigrations
from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions
from functions.application.step_failure import INTERNAL
from functions.application.subscriptions import count_versions, work_migration
from functions.domain.errors import Unavailable
from functions.domain.subscriptions.plan_migration import MAX_TRIES, STALLED, STALLED_AFTER, PlanMigration
from functions.domain.subscriptions.subscription import Subscription
from functions.handlers import http_api
from functions.handlers.subscriptions import (
    workflow_end_migration,
    workflow_list_migration,
    workflow_migrate_subscriptions,
    workflow_preview_migration,
)
from functions.handlers.wiring import subscriptions
from tests.application.billing.world import ACME, GLOBEX, TENANT, World
from tests.domain.builders import at, flat, phase, unit
from tests.handlers.gateway import Client
from tests.handlers.machine import Machine, MachineFailed
from tests.writing_subscriptions import write_subscriptions

DEFINITION = (Path(__file__).resolve().parents[3] / "infra" / "workflows" / "migration.asl.json").read_text()
STATES: dict[str, Any] = json.loads(DEFINITION)["States"]
FUNCTIONS = {
    "ListMigration": workflow_list_migration,
    "MigrateSubscriptions": workflow_migrate_subscriptions,
    "PreviewMigration": workflow_preview_migration,
    "EndMigration": workflow_end_migration,
}
PLAN = "/api/v1/plans/pro"
SUBSCRIPTIONS = "/api/v1/subscriptions"
# A thousand take about half a minute; `make soak` says so many.
CUSTOMERS = int(os.environ.get("TOLLBOOTH_TEST_CUSTOMERS", "200"))


class Killed(BaseException):
    """The function is gone; nobody catches that."""


class Runs:
    """Executions as Step Functions keeps them: one a name."""

    def __init__(self) -> None:
        self.started: dict[str, dict[str, Any]] = {}

    def start(self, tenant: str, migration: PlanMigration) -> None:
        given = {"tenant": tenant, "migration_id": migration.id, "attempt": migration.attempt}
        self.started.setdefault(migration.run_id, given | {"dry_run": migration.dry_run})

    def execute(self, *, wait: Callable[[], None] = lambda: None, **replaced: Callable[..., Any]) -> Machine:
        """The one that was started last."""
        functions = {name: module.handler for name, module in FUNCTIONS.items()} | replaced
        machine = Machine(DEFINITION, functions, wait)
        machine.run(list(self.started.values())[-1])
        return machine


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs()
    monkeypatch.setattr(subscriptions, "migration_runs", lambda: runs)
    return runs


@pytest.fixture
def api(world: World, runs: Runs) -> Client:
    return Client(http_api.handler)


def begin(api: Client, **body: Any) -> str:
    """The path of the migration."""
    answer = api.post(f"{PLAN}/migrate-all", {"toVersion": 2, **body})
    assert answer.status == 202, answer.text
    assert answer.json["status"] == "running"
    path = answer.headers["location"]
    assert path == f"{PLAN}/migrations/{answer.json['id']}"
    return path


@pytest.fixture
def two_versions(world: World) -> list[Subscription]:
    """Two customers on version 1 (31.00 a month, paid), ten days old; version 2 is 46.50 a month and 120 a year."""
    world.pays_at_once = True
    world.plan(phase(flat("31"), unit("0.01")))
    made = [world.subscribe(customer, "2026-05-01") for customer in (ACME, GLOBEX)]
    for each in made:
        world.issue("2026-05-01", each.customer_id)
    world.plan(phase(flat("46.50"), flat("120", key="yearly", cadence="P1Y"), unit("0.01")))
    world.clock.time = at("2026-05-11")
    return made


def versions_of(world: World, customer_id: str) -> list[tuple[int, str]]:
    now = world.clock.now()
    every = world.subscriptions.of_customer(TENANT, customer_id)
    return [(each.plan.version, each.status(now).value) for each in every if each.plan]


def test_everybody_on_an_older_version_is_migrated(
    api: Client, world: World, runs: Runs, two_versions: list[Subscription]
) -> None:
    path = begin(api)
    runs.execute()

    done = api.get(path).json
    assert (done["status"], done["total"], done["done"], done["failed"]) == ("done", 2, 2, 0)
    assert (done["planKey"], done["fromVersion"], done["toVersion"], done["dryRun"]) == ("pro", 1, 2, False)
    assert (done["startedAt"], done["endedAt"]) == ("2026-05-11T00:00:00Z", "2026-05-11T00:00:00Z")
    # 46.50 a month and a twelfth of 120.00, of each.
    fees = {"before": "62.00", "after": "113.00", "difference": "51.00"}
    assert done["amounts"] == {"USD": {"subscriptions": 2, **fees}}
    assert "totalIsLowerBound" not in done
    for customer_id in (ACME, GLOBEX):
        assert versions_of(world, customer_id) == [(1, "inactive"), (2, "active")]
    first, second = (api.get(f"{path}/subscriptions", f"limit=1{more}").json for more in ("", ""))
    assert first == second
    (one,) = first["items"]
    assert (one["subscriptionId"], one["customerId"], one["status"]) == (two_versions[0].id, ACME, "done")
    assert api.get(f"{SUBSCRIPTIONS}/{one['nextSubscriptionId']}").json["plan"]["version"] == 2
    following = api.get(f"{path}/subscriptions", f"limit=1&cursor={first['nextCursor']}").json
    assert ([each["customerId"] for each in following["items"]], "nextCursor" in following) == ([GLOBEX], False)
    assert api.get(f"{path}/subscriptions", "status=failed").json["items"] == []
    assert api.get(f"{path}/subscriptions", "status=sold").fields == ["status"]


def test_a_second_run_has_nobody_left(api: Client, runs: Runs, two_versions: list[Subscription]) -> None:
    first = begin(api)
    runs.execute()
    second = begin(api)
    assert second != first
    runs.execute()
    done = api.get(second).json
    assert (done["status"], done["total"], done["amounts"], done["failures"]) == ("done", 0, {}, [])


def test_who_has_cancelled_stays_cancelled(
    api: Client, world: World, runs: Runs, two_versions: list[Subscription]
) -> None:
    of = f"{SUBSCRIPTIONS}/{two_versions[0].id}"
    ends_at = api.post(f"{of}/cancel", {"timing": "next_billing_cycle"}).json["activeTo"]
    path = begin(api)
    runs.execute()
    assert api.get(path).json["done"] == 2
    assert versions_of(world, ACME) == [(1, "inactive"), (2, "canceled")]
    following = api.get(f"{path}/subscriptions").json["items"][0]["nextSubscriptionId"]
    assert api.get(f"{SUBSCRIPTIONS}/{following}").json["activeTo"] == ends_at


def test_who_is_not_concerned_is_left_alone_and_who_has_not_begun_is_named(
    api: Client, world: World, runs: Runs, two_versions: list[Subscription]
) -> None:
    world.plan(phase(flat("5")), key="other")
    api.post(f"{SUBSCRIPTIONS}/{two_versions[0].id}/cancel")
    other = api.post(SUBSCRIPTIONS, {"plan": {"key": "other"}, "customerId": ACME}).json["id"]
    scheduled = two_versions[1].model_copy(
        update={"id": world.new_id(), "customer_id": ACME, "active_from": at("2026-06-01"), "version": 0}
    )
    write_subscriptions(world.table, TENANT, scheduled, 1)
    path = begin(api)
    runs.execute()
    done = api.get(path).json
    assert (done["status"], done["total"], done["done"], done["failed"]) == ("done", 2, 1, 1)
    (failure,) = done["failures"]
    assert failure["code"] == "conflict"
    assert "is scheduled" in failure["message"]
    assert api.get(f"{SUBSCRIPTIONS}/{other}").json["status"] == "active"
    assert versions_of(world, GLOBEX) == [(1, "inactive"), (2, "active")]


def stored(world: World) -> dict[tuple[str, str], Any]:
    """Everything but reports of migrations."""
    found = world.table.client.get_paginator("scan").paginate(TableName=world.table.name)
    items = [item for page in found for item in page["Items"]]
    keyed = {(item["pk"]["S"], item["sk"]["S"]): item for item in items}
    return {key: item for key, item in keyed.items() if "plan_migration" not in "".join(key)}


def test_a_dry_run_says_what_follows_to_the_cent_and_writes_nothing_else(
    api: Client, world: World, runs: Runs, two_versions: list[Subscription]
) -> None:
    before = stored(world)
    path = begin(api, dryRun=True)
    runs.execute()
    assert stored(world) == before

    done = api.get(path).json
    assert (done["status"], done["dryRun"], done["done"], done["failed"]) == ("done", True, 2, 0)
    listed = api.get(f"{path}/subscriptions").json["items"]
    fees = {"before": "31.00", "after": "56.50", "difference": "25.50"}
    for each in listed:
        assert each["recurring"] == fees
        assert "nextSubscriptionId" not in each
        looked = api.post(f"{SUBSCRIPTIONS}/{each['subscriptionId']}/migrate/preview").json["totals"]
        assert each["invoice"] == looked
    sums = done["amounts"]["USD"]
    assert (sums["subscriptions"], sums["difference"]) == (2, "51.00")

    begin(api)
    runs.execute()
    invoiced = [record for each in two_versions for record in world.issue(None, each.customer_id).invoices]
    cents = sum(record.invoice.total_minor for record in invoiced)
    assert sums["invoices"]["total"] == f"{Decimal(cents).scaleb(-2)}"


def test_asked_again_while_it_runs_it_is_one_and_another_has_to_wait(
    api: Client, world: World, runs: Runs, two_versions: list[Subscription]
) -> None:
    path = begin(api)
    assert begin(api) == path
    by_id = api.post(f"/api/v1/plans/{api.get(PLAN).json['id']}/migrate-all", {"toVersion": 2, "dryRun": False})
    assert path.endswith(by_id.json["id"])
    assert api.get(by_id.headers["location"]).json["id"] == by_id.json["id"]
    assert len(runs.started) == 1
    refused = api.post(f"{PLAN}/migrate-all", {"toVersion": 2, "dryRun": True})
    assert refused.status == 409
    assert refused.json["extensions"]["validationErrors"][0]["code"] == "migration_running"
    runs.execute()
    begin(api, dryRun=True)
    assert len(runs.started) == 2


@pytest.mark.parametrize(
    ("plan", "body", "status", "field", "code"),
    [
        ("pro", {}, 400, "toVersion", "required"),
        ("pro", {"toVersion": 0}, 400, "toVersion", "out_of_range"),
        ("pro", {"toVersion": "2.5"}, 400, "toVersion", "wrong_type"),
        ("pro", {"toVersion": 2, "fromVersion": 1}, 400, "fromVersion", "unknown_field"),
        ("pro", {"toVersion": 9}, 404, "$", "plan_not_found"),
        ("none", {"toVersion": 2}, 404, "$", "plan_not_found"),
        ("pro", {"toVersion": 1}, 409, "$", "plan_version_not_active"),
        ("pro", {"toVersion": 3}, 409, "$", "plan_version_not_active"),
    ],
)
def test_a_version_that_nobody_can_migrate_to_is_refused(
    api: Client,
    world: World,
    runs: Runs,
    two_versions: list[Subscription],
    plan: str,
    body: dict[str, Any],
    status: int,
    field: str,
    code: str,
) -> None:
    assert api.post(f"{PLAN}/next").status == 201
    refused = api.post(f"/api/v1/plans/{plan}/migrate-all", body)
    assert refused.status == status, refused.text
    (error,) = refused.json["extensions"]["validationErrors"]
    assert (error["field"], error["code"]) == (field, code)
    assert runs.started == {}


def test_migrations_need_the_right_scope_tenant_and_plan(
    api: Client, world: World, runs: Runs, two_versions: list[Subscription]
) -> None:
    assert api.acting_as("read").post(f"{PLAN}/migrate-all", {"toVersion": 2}).status == 403
    path = begin(api)
    world.plan(phase(flat("5")), key="other")
    assert api.acting_as("read").get(path).status == 200
    for missing in (path.replace("/pro/", "/other/"), f"{PLAN}/migrations/01NOTTHERE"):
        answer = api.get(missing)
        assert answer.status == 404, missing
        assert answer.json["extensions"]["validationErrors"][0]["code"] == "migration_not_found"
        assert api.get(f"{missing}/subscriptions").status == 404
    assert api.acting_as("admin", "elsewhere").get(path).status == 404


def test_one_whose_add_on_is_not_sold_any_more_stops_nobody(api: Client, world: World, runs: Runs) -> None:
    more = {
        "key": "more",
        "name": "More",
        "currency": "USD",
        "instanceType": "single",
        "rateCards": [flat("5", key="x")],
    }
    version_1 = world.plan(phase(flat("31")))
    made = [world.subscribe(customer, "2026-05-01") for customer in (ACME, GLOBEX)]
    addon = api.post("/api/v1/addons", more).json["id"]
    assert api.post(f"/api/v1/addons/{addon}/publish").status == 200
    assigned = api.post(f"/api/v1/plans/{version_1.id}/addons", {"addonId": addon, "fromPlanPhase": "main"})
    assert assigned.status == 201, assigned.text
    bought = {"name": "More", "quantity": 1, "timing": "immediate", "addon": {"id": addon}}
    assert api.post(f"{SUBSCRIPTIONS}/{made[0].id}/addons", bought).status == 201
    world.plan(phase(flat("46.50")))
    for dry_run in (True, False):
        path = begin(api, dryRun=dry_run)
        runs.execute()
        done = api.get(path).json
        assert (done["status"], done["total"], done["done"], done["failed"]) == ("done", 2, 1, 1)
        (failure,) = done["failures"]
        assert (failure["subscriptionId"], failure["customerId"]) == (made[0].id, ACME)
        assert failure["code"] == "addons_not_carried"
        assert "does not sell add-on 'more'" in failure["message"]
        (listed,) = api.get(f"{path}/subscriptions", "status=failed").json["items"]
        assert (listed["code"], "recurring" in listed) == ("addons_not_carried", False)
        assert done["amounts"]["USD"]["subscriptions"] == 1
    assert versions_of(world, ACME) == [(1, "active")]
    assert versions_of(world, GLOBEX) == [(1, "inactive"), (2, "active")]


class Deaths:
    """Kills the function behind the write of every so many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, of: type[Any], name: str, after: list[int]) -> None:
        self.calls, self.after, write = 0, after, getattr(of, name)

        def dying(*args: Any, **more: Any) -> Any:
            result = write(*args, **more)
            self.calls += 1
            if self.calls in self.after:
                raise Killed
            return result

        monkeypatch.setattr(of, name, dying)


def test_many_are_migrated_in_one_run_however_often_it_is_killed(
    api: Client, world: World, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the end of it each customer has exactly one subscription on the new version, and has had no other one."""
    world.plan(phase(flat("31"), unit("0.01")))
    like = world.subscribe(ACME, "2026-05-01")
    made = write_subscriptions(world.table, TENANT, like, CUSTOMERS - 1)
    world.plan(phase(flat("46.50"), unit("0.01")))
    world.clock.time = at("2026-05-11")
    monkeypatch.setattr(work_migration, "WORKED_A_STEP", 50)
    path = begin(api)
    # In the middle of a page, whose results nobody has written yet; and behind the write of listed ones and of a page.
    Deaths(monkeypatch, DynamoSubscriptions, "save", [7, 60, CUSTOMERS // 2])
    Deaths(monkeypatch, DynamoPlanMigrations, "save", [1, 6])
    seen, kills = list[tuple[str, int, int]](), 0

    def watched(handler: Callable[..., Any]) -> Callable[..., Any]:
        def watch(payload: Any, context: Any) -> Any:
            result = handler(payload, context)
            shown = api.get(path).json
            seen.append((shown["status"], shown["done"], shown["total"]))
            return result

        return watch

    functions = {name: watched(module.handler) for name, module in FUNCTIONS.items()}
    while api.get(path).json["status"] == "running":
        try:
            runs.execute(**functions)
        except Killed:
            kills += 1
            shown = api.get(path).json
            assert shown["status"] == "running"
            seen.append((shown["status"], shown["done"], shown["total"]))
    assert kills == 5

    done = api.get(path).json
    assert (done["status"], done["total"], done["done"], done["failed"]) == ("done", CUSTOMERS, CUSTOMERS, 0)
    assert done["amounts"]["USD"] == {
        "subscriptions": CUSTOMERS,
        "before": f"{Decimal('31.00') * CUSTOMERS}",
        "after": f"{Decimal('46.50') * CUSTOMERS}",
        "difference": f"{Decimal('15.50') * CUSTOMERS}",
    }
    counted = [each[1] for each in seen]
    assert counted == sorted(counted)
    assert len({each for each in counted if 0 < each < CUSTOMERS}) >= 4, "the progress is seen while it runs"

    every = [entry.read() for entry in all_subscriptions(world)]
    assert len(every) == 2 * CUSTOMERS, "nobody was migrated twice"
    now = world.clock.now()
    per_customer = Counter((each.customer_id, each.plan.version, each.status(now).value) for each in every if each.plan)
    customers = [ACME, *(each.customer_id for each in made)]
    wanted = [(customer, *state) for customer in customers for state in ((1, "inactive"), (2, "active"))]
    assert per_customer == Counter(wanted)
    old = {each.id for each in every if each.plan and each.plan.version == 1}
    assert {each.follows.id for each in every if each.follows} == old
    items = dict[str, str]()
    cursor = ""
    while cursor is not None:
        page = api.get(f"{path}/subscriptions", f"limit=1000&cursor={cursor}").json
        items |= {each["subscriptionId"]: each["nextSubscriptionId"] for each in page["items"]}
        cursor = page.get("nextCursor")
    assert items.keys() == old
    assert set(items.values()) == {each.id for each in every} - old


def all_subscriptions(world: World) -> list[Any]:
    entries: list[Any] = []
    after = None
    while True:
        part = world.subscriptions.listing(TENANT).read_slice(after=after, descending=False, most=1_000)
        entries += part.entries
        after = part.end
        if after is None:
            return entries


def test_a_run_whose_execution_is_dead_goes_on_with_the_same_request(
    api: Client, world: World, runs: Runs, two_versions: list[Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_migration, "PAGE", 1)
    path = begin(api)
    with monkeypatch.context() as patch:
        Deaths(patch, DynamoSubscriptions, "save", [2])
        with pytest.raises(Killed):
            runs.execute()
    assert begin(api) == path
    world.clock.time += STALLED_AFTER + timedelta(seconds=1)
    shown = api.get(path).json
    assert (shown["status"], shown["reason"], shown["done"]) == ("failed", STALLED, 1)
    assert begin(api) == path
    (dead, alive) = runs.started.values()
    assert (dead["attempt"], alive["attempt"]) == (1, 2)
    # The one that was believed to be dead finds that it has nothing to do.
    assert workflow_migrate_subscriptions.handler(dead, None) == {"is_done": True, "is_waiting": False}
    assert workflow_end_migration.handler(dead, None) == {"status": "running", "is_done": True}
    runs.execute()
    done = api.get(path).json
    assert (done["status"], done["done"], "reason" in done) == ("done", 2, False)
    for customer_id in (ACME, GLOBEX):
        assert versions_of(world, customer_id) == [(1, "inactive"), (2, "active")]


def test_a_run_that_failed_says_so_and_another_plan_may_be_migrated(
    api: Client, world: World, runs: Runs, two_versions: list[Subscription]
) -> None:
    path = begin(api)

    def broken(_payload: Any, _context: Any) -> Any:
        raise Unavailable("The database is too busy; try again.", retry_after_seconds=1)

    with pytest.raises(MachineFailed):
        runs.execute(ListMigration=broken)
    shown = api.get(path).json
    assert (shown["status"], shown["reason"]) == ("failed", "The database is too busy; try again.")
    assert (shown["totalIsLowerBound"], "endedAt" in shown) == (True, True)
    world.plan(phase(flat("5")), key="other")
    other = api.post("/api/v1/plans/other/migrate-all", {"toVersion": 1})
    assert other.status == 202
    runs.execute()
    assert api.get(other.headers["location"]).json["status"] == "done"
    again = begin(api)
    assert again != path, "of several that failed, the last alone can go on"
    runs.execute()
    assert api.get(again).json["done"] == 2


@pytest.mark.parametrize("trouble", ["busy", "broken"])
def test_one_that_cannot_be_worked_off_is_tried_a_few_times_and_stops_nobody(
    api: Client,
    world: World,
    runs: Runs,
    two_versions: list[Subscription],
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save, tries, waits = DynamoSubscriptions.save, list[str](), list[int]()

    def troubled(store: Any, tenant: str, customer_id: str, *more: Any, **named: Any) -> None:
        if customer_id != ACME:
            return save(store, tenant, customer_id, *more, **named)
        tries.append(customer_id)
        if trouble == "busy":
            raise Unavailable("The database is too busy; try again.", retry_after_seconds=1)
        raise ZeroDivisionError(customer_id[::-1])

    monkeypatch.setattr(DynamoSubscriptions, "save", troubled)
    path = begin(api)
    runs.execute(wait=lambda: waits.append(1))
    assert (len(tries), len(waits)) == (MAX_TRIES, MAX_TRIES - 1)
    done = api.get(path).json
    assert (done["status"], done["done"], done["failed"]) == ("done", 1, 1)
    (failure,) = done["failures"]
    assert failure["code"] == ("unavailable" if trouble == "busy" else INTERNAL.code)
    assert ACME[::-1] not in json.dumps(done) + capsys.readouterr().out, "the text of an error may hold anything"
    assert versions_of(world, GLOBEX) == [(1, "inactive"), (2, "active")]
    monkeypatch.setattr(DynamoSubscriptions, "save", save)
    again = begin(api)
    runs.execute()
    assert (api.get(again).json["total"], versions_of(world, ACME)) == (1, [(1, "inactive"), (2, "active")])


def test_a_plan_that_changes_meanwhile_is_read_again(
    api: Client, world: World, runs: Runs, two_versions: list[Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, save, waits = begin(api), DynamoSubscriptions.save, list[int]()

    def overtaken(*args: Any, **more: Any) -> None:
        monkeypatch.setattr(DynamoSubscriptions, "save", save)
        assert api.post(f"{PLAN}/next").status == 201
        save(*args, **more)

    monkeypatch.setattr(DynamoSubscriptions, "save", overtaken)
    runs.execute(wait=lambda: waits.append(1))
    assert len(waits) == 1
    done = api.get(path).json
    assert (done["status"], done["done"], done["failed"]) == ("done", 2, 0)


def test_two_workers_at_once_migrate_nobody_twice(
    api: Client, world: World, runs: Runs, two_versions: list[Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, save, other = begin(api), DynamoPlanMigrations.save, list[Any]()
    (given,) = runs.started.values()
    workflow_list_migration.handler(given, None)

    def overtaken(store: Any, *args: Any) -> Any:
        monkeypatch.setattr(DynamoPlanMigrations, "save", save)
        other.append(workflow_migrate_subscriptions.handler(given, None))
        return save(store, *args)

    monkeypatch.setattr(DynamoPlanMigrations, "save", overtaken)
    with pytest.raises(Unavailable):
        workflow_migrate_subscriptions.handler(given, None)
    assert other == [{"is_done": True, "is_waiting": False}]
    runs.execute()
    done = api.get(path).json
    assert (done["status"], done["done"], done["failed"]) == ("done", 2, 0)
    for customer_id in (ACME, GLOBEX):
        assert versions_of(world, customer_id) == [(1, "inactive"), (2, "active")]


def test_versions_say_how_many_have_them(
    api: Client, world: World, runs: Runs, two_versions: list[Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    def counts() -> dict[int, dict[str, int]]:
        items = api.get(f"{PLAN}/versions").json["items"]
        return {each["version"]: each["subscriptions"] for each in items}

    nobody = {"active": 0, "scheduled": 0, "canceled": 0, "ended": 0}
    assert counts() == {1: nobody | {"active": 2}, 2: nobody}
    api.post(f"{SUBSCRIPTIONS}/{two_versions[0].id}/cancel", {"timing": "next_billing_cycle"})
    assert counts()[1] == nobody | {"active": 1, "canceled": 1}
    begin(api)
    runs.execute()
    assert counts() == {1: nobody | {"ended": 2}, 2: nobody | {"active": 1, "canceled": 1}}
    by_cursor = api.get(f"{PLAN}/versions", "limit=1").json
    assert [(each["version"], each["status"]) for each in by_cursor["items"]] == [(1, "archived")]
    assert "subscriptionsAreLowerBound" not in by_cursor["items"][0]
    monkeypatch.setattr(count_versions, "STRIDE", 2)
    for bound, least in (("MAX_COUNTED", 2), ("MAX_READS", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(count_versions, bound, least)
            latest = api.get(f"{PLAN}/versions").json["items"][-1]
        assert latest["subscriptions"] == nobody | {"active": 1, "canceled": 1}
        assert latest["subscriptionsAreLowerBound"] is True
    assert api.get("/api/v1/plans/none/versions").status == 404

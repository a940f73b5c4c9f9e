"""Payloads of a plan's migration: the steps of its workflow."""

from collections.abc import Iterator

from tests.replay.make_scenario import Made
from tests.replay.migration_seeds import MIGRATION
from tests.replay.world import TENANT

BEGUN = ["ledger", "subscription", "migration"]
LISTED = ["ledger", "subscription", "migration_listed"]
WORKED = ["ledger", "subscription", "migration_worked"]
DRY = ["ledger", "subscription", "dry_run_listed"]
WHO = {"tenant": TENANT, "migration_id": MIGRATION, "attempt": 1}
NOBODYS = WHO | {"migration_id": "01JBXR000000000N0M1GRAT10N"}


def scenarios() -> Iterator[Made]:
    listed = {"payload": {"is_done": True}}
    yield Made("workflow_list_migration", "happy", WHO, [listed], BEGUN)
    yield Made("workflow_list_migration", "duplicate", WHO, [listed, listed], BEGUN)
    yield Made("workflow_list_migration", "bad_input", NOBODYS, [listed], BEGUN)
    yield from work("workflow_migrate_subscriptions", LISTED)
    yield from work("workflow_preview_migration", DRY)
    yield from end()


def work(handler: str, seeds: list[str]) -> Iterator[Made]:
    done = {"payload": {"is_done": True, "is_waiting": False}}
    yield Made(handler, "happy", WHO, [done], seeds)
    yield Made(handler, "duplicate", WHO, [done, done], seeds)
    earlier = WHO | {"attempt": 0}
    yield Made(handler, "bad_input", earlier, [done], seeds)


def end() -> Iterator[Made]:
    done = {"payload": {"status": "done", "is_done": True}, "log": {"level": "INFO", "message": "migration ended"}}
    yield Made("workflow_end_migration", "happy", WHO, [done], WORKED)
    yield Made("workflow_end_migration", "duplicate", WHO, [done, done], WORKED)
    lost = {"payload": {"status": "failed", "is_done": False}, "log": {"level": "ERROR", "message": "migration ended"}}
    yield Made("workflow_end_migration", "not_worked_off", WHO, [lost], LISTED)
    failed = WHO | {"error": {"Error": "States.Timeout", "Cause": "A step took too long."}}
    yield Made("workflow_end_migration", "failed", failed, [lost], LISTED)
    nobody = {"payload": {"status": "unknown", "is_done": False}}
    yield Made("workflow_end_migration", "bad_input", NOBODYS, [nobody], LISTED)

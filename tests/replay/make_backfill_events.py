"""Payloads of a meter's backfill: the steps of its workflow."""

from collections.abc import Iterator

from functions.domain.metering.ledger.history import SPAN_SECONDS
from tests.replay.history_seeds import METER, RUN_ID
from tests.replay.make_scenario import AT, Made
from tests.replay.world import TENANT

SEEDS = ["ledger", "history"]
WHO = {"tenant": TENANT, "meter_id": METER, "run": 1}
SPAN = AT // SPAN_SECONDS
WORK = {"number": 0, "lane": 0, "span": SPAN, "last_span": SPAN, "until": 9, "after": 0}


def scenarios() -> Iterator[Made]:
    yield from queue()
    yield from plan()
    yield from fill()
    yield from end()


def queue() -> Iterator[Made]:
    asked = WHO | {"run_id": RUN_ID}
    its_turn = {"payload": {"has_place": True, "polls": 1}}
    yield Made("workflow_queue_backfill", "happy", asked, [its_turn], SEEDS)
    yield Made("workflow_queue_backfill", "duplicate", asked, [its_turn, its_turn], SEEDS)
    deleted = asked | {"meter_id": "01JBXR0000000000000N0METER", "queue": {"has_place": False, "polls": 3}}
    nothing_to_wait_for = {"payload": {"has_place": True, "polls": 4}}
    yield Made("workflow_queue_backfill", "bad_input", deleted, [nothing_to_wait_for], SEEDS)


def plan() -> Iterator[Made]:
    asked = WHO | {"run_id": RUN_ID}
    planned = {"payload": {"count": 2}}
    yield Made("workflow_plan_backfill", "happy", asked, [planned], SEEDS)
    yield Made("workflow_plan_backfill", "duplicate", asked, [planned, planned], SEEDS)
    older = asked | {"run_id": f"backfill-{METER}-0"}
    yield Made("workflow_plan_backfill", "bad_input", older, [{"payload": {"items": [], "count": 0}}], SEEDS)


def fill() -> Iterator[Made]:
    asked = WHO | {"work": WORK}
    done = {"payload": WHO | {"work": WORK | {"span": SPAN + 1}, "is_done": True}}
    yield Made("workflow_fill_history", "happy", asked, [done], SEEDS)
    yield Made("workflow_fill_history", "duplicate", asked, [done, done], SEEDS)
    deleted = asked | {"meter_id": "01JBXR0000000000000N0METER"}
    yield Made("workflow_fill_history", "bad_input", deleted, [{"payload": {"is_done": True}}], SEEDS)


def end() -> Iterator[Made]:
    done = {"payload": {"status": "done", "is_done": True}, "log": {"message": "backfill ended"}}
    yield Made("workflow_end_backfill", "happy", WHO, [done], SEEDS)
    yield Made("workflow_end_backfill", "duplicate", WHO, [done, done], SEEDS)
    failed = WHO | {"error": {"Error": "States.Timeout", "Cause": "A lane took too long."}}
    told = {"payload": {"status": "failed", "is_done": False}, "log": {"level": "ERROR"}}
    yield Made("workflow_end_backfill", "failed", failed, [told], SEEDS)
    unknown = WHO | {"meter_id": "01JBXR0000000000000N0METER"}
    nobody = {"payload": {"status": "unknown", "is_done": False}}
    yield Made("workflow_end_backfill", "bad_input", unknown, [nobody], SEEDS)

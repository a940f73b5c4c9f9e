"""Payloads of the schedule that entitles those who subscribed before there were entitlements."""

from collections.abc import Iterator

from tests.replay.make_scenario import Made, scheduled

HANDLER = "schedule_entitle"


def scenarios() -> Iterator[Made]:
    looked = {"payload": {"customers": 1, "failed": 0, "done": True}, "log": {"message": "customers entitled"}}
    nothing = {"payload": {"customers": 0, "entitled": 0, "failed": 0, "done": True}}
    noted = {"payload": {"customers": 0, "done": False}}
    yield Made(HANDLER, "happy", scheduled("Entitle"), [looked], ["ledger", "subscription", "settled"])
    yield Made(HANDLER, "duplicate", scheduled("Entitle"), [looked, nothing], ["ledger", "subscription", "settled"])
    yield Made(HANDLER, "first", scheduled("Entitle"), [noted, noted], ["ledger", "subscription"])
    # The schedule's input says nothing, so nothing in it can be wrong.
    yield Made(HANDLER, "bad_input", {"detail": 7}, [nothing], ["ledger", "settled"])

"""The heartbeat on the whole stack: a consumer that is switched off is an alarm before anybody misses usage."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions import names
from functions.handlers.metering import schedule_heartbeat
from functions.handlers.wiring import base, metering
from infra import stage
from infra.local import emulator
from infra.local.patience import wait_while_it_moves
from infra.local.state import LocalStack
from tests.infra.cloudwatch import Alarm, alarms, told

LANES = stage.local().lanes
FACTORIES = (base.aws, metering.event_stream, metering.heartbeats)


@dataclass
class Minutes:
    """The function of the heartbeat in this process, on the stack's stream and table, at a time of the test's own."""

    capsys: pytest.CaptureFixture[str]
    alarm: Alarm
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    readings: list[float | None] = field(default_factory=list)

    def now(self) -> datetime:
        return self.time

    def pass_by(self) -> str:
        self.time += timedelta(minutes=1)
        self.capsys.readouterr()
        schedule_heartbeat.handler({}, None)
        self.readings.append(self.alarm.reading(told(self.capsys.readouterr().out)))
        return self.alarm.state(self.readings)

    def counted(self) -> None:
        """Until the stack has counted the last one in every lane."""
        newest = dict.fromkeys(range(LANES), int(self.time.timestamp()))
        wait_while_it_moves(metering.heartbeats().counted, lambda counted: counted == newest, f"{newest}")


@pytest.fixture
def minutes(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Minutes]:
    environment = emulator.client_environment(stack.ports[emulator.NAME]) | {
        names.ENV_STAGE: "prod",
        names.ENV_LANES: str(LANES),
        names.ENV_USAGE_TABLE: stack.outputs["UsageTableName"],
        names.ENV_STREAM_NAME: stack.outputs["StreamName"],
    }
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    for each in FACTORIES:
        each.cache_clear()
    minutes = Minutes(capsys, alarms()["Heartbeat"])
    monkeypatch.setattr(base, "clock", lambda: minutes)
    yield minutes
    for each in FACTORIES:
        each.cache_clear()


@contextmanager
def switched_off(functions: Any, name: str) -> Iterator[None]:
    """The mapping from the stream to the function that counts; other tests wait meanwhile, and nothing is lost."""
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@contextmanager
def schedule_stopped(scheduler: Any) -> Iterator[None]:
    """The stack's own heartbeats are of another time than the test's."""
    found = [each["Name"] for each in scheduler.list_schedules()["Schedules"] if "HeartbeatRate" in each["Name"]]
    (schedule,) = [scheduler.get_schedule(Name=name) for name in found]
    kept = {each: schedule[each] for each in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    scheduler.update_schedule(**kept, State="DISABLED")
    try:
        yield
    finally:
        scheduler.update_schedule(**kept, State="ENABLED")


def test_a_consumer_that_is_switched_off_is_an_alarm_within_five_minutes(stack: LocalStack, minutes: Minutes) -> None:
    port, counting = stack.ports[emulator.NAME], stack.outputs["StreamAggregateFunctionName"]
    with schedule_stopped(emulator.client("scheduler", port)):
        for _ in range(minutes.alarm.periods + 1):
            minutes.pass_by()
            minutes.counted()
        assert minutes.pass_by() == "OK"
        minutes.counted()
        with switched_off(emulator.client("lambda", port), counting):
            states = [minutes.pass_by() for _ in range(5)]
        assert (states[0], states[-1]) == ("OK", "ALARM")
        minutes.counted()
        minutes.pass_by()
        assert minutes.readings[-1] == 60


def test_the_function_may_do_what_it_does_and_knows_no_secret(stack: LocalStack) -> None:
    """IAM is enforced: it reads one item, and puts one record into each lane."""
    functions = emulator.client("lambda", stack.ports[emulator.NAME])
    name = stack.outputs["ScheduleHeartbeatFunctionName"]
    answer = functions.invoke(FunctionName=name, Payload=b"{}")
    body = answer["Payload"].read()
    assert "FunctionError" not in answer, body
    assert json.loads(body)["lanes"] == LANES

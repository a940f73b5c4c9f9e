"""A heartbeat a minute through the stream: its age is told also when nobody counts."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions import names
from functions.adapters.dynamo.metering.heartbeat_store import DynamoHeartbeats
from functions.domain.metering.values.event import HEARTBEAT, CloseMarker
from functions.handlers import settings
from functions.handlers.metering import schedule_heartbeat
from functions.handlers.wiring import base, metering
from tests.conftest import DynamoDb
from tests.grants import watching
from tests.handlers.metering.world import LANES, Metering
from tests.infra.cloudwatch import Alarm, alarms, told

START = datetime.now(UTC).replace(microsecond=0)
EVENT = {"specversion": "1.0", "id": "1", "source": "s", "type": "call", "subject": "c"}


@dataclass
class Minutes:
    """The deployment, minute by minute; `is_counting` says whether anybody reads the stream."""

    metering: Metering
    alarm: Alarm
    capsys: pytest.CaptureFixture[str]
    time: datetime = START
    is_counting: bool = True
    readings: list[float | None] = field(default_factory=list)
    answer: object = None

    def now(self) -> datetime:
        return self.time

    def pass_by(self, minutes: int = 1) -> None:
        for _ in range(minutes):
            self.time += timedelta(minutes=1)
            self.answer = schedule_heartbeat.handler({}, None)
            self.readings.append(self.alarm.reading(self.lines()))
            if self.is_counting:
                self.metering.aggregate()

    def lines(self) -> list[dict[str, Any]]:
        """What was told since this was asked last."""
        return told(self.capsys.readouterr().out)

    @property
    def state(self) -> str:
        return self.alarm.state(self.readings)


@pytest.fixture
def minutes(dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Minutes:
    minutes = Minutes(Metering(dynamodb, monkeypatch), alarms()["Heartbeat"], capsys)
    store = DynamoHeartbeats(dynamodb.client, dynamodb.usage_table)
    monkeypatch.setattr(metering, "heartbeats", lambda: store)
    monkeypatch.setattr(base, "clock", lambda: minutes)
    monkeypatch.setattr(settings, "lanes", lambda: LANES.count)
    monkeypatch.setenv(names.ENV_STAGE, "prod")
    return minutes


def test_what_is_counted_is_a_minute_old_when_it_is_looked_at(minutes: Minutes) -> None:
    minutes.pass_by(3)
    assert minutes.readings == [None, 60, 60]
    assert minutes.answer == {"age": 60, "lanes": LANES.count}


def test_every_lane_gets_its_own(minutes: Minutes) -> None:
    minutes.is_counting = False
    minutes.pass_by()
    at = int(minutes.time.timestamp())
    assert minutes.metering.stream.records == [CloseMarker(lane, HEARTBEAT, at) for lane in range(LANES.count)]


def test_a_dead_consumer_is_an_alarm_within_five_minutes_and_none_once_it_counts_again(minutes: Minutes) -> None:
    minutes.pass_by(10)
    assert minutes.state == "OK"
    minutes.is_counting = False
    states = []
    for _ in range(5):
        minutes.pass_by()
        states.append(minutes.state)
    assert states == ["OK", "OK", "OK", "ALARM", "ALARM"]
    minutes.is_counting = True
    minutes.pass_by(4)
    assert (minutes.readings[-3:], minutes.state) == ([60, 60, 60], "OK")


def test_one_dead_lane_is_enough(minutes: Minutes) -> None:
    minutes.pass_by(5)
    minutes.is_counting = False
    for _ in range(4):
        minutes.pass_by()
        stream = minutes.metering.stream
        stream.records = [each for each in stream.records if each.lane]
        minutes.metering.aggregate()
    assert minutes.state == "ALARM"


def test_a_consumer_that_never_lived_is_an_alarm(minutes: Minutes) -> None:
    """No age can be told before every lane has counted one, and no data is an alarm."""
    minutes.is_counting = False
    minutes.pass_by(3)
    assert minutes.readings == [None] * 3
    assert minutes.state == "ALARM"


def test_a_schedule_that_does_not_run_is_an_alarm_and_a_minute_without_it_is_none(minutes: Minutes) -> None:
    minutes.pass_by(10)
    minutes.readings.append(None)
    assert minutes.state == "OK"
    minutes.readings += [None, None]
    assert minutes.state == "ALARM"


def test_a_tick_that_comes_as_late_as_the_scheduler_may_is_no_alarm(minutes: Minutes) -> None:
    minutes.pass_by(5)
    minutes.time += timedelta(seconds=59)
    minutes.pass_by()
    assert (minutes.readings[-1], minutes.state) == (119, "OK")


def test_counting_does_not_wait_for_the_note(minutes: Minutes, dynamodb: DynamoDb) -> None:
    """What is delivered again for it would be counted all the same; the age tells."""
    minutes.pass_by()
    minutes.is_counting = False
    minutes.pass_by()
    dynamodb.client.delete_table(TableName=dynamodb.usage_table)
    assert minutes.metering.aggregate() == {"batchItemFailures": []}
    (line,) = minutes.lines()
    assert (line["level"], line["aws_code"]) == ("ERROR", "ResourceNotFoundException")
    watching.refused.clear()  # a table that is not there is one that nobody may use


def test_a_delivery_of_heartbeats_alone_is_not_told(minutes: Minutes) -> None:
    """Three metrics of each stage would be billed for every hour of zeros."""
    minutes.pass_by()
    assert minutes.lines() == []
    minutes.metering.ingest([EVENT])
    minutes.pass_by()
    assert [line["EventsAccepted"] for line in minutes.lines()] == [1]

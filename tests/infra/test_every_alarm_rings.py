"""Every alarm rings: ours at the lines our functions print in trouble, those of AWS at metrics that AWS documents."""

from collections.abc import Iterator

import pytest

from functions import names
from functions.handlers.wiring import base
from infra.stacks.api import ENTITLE_EVERY_MINUTES
from infra.stacks.billing import LOOK_FOR_DUE_EVERY_MINUTES, RECONCILE_EVERY_MINUTES
from infra.stacks.ingestion import AUDIT_EVERY_MINUTES, HEARTBEAT_EVERY_MINUTES, SWEEP_EVERY_MINUTES
from tests.conftest import DynamoDb
from tests.infra.cloudwatch import alarms, told
from tests.infra.documented_metrics import DOCUMENTED
from tests.infra.troubles import TROUBLES, Place

OURS = sorted(name for name, alarm in alarms().items() if alarm.namespace == names.METRIC_NAMESPACE)
# What a schedule calls, every so many minutes.
SPEAKING = {
    "Heartbeat": HEARTBEAT_EVERY_MINUTES,
    "SweepErrors": 2 * SWEEP_EVERY_MINUTES,
    "AuditErrors": 2 * AUDIT_EVERY_MINUTES,
    "BillingSchedule": 2 * LOOK_FOR_DUE_EVERY_MINUTES,
    "EntitlementBackfill": 2 * ENTITLE_EVERY_MINUTES,
    "Reconciliation": 2 * RECONCILE_EVERY_MINUTES,
}
OF_AWS = sorted(alarms().keys() - set(OURS))


@pytest.fixture
def place(dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv(names.ENV_STAGE, "prod")
    kept = (base._database, base.aws, base.billing_table)
    for each in kept:
        each.cache_clear()
    yield Place(dynamodb, monkeypatch)
    for each in kept:
        each.cache_clear()


def test_there_is_a_trouble_for_every_alarm_of_ours() -> None:
    assert sorted(TROUBLES) == OURS


@pytest.mark.parametrize("name", OURS)
def test_ours_ring_when_the_trouble_is_there_and_not_before(
    name: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    alarm = alarms()[name]
    TROUBLES[name](place)
    reading = alarm.reading(told(capsys.readouterr().out))
    assert reading is not None, "nothing was told with this namespace, name and dimensions"
    assert alarm.state([0.0] * alarm.periods) == "OK"
    assert alarm.state([reading] * alarm.periods) == "ALARM"


@pytest.mark.parametrize("name", OF_AWS)
def test_those_of_aws_look_at_a_series_that_aws_sends(name: str) -> None:
    alarm = alarms()[name]
    title, dimensions, statistic = DOCUMENTED[alarm.namespace, alarm.metric]
    assert tuple(dimension for dimension, _ in alarm.dimensions) == dimensions, title
    assert alarm.statistic == statistic, title


@pytest.mark.parametrize("name", sorted(alarms()))
def test_an_alarm_rings_above_its_limit_and_not_at_it(name: str) -> None:
    alarm = alarms()[name]
    before = [0.0] * alarm.periods
    assert alarm.state([*before, *[alarm.above] * alarm.periods]) == "OK"
    above = [alarm.above + 1] * alarm.datapoints
    assert alarm.state([*before, *above]) == "ALARM"
    assert alarm.state([*before, *above[1:]]) == "OK"
    assert alarm.state([*above, *before]) == "OK"


@pytest.mark.parametrize("name", sorted(alarms()))
def test_silence_rings_where_somebody_should_be_speaking(name: str) -> None:
    alarm = alarms()[name]
    silence = alarm.state([None] * (alarm.periods + 2))
    assert silence == ("ALARM" if name in SPEAKING else "OK")


@pytest.mark.parametrize("name", sorted(SPEAKING))
def test_a_schedule_speaks_at_least_once_in_every_period_of_its_alarm(name: str) -> None:
    assert alarms()[name].period_seconds % 60 == 0
    assert alarms()[name].period_seconds >= SPEAKING[name] * 60

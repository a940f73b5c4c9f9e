"""The sweep finishes what dead writers left, in every lane where that is possible."""

import pytest

from functions import names
from functions.handlers import settings
from functions.handlers.metering import schedule_sweep
from functions.handlers.wiring import metering
from tests.application.metering.ledger.test_poison import Broken, subjects
from tests.application.metering.ledger.test_usage import LANES, NOW, event
from tests.writing import write_only


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Broken:
    """One commit in each lane, applied by a writer that did not come to raise the heads."""
    deployment = Broken()
    deployment.send([event(f"e{n}", NOW, subject, n=1) for n, subject in enumerate(subjects())])
    write_only(deployment.writer, deployment.stream.records)
    sweeper = deployment.new_writer()
    monkeypatch.setattr(metering, "ledger", lambda: deployment.ledger)
    monkeypatch.setattr(metering, "lane_writer", lambda: sweeper)
    monkeypatch.setattr(settings, "lanes", lambda: LANES.count)
    return deployment


def test_every_lane_that_is_behind_is_helped(deployment: Broken) -> None:
    assert schedule_sweep.handler({}, None) == {"lanes": LANES.count, "helped": LANES.count}
    assert [deployment.ledger.head(lane) for lane in range(LANES.count)] == [1] * LANES.count
    assert schedule_sweep.handler({}, None) == {"lanes": LANES.count, "helped": 0}


def test_a_lane_that_cannot_be_helped_is_told_once_the_others_are(
    deployment: Broken, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.ledger.unreadable = frozenset([0])
    with pytest.raises(RuntimeError, match=r"The pages of lanes \[0\] cannot be written"):
        schedule_sweep.handler({}, None)
    assert [deployment.ledger.head(lane) for lane in range(LANES.count)] == [0] + [1] * (LANES.count - 1)
    assert names.METRIC_LANE_LAG in capsys.readouterr().out

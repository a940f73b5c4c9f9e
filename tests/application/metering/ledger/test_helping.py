"""A process that only helps, again and again, beside the one that writes."""

import pytest

from functions.domain.metering.cells import pages
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter, MeterSet
from tests.application.metering.ledger.test_usage import LANES, NOW, Deployment, event
from tests.writing import write_only

USERS = Meter("m1", "users", "call", Aggregation.UNIQUE_COUNT, "$.user", {"model": "$.model"}, since=1)
CALLS = Meter("m2", "calls", "call", Aggregation.COUNT, None, {"model": "$.model"}, since=1)


def test_a_helper_that_saw_the_pages_long_ago_takes_no_distinct_value_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "WINDOW_BYTES", 52)  # two groups of two values
    deployment, lane = Deployment(MeterSet(1, (USERS, CALLS))), LANES.lane_of("t", "c1")
    sweeper, users = deployment.new_writer(), iter(range(1_000))

    def commit(*models: str) -> None:
        """Applied, but the lane's head does not say so yet."""
        deployment.send(
            [event(f"e{n}", NOW, user=f"u{n}", model=model) for model, n in zip(models, users, strict=False)]
        )
        write_only(deployment.writer, deployment.stream.records)
        deployment.stream.records = []

    commit("a", "b")
    sweeper.help(lane)
    commit("a", "b")
    deployment.writer.end_invocation()
    commit("a", *"bbbbb")
    sweeper.help(lane)
    rows = {row.group_by["model"]: row.value for row in deployment.ask(USERS, group_by=("model",))}
    assert rows == {"a": 3, "b": 7}

"""Every payload under events/ runs in the built asset as it would in Lambda, and comes out as its sidecar says."""

from pathlib import Path

import pytest

from functions import names
from tests.grants.replayed import recording_in, refusals
from tests.replay import seeds
from tests.replay.rie import Invocation, running_function
from tests.replay.scenario import EVENTS, Answer, Scenario, differences, log_lines, scenarios
from tests.replay.world import World

REQUIRED = ("happy", "duplicate", "bad_input")


@pytest.mark.parametrize("scenario", scenarios(), ids=str)
def test_the_payload_comes_out_as_its_sidecar_says(
    scenario: Scenario, assets: dict[str, Path], world: World, tmp_path: Path
) -> None:
    event = scenario.event
    for name in scenario.seeds:
        event = seeds.SEEDS[name](world, event)
    asset, handler = names.HANDLERS[scenario.handler]
    needs = tmp_path / "needs"
    with running_function(assets[asset], handler, world.environment | recording_in(needs)) as function:
        for answer in scenario.answers:
            check(function.invoke(event), answer)
            if answer.told is not None:
                assert not differences(answer.told, world.cloudformation.answers[-1])
    assert refusals(needs) == []
    assert needs.read_text() or scenario.name != "happy", "nothing was written down"


def check(invocation: Invocation, expected: Answer) -> None:
    payload = invocation.payload
    failed = isinstance(payload, dict) and "errorType" in payload
    assert not failed, f"The function raised: {payload}\n{invocation.log}"
    if expected.payload is not ...:
        assert not (found := differences(expected.payload, payload)), f"{found}\n{invocation.log}"
    if expected.log is not None:
        lines = log_lines(invocation.log)
        assert any(not differences(expected.log, line) for line in lines), (
            f"No line has {expected.log}:\n{invocation.log}"
        )


@pytest.mark.parametrize("handler", names.HANDLERS)
def test_every_handler_has_its_scenarios(handler: str) -> None:
    there = {scenario.name for scenario in scenarios() if scenario.handler == handler}
    assert there >= set(REQUIRED)


def test_every_folder_of_events_belongs_to_a_handler() -> None:
    assert {folder.name for folder in EVENTS.iterdir() if folder.is_dir()} == set(names.HANDLERS)


def test_a_duplicate_is_delivered_at_least_twice() -> None:
    once = [str(each) for each in scenarios() if each.name == "duplicate" and len(each.answers) < 2]
    assert once == []

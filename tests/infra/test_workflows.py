"""What Step Functions refuses of a state machine, and emulators take."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.local.paths import REPOSITORY

MACHINES = sorted((REPOSITORY / "infra" / "workflows").glob("*.asl.json"))
MAX_NAME = 80  # https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html

States = Mapping[str, Mapping[str, Any]]


def scopes(machine: Mapping[str, Any]) -> Iterator[tuple[str, States]]:
    """Where each begins and its states: of the machine, of its maps and branches, however deep they are."""
    yield machine["StartAt"], machine["States"]
    for state in machine["States"].values():
        inner = [state[name] for name in ("ItemProcessor", "Iterator") if name in state]
        for each in [*inner, *state.get("Branches", [])]:
            yield from scopes(each)


def targets(state: Mapping[str, Any]) -> Iterator[str]:
    for each in (state, *state.get("Choices", []), *state.get("Catch", [])):
        yield from (each[name] for name in ("Next", "Default") if name in each)


def test_logs_that_services_deliver_have_the_prefix_that_needs_no_policy(each_stage: Any):
    """The policy of log delivery ends at 5,120 characters for the whole account."""
    groups = [each["Properties"] for each in each_stage.all("AWS::Logs::LogGroup").values()]
    named = [json.dumps(each["LogGroupName"]) for each in groups if "LogGroupName" in each]
    assert len(named) == len(MACHINES) + 1, "the workflows' and the access log of the API"
    assert all("/aws/vendedlogs/" in name for name in named)


@pytest.fixture(params=MACHINES, ids=lambda path: path.name)
def machine(request: pytest.FixtureRequest) -> Any:
    return json.loads(request.param.read_text())


def test_every_machine_is_looked_at():
    assert {path.name for path in MACHINES} == {"backfill.asl.json", "billing.asl.json", "migration.asl.json"}


def test_no_two_states_of_a_machine_have_one_name(machine: Mapping[str, Any]):
    """Also of its maps: names are unique within the whole machine."""
    names = Counter(name for _, states in scopes(machine) for name in states)

    assert [name for name, times in names.items() if times > 1 or len(name) > MAX_NAME] == []


def test_every_transition_leads_to_a_state_beside_it_and_every_state_can_be_reached(machine: Mapping[str, Any]):
    for start, states in scopes(machine):
        reached = {start, *(target for state in states.values() for target in targets(state))}
        assert reached == set(states)


def test_every_state_ends_or_goes_on(machine: Mapping[str, Any]):
    for _, states in scopes(machine):
        for name, state in states.items():
            terminal = state["Type"] in ("Succeed", "Fail")
            assert terminal + ("Next" in state) + bool(state.get("End")) + (state["Type"] == "Choice") == 1, name

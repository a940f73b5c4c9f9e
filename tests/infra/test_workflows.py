"""What Step Functions refuses of a state machine and emulators take; asl-validator finds all but ways out of a map."""

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.local import paths

MACHINES = sorted((paths.REPOSITORY / "infra" / "workflows").glob("*.asl.json"))
BACKFILL = paths.REPOSITORY / "infra" / "workflows" / "backfill.asl.json"
VALIDATOR = paths.NODE_TOOLS / "node_modules" / ".bin" / "asl-validator"
ACCEPTED = re.compile(r'^✓ State machine definition "(.+)" is valid$', re.MULTILINE)
REFUSED = re.compile(r'^✕ State machine definition "(.+)" is invalid:$', re.MULTILINE)

States = dict[str, Any]


def verdicts(files: Iterable[Path]) -> dict[Path, str]:
    """What the validator has against each file; an empty text of those it takes."""
    asked = [str(file) for file in files]
    words = [word for file in asked for word in ("--json-path", file)]
    ran = subprocess.run([VALIDATOR, *words], capture_output=True, text=True, check=False)
    _, *refused = REFUSED.split(ran.stderr)
    told = dict.fromkeys(ACCEPTED.findall(ran.stdout), "") | dict(zip(refused[::2], refused[1::2], strict=True))
    assert sorted(told) == sorted(asked), ran.stderr
    return {Path(file): reasons.strip() for file, reasons in told.items()}


def second_of_a_name(states: States) -> None:
    _rename(_map(states), "PieceFilled", "Filled")


def too_long_a_name(states: States) -> None:
    _rename(_map(states), "PieceFilled", "P" * 81)


def next_to_nowhere(states: States) -> None:
    _map(states)["States"]["FillHistory"]["Next"] = "Nowhere"


def caught_to_nowhere(states: States) -> None:
    states["QueueBackfill"]["Catch"][0]["Next"] = "Nowhere"


def chosen_to_nowhere(states: States) -> None:
    states["HasPlace"]["Default"] = "Nowhere"


def without_end(states: States) -> None:
    del _map(states)["States"]["PieceFilled"]["End"]


def never_reached(states: States) -> None:
    states["Lonely"] = {"Type": "Pass", "End": True}


def no_path(states: States) -> None:
    states["QueueBackfill"]["ResultPath"] = "$..queue"


def no_jsonata(states: States) -> None:
    in_jsonata(states)
    states["Filled"]["Output"] = "{% $states.input. %}"


def in_jsonata(states: States) -> None:
    """One state in JSONata, in a machine whose other states are in JSONPath."""
    states["Filled"] = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input.end %}", "End": True}


FAULTS: Mapping[Callable[[States], None], str] = {
    second_of_a_name: "DUPLICATE_STATE_NAMES: A state with this name already exists: Filled",
    too_long_a_name: "SCHEMA_VALIDATION_FAILED",
    next_to_nowhere: "'StartAt'|'Next'|'Default' target: Nowhere",
    caught_to_nowhere: "'StartAt'|'Next'|'Default' target: Nowhere",
    chosen_to_nowhere: "'StartAt'|'Next'|'Default' target: Nowhere",
    without_end: 'State "PieceFilled" MUST contain exactly one of "End", "Next"',
    never_reached: "State Lonely is not reachable",
    no_path: "ResultPath is invalid",
    no_jsonata: "Output is invalid",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The verdicts on our machines and on those with a fault, by the file's name."""
    folder = tmp_path_factory.mktemp("machines")
    for change in (*FAULTS, in_jsonata):
        machine = json.loads(BACKFILL.read_text())
        change(machine["States"])
        (folder / change.__name__).write_text(json.dumps(machine))
    return {file.name: reasons for file, reasons in verdicts([*MACHINES, *folder.iterdir()]).items()}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda file: file.name)
def test_step_functions_would_take_the_machine(told: Mapping[str, str], machine: Path) -> None:
    assert told[machine.name] == ""


def test_every_machine_is_looked_at() -> None:
    assert {path.name for path in MACHINES} == {"backfill.asl.json", "billing.asl.json", "migration.asl.json"}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(told: Mapping[str, str], fault: Callable[[States], None]) -> None:
    assert FAULTS[fault] in told[fault.__name__]


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


def astray(machine: Mapping[str, Any]) -> set[str]:
    """Where transitions lead that is not beside them; the validator asks only whether it is anywhere."""
    return {
        target
        for start, states in scopes(machine)
        for target in (start, *(target for state in states.values() for target in targets(state)))
        if target not in states
    }


@pytest.mark.parametrize("machine", MACHINES, ids=lambda file: file.name)
def test_every_transition_leads_to_a_state_beside_it(machine: Path) -> None:
    assert astray(json.loads(machine.read_text())) == set()


def test_a_way_out_of_a_map_is_found() -> None:
    machine = json.loads(BACKFILL.read_text())
    _map(machine["States"])["States"]["IsAnythingLeft"]["Default"] = "WorkLost"

    assert astray(machine) == {"WorkLost"}


def test_one_state_may_be_in_jsonata(told: Mapping[str, str]) -> None:
    assert told["in_jsonata"] == ""


def test_logs_that_services_deliver_have_the_prefix_that_needs_no_policy(each_stage: Any) -> None:
    """The policy of log delivery ends at 5,120 characters for the whole account."""
    groups = [each["Properties"] for each in each_stage.all("AWS::Logs::LogGroup").values()]
    named = [json.dumps(each["LogGroupName"]) for each in groups if "LogGroupName" in each]
    assert len(named) == len(MACHINES) + 1, "the workflows' and the access log of the API"
    assert all("/aws/vendedlogs/" in name for name in named)


def _map(states: States) -> Any:
    return states["FillLanes"]["ItemProcessor"]


def _rename(machine: Any, name: str, other: str) -> None:
    renamed = json.dumps(machine["States"]).replace(f'"{name}"', f'"{other}"')
    machine["States"] = json.loads(renamed)


PASSING = {
    *("Unavailable", "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"),
    *("Lambda.TooManyRequestsException", "Lambda.ClientExecutionTimeoutException", "States.Timeout"),
}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda file: file.name)
def test_every_task_is_tried_again_after_every_error_that_passes(machine: Path) -> None:
    tasks = [state for state in _every_state(json.loads(machine.read_text())) if state["Type"] == "Task"]
    assert tasks
    for task in tasks:
        retried = {name for each in task["Retry"] for name in each["ErrorEquals"]}
        assert "States.ALL" in retried or retried >= PASSING, task["Resource"]


def _every_state(machine: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for state in machine["States"].values():
        yield state
        if "ItemProcessor" in state:
            yield from _every_state(state["ItemProcessor"])

"""Ports: the configured one or a free one, and a sentence when that cannot be."""

import socket
from collections.abc import Callable

import pytest

from infra.local import processes, up
from infra.local.failure import StepFailed
from infra.local.front_door import NAME as FRONT_DOOR
from infra.local.ports import LOOPBACK, configured_or_free, is_free, unheeded
from infra.local.processes import Process


def test_without_configuration_any_free_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOLLBOOTH_PORT", raising=False)
    assert is_free(configured_or_free("TOLLBOOTH_PORT"))


def test_a_taken_port_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("TOLLBOOTH_PORT", str(port))
        with pytest.raises(StepFailed) as failure:
            configured_or_free("TOLLBOOTH_PORT")
    assert str(port) in failure.value.reason
    assert "TOLLBOOTH_PORT=<port>" in failure.value.remedy


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "80.5"])
def test_a_port_that_is_no_port_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TOLLBOOTH_PORT", text)
    with pytest.raises(StepFailed, match="is not a port"):
        configured_or_free("TOLLBOOTH_PORT")


@pytest.mark.parametrize("text", ["8081", "http"])
def test_a_running_program_keeps_its_port_and_says_so(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TOLLBOOTH_PORT", text)
    sentence = unheeded("TOLLBOOTH_PORT", 8080)
    assert sentence is not None
    assert f"TOLLBOOTH_PORT={text}" in sentence
    assert "keeps port 8080" in sentence
    assert "`make down` first" in sentence


@pytest.mark.parametrize("text", [None, "", "8080", "08080"])
def test_nothing_is_said_when_the_port_is_the_one_asked_for(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    monkeypatch.delenv("TOLLBOOTH_PORT", raising=False)
    if text is not None:
        monkeypatch.setenv("TOLLBOOTH_PORT", text)
    assert unheeded("TOLLBOOTH_PORT", 8080) is None


def test_up_says_of_each_of_the_three_that_it_keeps_its_port(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def running(name: str) -> Process:
        return Process(name, 1, "as it was", 8080)

    def start_front_door(_target: str, _choose_port: Callable[[], int]) -> Process:
        return running(FRONT_DOOR)

    monkeypatch.setattr(processes, "running", running)
    monkeypatch.setattr(up, "start_front_door", start_front_door)
    variables = ("TOLLBOOTH_EMULATOR_PORT", "TOLLBOOTH_STRIPE_PORT", "TOLLBOOTH_PORT")
    for variable in variables:
        monkeypatch.setenv(variable, "8081")
    aws, _ = up.start_neighbours()
    up.open_front_door(aws, {"ApiId": "a"})
    printed = capsys.readouterr().out
    assert [each for each in variables if f"{each}=8081 changes nothing" in printed] == list(variables)

"""Ports: the configured one or a free one, and a sentence when that cannot be."""

import socket

import pytest

from infra.local.failure import StepFailed
from infra.local.ports import LOOPBACK, configured_or_free, is_free


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

"""`make doctor` of a stage that is deployed."""

from pathlib import Path

import pytest

from infra.local import emulator
from infra.local.doctor import __main__ as doctor
from infra.local.state import LocalStack


def test_what_runs_is_an_update_that_would_not_fail(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in emulator.client_environment(stack.ports[emulator.NAME]).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["doctor", "--assembly", str(Path(stack.home) / "cdk.out")])
    assert doctor.main() == 0
    shown = capsys.readouterr().out
    assert "All 7 are there: this is an update." in shown
    assert "Go on with `make deploy STAGE=local`." in shown

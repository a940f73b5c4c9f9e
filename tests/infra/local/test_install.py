"""What is said before anything is installed, and which Python the environments have."""

import sys
from pathlib import Path

import pytest

from infra.local import install, paths, state

OURS = ".".join(map(str, sys.version_info[:3]))


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "DEV_ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(install, "_runs", lambda _python: True)


def environment(folder: Path, version: str) -> Path:
    folder.mkdir()
    (folder / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {version}\n")
    return folder


def test_who_names_another_python_is_told_that_the_old_one_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "install", lambda **_: None)
    monkeypatch.setattr("sys.argv", ["install", "--named"])
    assert install.main() == 0 and capsys.readouterr().out == ""
    environment(paths.DEV_ENVIRONMENT, "3.10.2")
    assert install.main() == 0
    said = capsys.readouterr().out
    assert "Python 3.10.2 and stays so" in said and "rm -rf .venv" in said and OURS in said


def test_the_same_python_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    environment(paths.DEV_ENVIRONMENT, OURS)
    install.note_other_python()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("version", "is_kept"), [("3.12.1", True), ("3.11.7", False)])
def test_functions_run_in_the_python_they_are_built_for(tmp_path: Path, version: str, is_kept: bool) -> None:
    environment(paths.DEV_ENVIRONMENT, "3.12.1")
    emulator = environment(tmp_path / "emulator", version)
    install._create_environment_like_development(emulator)
    assert emulator.exists() is is_kept


def test_that_no_stack_runs_is_said_without_anything_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOLLBOOTH_HOME", str(tmp_path))
    assert state.main() == 1
    assert "No local stack is running here" in capsys.readouterr().err

"""What is missing on a machine is named, with the way to get it."""

import sys
from pathlib import Path

import pytest

from infra.local import commands, toolchain
from infra.local.commands import run_logged
from infra.local.failure import StepFailed


def program(folder: Path, name: str, says: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing is installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_a_missing_node_is_named(empty_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"Node\.js or npm was not found") as failure:
        toolchain.check_node()
    assert "Install Node.js 20" in failure.value.remedy


def test_an_old_node_is_named(empty_path: Path) -> None:
    program(empty_path, "npm", "10.0.0")
    program(empty_path, "node", "v18.19.1")
    with pytest.raises(StepFailed, match=r"Node\.js 18 is too old"):
        toolchain.check_node()


@pytest.mark.parametrize("version", ["v20.0.0", "v24.1.0"])
def test_a_node_that_is_new_enough_passes(empty_path: Path, version: str) -> None:
    program(empty_path, "npm", "10.0.0")
    program(empty_path, "node", version)
    toolchain.check_node()
    assert toolchain.OLDEST_NODE == 20


def test_a_missing_java_is_named(empty_path: Path) -> None:
    with pytest.raises(StepFailed, match="Java was not found") as failure:
        toolchain.check_java()
    assert "openjdk-17" in failure.value.remedy


def test_an_old_java_is_named(empty_path: Path) -> None:
    program(empty_path, "java", 'openjdk version "11.0.2" 2019-01-15')
    with pytest.raises(StepFailed, match="Java 11 is too old"):
        toolchain.check_java()


@pytest.mark.parametrize("version", [(3, 10, 1), (3, 14, 0)])
def test_another_python_is_named(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(StepFailed, match=r"Tollbooth needs 3\.11, 3\.12 or 3\.13") as failure:
        toolchain.check_python()
    assert "make PYTHON=" in failure.value.remedy


def test_a_failed_tool_shows_the_end_of_its_log_and_the_remedy(tmp_path: Path) -> None:
    log = tmp_path / "install.log"
    with pytest.raises(StepFailed) as failure:
        run_logged(
            ["sh", "-c", "echo no route to host; exit 7"], log=log, what="npm install", remedy="Check the network."
        )
    assert "npm install failed (exit code 7)" in failure.value.reason
    assert "no route to host" in failure.value.reason
    assert failure.value.remedy == "Check the network."


def test_a_tool_that_never_ends_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="said and did nothing for 0 s"):
        run_logged(["sleep", "5"], log=tmp_path / "log", what="pip", remedy="", idle_seconds=0.2)


def test_a_tool_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="no-such-tool was not found"):
        run_logged(["no-such-tool"], log=tmp_path / "log", what="Deploying", remedy="")
    assert "$ no-such-tool" in commands.end_of(tmp_path / "log")

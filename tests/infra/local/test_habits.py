"""What hooks, continuous integration and documents tell people to run is there, on the Pythons that are promised."""

import re
import tomllib
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from infra.local import toolchain
from infra.local.paths import REPOSITORY

MAKEFILE = (REPOSITORY / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
DOCUMENTS = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", ".github/PULL_REQUEST_TEMPLATE.md")


def loaded(path: str) -> Any:
    return yaml.safe_load((REPOSITORY / path).read_text())


def jobs() -> dict[str, Any]:
    found: dict[str, Any] = loaded(".github/workflows/ci.yml")["jobs"]
    return found


def runs() -> list[str]:
    return [step["run"] for job in jobs().values() for step in job["steps"] if "run" in step]


def entries() -> list[str]:
    return [hook["entry"] for repo in loaded(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]


def target_of(command: str) -> str:
    """The one target that a command makes; it may give variables, and do nothing else."""
    found = re.fullmatch(r"make ([a-z-]+)(?: [A-Z]+=\S+)*", command)
    assert found, f"{command!r} does something else than make one target"
    return found[1]


def test_continuous_integration_makes_targets_that_exist_and_does_nothing_else() -> None:
    assert {target_of(run) for run in runs()} == {"check", "test"}
    assert {"check", "test"} <= TARGETS


def test_hooks_make_targets_that_exist_and_do_nothing_else() -> None:
    assert {target_of(entry) for entry in entries()} == {"unit", "check"}
    assert {"unit", "check"} <= TARGETS


@pytest.mark.parametrize("command", ["make check && curl example.com", "pytest", "make check; true", "make"])
def test_another_command_is_found(command: str) -> None:
    with pytest.raises(AssertionError, match="does something else"):
        target_of(command)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_names_targets_that_exist(path: str) -> None:
    named = set(re.findall(r"`make ([a-z-]+)", (REPOSITORY / path).read_text()))
    assert named <= TARGETS


def promised() -> list[str]:
    return [f"3.{minor}" for minor in range(toolchain.OLDEST_PYTHON[1], toolchain.NEWEST_PYTHON[1] + 1)]


def test_every_promised_python_is_checked() -> None:
    assert jobs()["check"]["strategy"]["matrix"]["python"] == promised()


def test_package_and_makefile_name_the_promised_pythons() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    (_, oldest), (_, newest) = toolchain.OLDEST_PYTHON, toolchain.NEWEST_PYTHON
    assert project["requires-python"] == f">=3.{oldest},<3.{newest + 1}"
    classified = [re.findall(r"Python :: (3\.\d+)$", each) for each in project["classifiers"]]
    assert [version for found in classified for version in found] == promised()
    (tried,) = re.findall(r"for python in ([^;]+);", MAKEFILE)
    assert sorted(re.findall(r"python(3\.\d+)", tried)) == promised()
    (accepted,) = re.findall(r"\((3, \d+)\) <= sys.version_info\[:2\] <= \(3, \d+\)", MAKEFILE)
    assert accepted == f"3, {oldest}"


def test_node_and_java_are_the_oldest_that_are_promised() -> None:
    given = [step["with"] for job in jobs().values() for step in job["steps"] if "with" in step]
    assert {each["node-version"] for each in given if "node-version" in each} == {str(toolchain.OLDEST_NODE)}
    assert {each["java-version"] for each in given if "java-version" in each} == {str(toolchain.OLDEST_JAVA)}

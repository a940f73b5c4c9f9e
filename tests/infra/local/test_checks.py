"""What `make unit` leaves out is left out by a rule, and what needs a program can never slip in."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import checks, install, paths

UNIT_OF = ["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", checks.UNIT_MARKS]


def collected(*words: str) -> str:
    command = [sys.executable, *UNIT_OF, "--collect-only", *words]
    return subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=False).stdout


def test_a_contract_is_a_unit_test_on_memory_and_none_on_a_database() -> None:
    listed = collected("tests/adapters/dynamo/access/test_buckets_contract.py")
    assert "[memory" in listed
    assert "[dynamodb" not in listed


def test_who_takes_a_database_or_a_stack_is_no_unit_test() -> None:
    assert "no tests collected" in collected("tests/application/catalog", "tests/local/test_backfill.py")


def test_a_property_tries_few_examples_in_the_fast_loop() -> None:
    test = "tests/domain/test_period.py::test_every_instant_is_in_one_period_of_its_zone"
    command = [sys.executable, *UNIT_OF, "--hypothesis-show-statistics", test]
    environment = os.environ | {checks.EXAMPLES: "7"}
    ran = subprocess.run(
        command, cwd=paths.REPOSITORY, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "7 passing" in ran
    assert "max_examples=7" in ran


def test_a_refused_program_ends_and_says_why() -> None:
    with checks.refusing(["java"]) as path:
        ran = subprocess.run(["java", "-version"], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert ran.stderr == "A test of make unit may not start java.\n"


def test_only_the_words_that_are_named_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[checks.Check] = []

    def passed(check: checks.Check) -> checks.Result:
        run.append(check)
        return checks.Result(check.title, True, 0)

    monkeypatch.setattr(checks, "run", passed)
    for mode in ("--unit", "--with-stack"):
        monkeypatch.setattr("sys.argv", ["checks", mode, "--only=tests/domain -k 'a or b'"])
        assert checks.main() == 0
    assert [each.words[-3:] for each in run] == [("tests/domain", "-k", "a or b")] * 2


@pytest.mark.parametrize("only", ["tests/nope", "nope", "-x tests/domain/nope.py::test_it", "tests/domain -x a/b.py"])
def test_a_path_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], only: str
) -> None:
    monkeypatch.setattr(checks, "run", lambda check: pytest.fail("it was run"))
    for mode in ("--unit", "--with-stack"):
        monkeypatch.setattr("sys.argv", ["checks", mode, f"--only={only}"])
        assert checks.main() == 1
        assert "Stopped: There is no " in capsys.readouterr().err


@pytest.mark.parametrize("only", ["-k nope", "tests/domain/test_period.py::test_it -x -m 'not large'", "-x tests"])
def test_names_and_options_are_no_paths(only: str) -> None:
    checks.require_there(shlex.split(only))


def test_the_fast_loop_installs_python_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a machine without Node and Java."""
    installed: list[str] = []
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(paths, "TOOLS", tmp_path)
    monkeypatch.setattr(install, "_install", lambda title, *_: installed.append(title))
    install.install(for_tests=False, python_only=True)
    assert installed == ["Python environment"]


def test_dead_code_is_looked_for_by_a_check_of_its_own_and_not_in_the_fast_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run: list[str] = []

    def passed(check: checks.Check) -> checks.Result:
        run.append(check.title)
        return checks.Result(check.title, True, 0)

    monkeypatch.setattr(checks, "run", passed)
    monkeypatch.setattr(checks, "run_beside", lambda *_: [])
    for words, looks in ((["--unit"], 0), ([], 1)):
        run.clear()
        monkeypatch.setattr("sys.argv", ["checks", *words])
        assert checks.main() == 0
        assert run.count("dead") == looks

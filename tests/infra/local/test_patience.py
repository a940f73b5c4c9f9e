"""Waiting ends when it is there or when nothing moves any more, however long it took until then."""

import os
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from infra.local import patience, processes
from infra.local.failure import StepFailed

IDLE = 3.0


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only passes while somebody sleeps."""
    sleeps: list[float] = []
    monkeypatch.setattr("infra.local.patience.time.sleep", sleeps.append)
    monkeypatch.setattr("infra.local.patience.time.monotonic", lambda: sum(sleeps))
    return sleeps


def reaches(limit: int, *, every: int) -> Callable[[], int]:
    """Moves at every so manieth look, up to a limit."""
    looks = count()
    return lambda: min(next(looks) // every, limit)


def test_what_moves_is_waited_for_however_long_it_takes(slept: list[float]) -> None:
    total = patience.wait_while_it_moves(reaches(50, every=9), lambda seen: seen == 50, "50", idle_seconds=IDLE)
    assert total == 50
    assert sum(slept) > 30 * IDLE


def test_what_stands_still_is_given_up_with_what_was_seen_last(slept: list[float]) -> None:
    with pytest.raises(patience.StoodStill, match="Waited for 50, and nothing moved for 3 s; seen last: 7"):
        patience.wait_while_it_moves(reaches(7, every=9), lambda seen: seen == 50, "50", idle_seconds=IDLE)
    assert sum(slept) < 7 * 9 * patience.POLL_SECONDS + 2 * IDLE


def test_what_is_there_is_not_waited_for(slept: list[float]) -> None:
    assert patience.wait_while_it_moves(lambda: "there", bool, "it") == "there"
    assert slept == []


@pytest.fixture
def real_time(monkeypatch: pytest.MonkeyPatch, slept: list[float], tmp_path: Path) -> None:
    """For programs, which no clock of ours holds up."""
    monkeypatch.undo()
    monkeypatch.setenv("TOLLBOOTH_HOME", str(tmp_path))


@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("busy", ["import time; time.sleep(60)", "while True: pass"], ids=["sleeps", "spins"])
def test_a_program_that_never_answers_is_given_up_whether_it_sleeps_or_spins(busy: str) -> None:
    started = processes.start("silent", [sys.executable, "-S", "-c", busy], port=1, environment=os.environ)
    try:
        with pytest.raises(StepFailed, match="silent did not answer on port 1, and did nothing for 0 s"):
            processes.wait_until(started, lambda: False, seconds=0.3)
    finally:
        processes.stop("silent")


@pytest.mark.usefixtures("real_time")
def test_the_work_of_a_process_is_seen() -> None:
    before = patience.cpu_seconds(os.getpid())
    while patience.cpu_seconds(os.getpid()) == before:
        sum(range(100_000))
    assert patience.cpu_seconds(2**22 + 1) == 0

"""Background programs: exactly what was started is stopped, and nothing else."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local import processes
from infra.local.failure import StepFailed

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
PARENT_OF_A_SLEEPER = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid,"
    " flush=True); time.sleep(60)",
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOLLBOOTH_HOME", str(tmp_path))
    return tmp_path


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_started_program_is_found_again_and_stopped() -> None:
    started = processes.start("sleeper", SLEEP, port=1, environment=os.environ)
    assert processes.running("sleeper") == started
    assert processes.stop("sleeper")
    assert not is_alive(started.pid)
    assert processes.recorded() == []


def test_a_program_is_recognised_from_its_first_moment_on() -> None:
    for number in range(20):
        started = processes.start(f"sleeper-{number}", SLEEP, port=1, environment=os.environ)
        assert processes.running(started.name) == started
        assert processes.stop(started.name)


def test_what_a_program_started_ends_with_it(home: Path) -> None:
    started = processes.start("parent", PARENT_OF_A_SLEEPER, port=1, environment=os.environ)
    log = home / "logs" / "parent.log"
    wait_for(lambda: log.read_text().endswith("\n"))
    child = int(log.read_text())
    processes.stop("parent")
    wait_for(lambda: not is_alive(child))
    assert not is_alive(started.pid)


def test_another_program_under_a_recycled_id_is_left_alone(home: Path) -> None:
    stranger = subprocess.Popen(SLEEP)
    try:
        record = home / "processes" / "sleeper.json"
        record.parent.mkdir()
        gone = {"name": "sleeper", "pid": stranger.pid, "identity": "0 some other program", "port": 1}
        record.write_text(json.dumps(gone))
        assert processes.running("sleeper") is None
        assert not processes.stop("sleeper")
        assert is_alive(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()


def test_a_program_that_ignores_the_polite_signal_is_ended_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.3)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    started = processes.start("stubborn", [sys.executable, "-c", stubborn], port=1, environment=os.environ)
    os.kill(started.pid, signal.SIGCONT)
    processes.stop("stubborn")
    wait_for(lambda: not is_alive(started.pid))
    assert processes.running("stubborn") is None


def test_a_program_that_ends_while_starting_shows_its_log() -> None:
    failing = [sys.executable, "-c", "print('the port is taken'); raise SystemExit(3)"]
    started = processes.start("failing", failing, port=1, environment=os.environ)
    with pytest.raises(StepFailed) as failure:
        processes.wait_until(started, lambda: False, seconds=10)
    assert "failing ended while starting" in failure.value.reason
    assert "the port is taken" in failure.value.reason
    assert "make down" in failure.value.remedy

"""`make up` and `make down`: safe to repeat, and nothing is left behind."""

import os
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from infra.local import farewell, paths, up
from infra.local.ports import LOOPBACK
from infra.local.state import LocalStack
from tests.conftest import local_tool


def demo_of(stack: LocalStack) -> httpx.Client:
    return httpx.Client(base_url=stack.api_url, headers={"Authorization": f"Bearer {stack.api_key}"}, timeout=60)


def test_a_second_up_keeps_everything_and_duplicates_nothing(stack: LocalStack) -> None:
    printed = local_tool("up", Path(stack.home))
    assert "Both are running already" in printed
    with demo_of(stack) as demo:
        period = {"from": stack.demo["period_start"], "to": stack.demo["period_end"]}
        rows = demo.get("/api/v1/meters/tokens/query", params=period).json()["data"]
        assert sum(row["value"] for row in rows) == int(stack.demo["tokens"])
        made = {"billing/invoices": 1, "customers": 2, "plans": 3, "features": 3, "grants": 3}
        for path in made:
            answer = demo.get(f"/api/v1/{path}", params={"page": 1}).json()
            assert answer["totalCount"] == made[path], path


def test_the_commands_it_offers_work_as_they_stand(stack: LocalStack) -> None:
    period = f"from={stack.demo['period_start']}&to={stack.demo['period_end']}"
    usage, event, access, invoices = (run_in_shell(command) for command in farewell.commands_to_try(stack, period))
    assert '"model"' in usage
    assert event.strip() == "204"
    assert '"hasAccess":true' in access
    assert stack.demo["invoice_number"] in invoices


def run_in_shell(command: str) -> str:
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60).stdout


def test_everything_took_counts_from_the_beginning_of_make(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "up: export TOLLBOOTH_MAKE_BEGAN := $(shell date +%s)" in (paths.REPOSITORY / "Makefile").read_text()
    monkeypatch.setenv("TOLLBOOTH_MAKE_BEGAN", "1763924400")
    assert up.began_at() == 1763924400
    monkeypatch.delenv("TOLLBOOTH_MAKE_BEGAN")
    assert time.time() - up.began_at() < 60


def test_a_taken_port_stops_up_before_anything_was_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = subprocess.run(
            [paths.DEV_PYTHON, "-m", "infra.local.up"],
            cwd=paths.REPOSITORY,
            env=os.environ | {"TOLLBOOTH_HOME": str(tmp_path), "TOLLBOOTH_EMULATOR_PORT": port},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 1
    assert f"Port {port} (TOLLBOOTH_EMULATOR_PORT) is taken" in ran.stderr
    assert "Choose another" in ran.stderr
    assert not list(tmp_path.glob("processes/*"))


def test_down_without_anything_running_says_so(tmp_path: Path) -> None:
    assert "Nothing of the local stack is running" in local_tool("down", tmp_path)

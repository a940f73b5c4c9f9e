"""`make up` and `make down`: safe to repeat, and nothing is left behind."""

import subprocess
from pathlib import Path

import httpx
import pytest

from infra.local import farewell
from infra.local.state import LocalStack
from tests.conftest import UP_SECONDS, local_tool

pytestmark = pytest.mark.stack


def demo_of(stack: LocalStack) -> httpx.Client:
    return httpx.Client(base_url=stack.api_url, headers={"Authorization": f"Bearer {stack.api_key}"}, timeout=60)


def test_a_second_up_keeps_everything_and_duplicates_nothing(stack: LocalStack) -> None:
    printed = local_tool("up", Path(stack.home), UP_SECONDS)
    assert "Both are running already" in printed
    with demo_of(stack) as demo:
        period = {"from": stack.demo["period_start"], "to": stack.demo["period_end"]}
        rows = demo.get("/api/v1/meters/tokens/query", params=period).json()["data"]
        assert sum(row["value"] for row in rows) == int(stack.demo["tokens"])
        for path in ("billing/invoices", "customers", "plans", "features"):
            answer = demo.get(f"/api/v1/{path}", params={"page": 1}).json()
            assert answer["totalCount"] == (2 if path == "features" else 1), path


def test_the_commands_it_offers_work_as_they_stand(stack: LocalStack) -> None:
    period = f"from={stack.demo['period_start']}&to={stack.demo['period_end']}"
    usage, event, invoices = (run_in_shell(command) for command in farewell.commands_to_try(stack, period))
    assert '"model"' in usage
    assert event.strip() == "204"
    assert stack.demo["invoice_number"] in invoices


def run_in_shell(command: str) -> str:
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60).stdout

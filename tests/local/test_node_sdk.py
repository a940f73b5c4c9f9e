"""The genuine Node SDK, unchanged, with nothing but another base URL."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local import paths
from tests.local.tenant import Tenant

SCRIPT = Path(__file__).with_name("node_sdk.mjs")
# The script gives up by itself what does not move; this is for a Node that hangs.
MOST_SECONDS = 1_800

Run = Callable[[str], dict[str, Any]]


@pytest.fixture
def run(tenant: Tenant, tmp_path: Path) -> Run:
    # A module is looked for beside the script that imports it.
    (tmp_path / "node_modules").symlink_to(paths.NODE_TOOLS / "node_modules")
    script = shutil.copy(SCRIPT, tmp_path)

    def scenario(name: str) -> dict[str, Any]:
        command = ["node", script, name, tenant.stack.api_url, tenant.key]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
        assert ran.returncode == 0, ran.stderr
        seen: dict[str, Any] = json.loads(ran.stdout)
        return seen

    return scenario


def test_a_meter_lives_its_life(run: Run) -> None:
    seen = run("meters")
    assert (seen["slug"], seen["foundByItsId"], seen["listed"]) == ("tokens", "tokens", ["tokens"])
    assert (seen["name"], seen["createdAtIsADate"], seen["left"]) == ("Tokens", True, 0)
    assert (seen["again"]["name"], seen["again"]["status"]) == ("HTTPError", 409)
    assert "slug 'tokens'" in seen["again"]["detail"]
    assert seen["afterwards"]["status"] == 404


def test_events_are_sent_one_or_many_and_listed_with_their_subjects(run: Run) -> None:
    seen = run("events")
    assert seen["counted"] == 111
    assert seen["listed"] == seen["paged"] == ["one", "three", "two"]
    assert (seen["pages"], seen["timesAreDates"]) == ([2, 1], True)
    assert seen["data"] == {"tokens": 100, "model": "large", "region": "eu"}
    assert seen["ofGlobex"] == ["three"]
    assert seen["subjects"] == ["acme", "globex"]
    assert sorted(seen["models"]) == ["large", "small"]
    assert (seen["refused"]["status"], "subject" in seen["refused"]["detail"]) == (400, True)


def test_usage_is_queried_as_json_as_csv_and_with_advanced_filters(run: Run) -> None:
    seen = run("queries")
    assert seen["hourly"] == [[0, 101], [1, 10]]
    assert seen["grouped"] == [["large", "globex", 100], ["small", "acme", 11]]
    assert (seen["ofOneSubject"], seen["filtered"]) == ([100], [11])
    assert seen["advanced"] == [["small", 11]]
    header, *rows = seen["csv"]
    assert header == ["model", "value"]
    assert sorted((model, float(value)) for model, value in rows) == [("large", 100), ("small", 11)]
    assert (seen["unknownGroup"]["status"], "colour" in seen["unknownGroup"]["detail"]) == (400, True)


def test_an_id_sent_twice_counts_once_also_across_a_bucket_and_an_hour(run: Run) -> None:
    seen = run("resends")
    assert seen["counted"] == 111_111
    # Where the first one said it happened, and nowhere else.
    assert seen["hourly"] == [[0, 11_100]]


def test_a_plan_of_three_phases_and_every_price_is_sold_changed_and_cancelled(run: Run) -> None:
    seen = run("selling")
    assert (seen["draft"], seen["published"], seen["phases"]) == ("draft", "active", ["trial", "ramp", "rest"])
    assert seen["prices"] == ["flat", "flat", "unit", "tiered", "tiered", "dynamic", "package"]
    assert (seen["wrong"]["status"], "phases" in seen["wrong"]["detail"]) == (400, True)
    assert (seen["status"], seen["startedAtIsADate"]) == ("active", True)
    assert (seen["second"]["status"], "would both sell" in seen["second"]["detail"]) == (409, True)
    assert seen["items"] == ["calls", "extra", "minutes", "platform", "seats", "setup", "spend", "storage"]
    assert seen["changed"] == ["inactive", "active", "team"]
    assert (seen["canceled"], seen["goesOn"]) == ("canceled", "active")


def test_a_limit_is_used_up_topped_up_and_taken_away(run: Run) -> None:
    seen = run("access")
    figures = [
        [seen[when][name] for name in ("hasAccess", "balance", "usage", "overage")]
        for when in ("usedUp", "toppedUp", "voided")
    ]
    assert figures == [[False, 0, 130, 30], [True, 20, 130, 0], [False, 0, 130, 30]]
    assert (seen["used"], seen["again"]["status"], seen["bySubject"]["balance"]) == ([130], 409, 20)
    assert (seen["access"], seen["listed"], seen["createdAtIsADate"]) == (["tokens"], [True], True)
    assert (seen["grants"], seen["isSoftLimit"], seen["afterwards"]) == (2, True, {"hasAccess": False})


def test_an_invoice_is_simulated(run: Run) -> None:
    seen = run("simulating")
    assert (seen["number"], seen["status"], seen["createdAtIsADate"]) == ("INV-SIMULATED", "draft", True)
    assert (seen["lines"], seen["total"]) == (["44.10", "2.78", "0.72"], "47.60")
    assert (seen["refused"]["status"], "lines[0].quantity" in seen["refused"]["detail"]) == (400, True)

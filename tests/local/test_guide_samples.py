"""A reader who types the guide into a shell, page after page, gets good answers and is billed for what was sent."""

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from infra.constructs.archive_catalog import columns_sql
from infra.local import emulator, paths
from tests.local.tenant import Tenant
from tests.local.test_archive import run as run_sql
from tests.pages import guide, samples

MOST_SECONDS = 180
ASKED = "asked of aws"
# What the pages send of the type `prompt`; the one of a load test was corrected.
TOKENS = 1_200 + 1_200 + 800 + 500 + 120

# The AWS command line is not installed with us: this one writes down what it is asked.
AWS = """#!/bin/sh
printf '%s\\0' "$@" >> "$AWS_ASKED"
"""


def like_the_demo(tenant: Tenant) -> None:
    """The samples are for the tenant that `make up` makes, which has a meter of tokens."""
    key = {"Authorization": f"Bearer {tenant.stack.api_key}"}
    demo = httpx.get(f"{tenant.stack.api_url}/api/v1/meters/tokens", headers=key, timeout=60).json()
    tenant.made(
        "/api/v1/meters",
        {each: demo[each] for each in ("slug", "eventType", "aggregation", "valueProperty", "groupBy")},
    )


def typed(tenant: Tenant, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a folder that has what a checkout has after `make up`."""
    (state := folder / ".local").mkdir()
    (state / "stack.json").write_text(json.dumps({"api_url": tenant.stack.api_url, "api_key": tenant.key}))
    (folder / "node_modules").symlink_to(paths.NODE_TOOLS / "node_modules")
    (tools := folder / "tools").mkdir()
    (aws := tools / "aws").write_text(AWS)
    aws.chmod(0o700)
    environment = os.environ | {
        "PATH": os.pathsep.join([str(tools), str(paths.DEV_PYTHON.parent), os.environ["PATH"]]),
        "TMPDIR": str(folder),
        "AWS_ASKED": str(folder / ASKED),
        "USAGE_TABLE": tenant.stack.outputs["UsageTableName"],
    }
    command = [shutil.which("bash") or "bash", "-c", samples.script()]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
    )


def test_every_sample_does_what_it_says(tenant: Tenant, tmp_path: Path) -> None:
    like_the_demo(tenant)
    ran = typed(tenant, tmp_path)
    assert ran.returncode == 0, f"{ran.stdout[-2_000:]}\n{ran.stderr[-4_000:]}"

    # Everything that was sent is counted, the correction included.
    tenant.reaches("tokens", TOKENS)
    assert tenant.total("images") == 1
    # Of the plan at the front door: its fee, once.
    (invoice,) = tenant.http.get("/api/v1/billing/invoices").json()["items"]
    assert invoice["totals"]["total"] == "20.00"
    gives_another_share(tenant, (tmp_path / ASKED).read_text().split("\0")[:-1])
    (shown,) = (each.text for each in guide.blocks() if each.language == "sql")
    found = run_sql(tenant.stack, of_today(shown, tenant.name))
    assert {row["subject"] for row in found} == {"acme"}


def gives_another_share(tenant: Tenant, asked: list[str]) -> None:
    """Each option of the command line is the parameter of the same name."""
    service, operation, *options = asked
    assert (service, operation) == ("dynamodb", "update-item")
    names = ("".join(map(str.title, each.removeprefix("--").split("-"))) for each in options[::2])
    values = (json.loads(each) if each.startswith("{") else each for each in options[1::2])
    body = dict(zip(names, values, strict=True))
    database = emulator.client("dynamodb", tenant.stack.ports[emulator.NAME])
    database.update_item(**body)
    kept = database.get_item(TableName=tenant.stack.outputs["UsageTableName"], Key=body["Key"])["Item"]
    assert kept == {"pk": {"S": "Q#acme"}, "sk": {"S": "calls"}, "percent": {"N": "400"}}


def of_today(sql: str, tenant: str) -> str:
    """The query that is shown, about this tenant and about now; the emulator's catalogue has no view."""
    dates = sorted({*re.findall(r"'(2\d{3}-\d\d-\d\d)", sql)})
    assert len(dates) == 4 and "'default'" in sql
    today = datetime.now(UTC).date()
    for date, days in zip(dates, (-2, -1, 1, 2), strict=True):
        sql = sql.replace(date, str(today + timedelta(days=days)))
    return f"WITH events AS ({columns_sql()})\n" + sql.replace("'default'", f"'{tenant}'")

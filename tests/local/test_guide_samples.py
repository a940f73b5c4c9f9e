"""Whoever types the guide into a shell, page after page, gets good answers and is billed for what was sent."""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from infra.local import emulator, paths
from tests.local.tenant import Tenant, wait_until
from tests.local.test_archive import run as run_sql
from tests.pages import guide, samples

MOST_SECONDS = 180
TENANT, SHARE = "Q#acme", "calls"
# What the pages send of the type `prompt`; the one of a load test was corrected.
TOKENS = 1_200 + 1_200 + 800 + 500 + 120

# The AWS command line is not installed with us: each option is the parameter of the same name, given to the emulator.
AWS = """#!{python}
import json, sys
import boto3
service, operation, *options = sys.argv[1:]
def name(option): return "".join(map(str.title, option.removeprefix("--").split("-")))
def value(text): return json.loads(text) if text.startswith("{{") else text
parameters = {{name(key): value(text) for key, text in zip(options[::2], options[1::2], strict=True)}}
getattr(boto3.client(service), operation.replace("-", "_"))(**parameters)
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
    (aws := tools / "aws").write_text(AWS.format(python=sys.executable))
    aws.chmod(0o700)
    environment = os.environ | emulator.client_environment(tenant.stack.ports[emulator.NAME])
    environment |= {
        "PATH": os.pathsep.join([str(tools), str(paths.DEV_PYTHON.parent), os.environ["PATH"]]),
        "TMPDIR": str(folder),
        "USAGE_TABLE": tenant.stack.outputs["UsageTableName"],
    }
    command = [shutil.which("bash") or "bash", "-c", samples.script()]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
    )


def test_every_sample_does_what_it_says(tenant: Tenant, tmp_path: Path) -> None:
    like_the_demo(tenant)
    ran = typed(tenant, tmp_path)
    print(ran.stderr[-6000:])
    assert ran.returncode == 0, f"{ran.stdout[-2_000:]}\n{ran.stderr[-4_000:]}"

    # Everything that was sent is counted, the correction included.
    wait_until(lambda: tenant.total("tokens") == TOKENS, lambda: f"tokens are {tenant.total('tokens')}, not {TOKENS}")
    assert tenant.total("images") == 1
    # Of the plan at the front door: its fee, once.
    (invoice,) = tenant.http.get("/api/v1/billing/invoices").json()["items"]
    assert invoice["totals"]["total"] == "20.00"
    share = emulator.client("dynamodb", tenant.stack.ports[emulator.NAME]).get_item(
        TableName=tenant.stack.outputs["UsageTableName"], Key={"pk": {"S": TENANT}, "sk": {"S": SHARE}}
    )
    assert share["Item"]["percent"] == {"N": "400"}

    (shown,) = (each.text for each in guide.blocks() if each.language == "sql")
    found = run_sql(tenant.stack, of_today(shown, tenant.name))
    assert {row["subject"] for row in found} == {"acme"}


def of_today(sql: str, tenant: str) -> str:
    """The query that is shown, about this tenant and about now."""
    dates = sorted({*re.findall(r"'(2\d{3}-\d\d-\d\d)", sql)})
    assert len(dates) == 4 and "'default'" in sql
    today = datetime.now(UTC).date()
    for date, days in zip(dates, (-2, -1, 1, 2), strict=True):
        sql = sql.replace(date, str(today + timedelta(days=days)))
    return sql.replace("'default'", f"'{tenant}'")

"""The genuine Node SDK, unchanged, with nothing but another base URL."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.local import paths
from tests.local.tenant import Tenant

pytestmark = pytest.mark.stack

SCRIPT = Path(__file__).with_name("sdk_smoke.mjs")


def test_the_node_sdk_creates_a_meter_sends_twice_and_queries_once(tenant: Tenant, tmp_path: Path) -> None:
    # A module is looked for beside the script that imports it.
    (tmp_path / "node_modules").symlink_to(paths.NODE_TOOLS / "node_modules")
    script = shutil.copy(SCRIPT, tmp_path)
    ran = subprocess.run(
        ["node", script, tenant.stack.api_url, tenant.key], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"slug": "tokens", "byModel": {"small": 11, "large": 100}}

"""The genuine Node SDK, and the client for a customer's pages that it brings, against the real handlers."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.local import paths
from tests.compat.conftest import Compat
from tests.compat.test_python_sdk import METER, event
from tests.handlers.portal import wire_vault

SCRIPT = Path(__file__).with_name("node_portal.mjs")
MOST_SECONDS = 120


def test_a_page_with_the_portals_own_client_sees_its_subject(
    compat: Compat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wire_vault(monkeypatch)
    compat.sdk.meters.create(METER)
    compat.metering.count([event(n, "ada" if n < 3 else "bob", "gpt-4" if n % 2 else "gpt-5") for n in range(5)])
    key = compat.api.post("/api/v1/api-keys", {"name": "node", "scopes": ["admin"]}).json["token"]
    # A module is looked for beside the script that imports it.
    (tmp_path / "node_modules").symlink_to(paths.NODE_TOOLS / "node_modules")
    command = ["node", shutil.copy(SCRIPT, tmp_path), compat.endpoint, key]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    assert seen == {
        "madeIsADate": True,
        "total": [["bob", 7]],
        "asked": [["gpt-5", 4, True]],
        "hidden": seen["hidden"],
        "listed": [[True, None, False]],
        "left": [True],
    }
    assert (seen["hidden"]["status"], "does not show 'hidden'" in seen["hidden"]["detail"]) == (403, True)

"""The templates of prod, word for word; UPDATE_SNAPSHOTS=1 writes them anew."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

SNAPSHOTS = Path(__file__).parent / "snapshots"
ASSET_HASH = re.compile(r"[0-9a-f]{64}")


@pytest.mark.parametrize("name", ["data", "ingestion", "billing", "backfill", "migration", "api", "observability"])
def test_the_template_is_the_one_that_was_reviewed(prod: Any, name: str) -> None:
    template = ASSET_HASH.sub("<asset>", json.dumps(prod.stacks[name], indent=1, sort_keys=True)) + "\n"
    stored = SNAPSHOTS / f"{name}.json"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        stored.write_text(template)
    assert stored.read_text() == template, "If the change is meant, run again with UPDATE_SNAPSHOTS=1 and review it."


def test_every_snapshot_belongs_to_a_stack(prod: Any) -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.json")} == set(prod.stacks)

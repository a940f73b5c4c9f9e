"""What others make of the document: a linter finds nothing in it, and clients in two languages come of it."""

import compileall
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from functions.handlers.http_openapi import DOCUMENT
from infra.local import paths

HERE = Path(__file__).parent
TOOLS = paths.NODE_TOOLS / "node_modules"
# Of ingest, whose body may be any type that is JSON: the generator knows application/json.
NOT_GENERATED = ("text/json",)


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "node_modules").symlink_to(TOOLS)
    return tmp_path


def problems(folder: Path, text: str) -> list[list[str]]:
    (folder / "lint.mjs").write_text((HERE / "lint.mjs").read_text())
    (folder / "openapi.json").write_text(text)
    found: list[list[str]] = json.loads(run("node", "lint.mjs", "openapi.json", folder=folder))
    return found


def test_a_linter_finds_nothing(folder: Path) -> None:
    assert problems(folder, DOCUMENT.read_text()) == []
    broken = DOCUMENT.read_text().replace('"operationId": "listFeatures"', '"operationId": "listPlans"')
    assert {rule for rule, *_ in problems(folder, broken)} == {"operation-operationId-unique"}


def test_a_typescript_client_compiles(folder: Path) -> None:
    generator = TOOLS / ".bin" / "openapi-typescript"
    run(generator, DOCUMENT, "-o", "api.d.ts", "--default-non-nullable", "false", folder=folder)
    (folder / "use.ts").write_text((HERE / "use.ts").read_text())
    run(TOOLS / ".bin" / "tsc", "--noEmit", "--strict", "api.d.ts", "use.ts", folder=folder)


def test_a_python_client_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Path(sys.executable).parent / "openapi-python-client"
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    said = run(
        *(generator, "generate", "--path", DOCUMENT, "--meta", "none", "--output-path", tmp_path / "tollbooth_client"),
        folder=tmp_path,
    )
    missing = [line for line in said.splitlines() if "Unsupported" in line or "Unable" in line or "Cannot" in line]
    assert [line for line in missing if not line.endswith(NOT_GENERATED)] == []
    assert compileall.compile_dir(tmp_path / "tollbooth_client", quiet=2)
    monkeypatch.syspath_prepend(tmp_path)
    client = importlib.import_module("tollbooth_client")
    names = [found.name for found in pkgutil.walk_packages(client.__path__, "tollbooth_client.")]
    for name in names:
        importlib.import_module(name)
    assert "tollbooth_client.models.plan_create" in names
    assert "tollbooth_client.api.meters.query_meter" in names
    for name in list(sys.modules):
        if name.startswith("tollbooth_client"):
            monkeypatch.delitem(sys.modules, name)

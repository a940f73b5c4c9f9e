"""What others make of the document: a linter finds nothing in it, and clients in two languages come of it."""

import compileall
import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from functions.handlers.http_openapi import DOCUMENT
from infra.local import paths
from tests.handlers.conformity import document

HERE = Path(__file__).parent
TOOLS = paths.NODE_TOOLS / "node_modules"
# Of ingest, whose body may be any type that is JSON: the generator knows application/json.
NOT_GENERATED = ("text/json",)
CLIENT = "tollbooth_client"


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


@pytest.fixture
def python_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    generator = Path(sys.executable).parent / "openapi-python-client"
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    said = run(
        *(generator, "generate", "--path", DOCUMENT, "--meta", "none", "--output-path", tmp_path / CLIENT),
        folder=tmp_path,
    )
    missing = [line for line in said.splitlines() if "Unsupported" in line or "Unable" in line or "Cannot" in line]
    assert [line for line in missing if not line.endswith(NOT_GENERATED)] == []
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module(CLIENT)
    for name in list(sys.modules):
        if name.startswith(CLIENT):
            monkeypatch.delitem(sys.modules, name)


def names_in(client: ModuleType) -> list[str]:
    return [found.name for found in pkgutil.walk_packages(client.__path__, f"{CLIENT}.")]


def test_a_python_client_compiles(python_client: ModuleType, tmp_path: Path) -> None:
    assert compileall.compile_dir(tmp_path / CLIENT, quiet=2)
    names = names_in(python_client)
    for name in names:
        importlib.import_module(name)
    assert f"{CLIENT}.models.plan_create" in names
    assert f"{CLIENT}.api.meters.query_meter" in names


def answer_examples() -> Iterator[tuple[str, int, Any]]:
    """By the id of the operation."""
    for methods in document()["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).get("application/json", {})
                if "example" in content:
                    yield operation["operationId"], int(status), content["example"]


def as_json(read: Any) -> Any:
    return [as_json(each) for each in read] if isinstance(read, list) else read.to_dict()


def in_utc(value: Any) -> Any:
    """A time in UTC is written in either of two ways."""
    return json.loads(json.dumps(value).replace("+00:00", "Z"))


PROBLEM = {"type": "about:blank", "title": "t", "status": 400, "detail": "d", "instance": "urn:request:1"}


def test_a_python_client_reads_refusals_of_the_gateway_as_well_as_ours(python_client: ModuleType) -> None:
    module, client = importlib.import_module(f"{CLIENT}.api.features.create_feature"), python_client.Client("https://a")

    def read(status: int, answer: Any) -> Any:
        return module._parse_response(client=client, response=httpx.Response(status, json=answer)).to_dict()

    for status in (401, 403, 413, 429, 500, 503):
        assert read(status, {"message": "Forbidden"}) == {"message": "Forbidden"}
    for status in (400, 401, 403, 404, 409, 413, 415, 429, 500, 503):
        assert read(status, PROBLEM) == PROBLEM


def test_a_python_client_reads_every_answer_and_loses_nothing_of_it(python_client: ModuleType) -> None:
    modules = {name.rpartition(".")[2].replace("_", ""): name for name in names_in(python_client) if ".api." in name}
    client, seen = python_client.Client(base_url="https://api.example"), 0
    for operation, status, example in answer_examples():
        module = importlib.import_module(modules[operation.lower()])
        read = module._parse_response(client=client, response=httpx.Response(status, json=example))
        assert in_utc(as_json(read)) == in_utc(example), operation
        seen += 1
    assert seen > 80

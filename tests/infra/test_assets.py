"""The built assets: small enough, for the right machine, with what their functions import and nothing else."""

import hashlib
import re
import struct
import zipfile
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

import pytest

from functions import names
from infra.constructs import python_code
from infra.constructs.reach import reached

MAX_STREAM_MEGABYTES = 30
AARCH64 = 183


@pytest.fixture(scope="module")
def stream() -> Path:
    return python_code.build(names.STREAM_ASSET, python_code.this_host())


@pytest.fixture(scope="module")
def stream_for_lambda() -> Path:
    return python_code.build(names.STREAM_ASSET, python_code.LAMBDA_ARM64)


def test_the_stream_asset_is_small(stream: Path, stream_for_lambda: Path) -> None:
    assert python_code.megabytes(stream) <= MAX_STREAM_MEGABYTES
    assert python_code.megabytes(stream_for_lambda) <= MAX_STREAM_MEGABYTES


def test_the_stream_asset_carries_no_weight_of_the_service(stream: Path) -> None:
    carried = {path.name for path in stream.iterdir()}
    assert {"functions", "jsonpath_rfc9535", "msgspec", "zstandard", "boto3", "botocore"} <= carried
    assert carried.isdisjoint({"pydantic", "stripe", "aws_lambda_powertools", "tests", "bin"})


def test_the_services_an_asset_knows_are_those_that_functions_speak_to(stream: Path) -> None:
    asked = {
        service
        for source in (python_code.SOURCES / "handlers" / "wiring").glob("*.py")
        for service in re.findall(r'aws(?:_client)?\("(\w+)"', source.read_text())
    }
    known = {path.name for path in (stream / python_code.SERVICE_DATA).iterdir() if path.is_dir()}
    assert asked == known == python_code.SERVICES


def test_wheels_for_lambda_are_arm64_python_3_13(stream_for_lambda: Path) -> None:
    libraries = list(stream_for_lambda.rglob("*.so"))
    assert libraries
    assert {struct.unpack_from("<H", library.read_bytes(), 18)[0] for library in libraries} == {AARCH64}
    assert all("cpython-313" in library.name or ".abi3." in library.name for library in libraries)


def test_an_asset_carries_what_its_handlers_reach_and_no_more(stream: Path) -> None:
    ours = {path.relative_to(python_code.REPOSITORY) for path in python_code.sources(names.STREAM_ASSET)}
    carried = [path for path in (stream / "functions").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {path.relative_to(stream) for path in carried} == ours
    service = {str(path.relative_to(python_code.SOURCES)) for path in python_code.sources(names.SERVICE_ASSET)}
    assert {"handlers/openapi.json", "handlers/http_openapi.py", "adapters/athena/sql/usage.sql"} <= service
    for each in (*map(str, ours), *service):
        assert not re.search(r"adapters/memory/|handlers/openapi/|/pages/|\.md$|requirements", each), each


def test_a_module_that_is_imported_later_is_reached_and_one_for_type_checkers_is_not(tmp_path: Path) -> None:
    package = tmp_path / "ours"
    package.mkdir()
    files = {
        "__init__.py": "",
        "handler.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ours import typed\n"
        "def handler():\n    from ours.later import thing\n    return thing\n",
        "later.py": "import json\nthing = 'table.json'\n" + 'open("table.json")\n',
        "typed.py": "",
        "other.py": "",
        "table.json": "{}",
        "else.json": "{}",
    }
    for name, text in files.items():
        (package / name).write_text(text)
    found = {path.name for path in reached(["ours.handler"], tmp_path)}
    assert found == {"__init__.py", "handler.py", "later.py", "table.json"}


def test_every_module_in_an_asset_is_compiled_for_its_python_and_never_held_against_its_source(stream: Path) -> None:
    compiled = {path: path.read_bytes()[:8] for path in stream.rglob("*.pyc")}
    assert {path.relative_to(stream).parts[0] for path in compiled} >= {"functions", "boto3", "msgspec"}
    sources = list((stream / "functions").rglob("*.py"))
    assert {Path(cache_from_source(str(path))) for path in sources} <= compiled.keys()
    assert set(compiled.values()) == {MAGIC_NUMBER + (1).to_bytes(4, "little")}, "PEP 552: unchecked hash"


def test_without_a_python_of_the_platform_an_asset_has_no_bytecode_and_another_hash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "module.py").touch()
    platform = python_code.this_host()
    python_code.asset_hash.cache_clear()
    with_it = python_code.asset_hash(names.STREAM_ASSET, platform)
    python_code.asset_hash.cache_clear()
    monkeypatch.setattr(python_code, "compiler_for", lambda _: None)
    python_code._compile(tmp_path, platform)
    assert not list(tmp_path.rglob("*.pyc"))
    assert python_code.asset_hash(names.STREAM_ASSET, platform) != with_it
    python_code.asset_hash.cache_clear()


def test_nothing_left_over_is_in_the_asset(stream: Path) -> None:
    assert [path for path in stream.rglob("*") if path.name in ("RECORD", "tests")] == []


def test_the_hash_tells_assets_and_platforms_apart() -> None:
    platforms = (python_code.this_host(), python_code.LAMBDA_ARM64)
    hashes = {
        python_code.asset_hash(asset, platform)
        for asset in (names.STREAM_ASSET, names.SERVICE_ASSET)
        for platform in platforms
    }
    assert len(hashes) == 4


def test_the_same_content_is_built_once(stream: Path) -> None:
    assert python_code.build(names.STREAM_ASSET, python_code.this_host()) == stream


ASSETS = (names.STREAM_ASSET, names.SERVICE_ASSET)


def wheel(folder: Path) -> Path:
    """The smallest there is."""
    made = folder / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        archive.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.dist-info/RECORD", "")
    return made


def collect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str) -> Path:
    (tmp_path / "stream.txt").write_text(f"{line}\n")
    monkeypatch.setattr(python_code, "LOCKS", tmp_path)
    monkeypatch.setattr(python_code, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(python_code, "asset_hash", lambda asset, platform: "0" * 64)
    return python_code.build(names.STREAM_ASSET, python_code.this_host())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{wheel} --hash=sha256:" + "0" * 64, "DO NOT MATCH THE HASHES"),
        ("{wheel}", "Hashes are required"),
        ("./there-is-no-such-folder", "no-such-folder"),
    ],
)
def test_a_wheel_that_is_not_the_one_of_the_lock_is_in_no_asset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, why: str
) -> None:
    with pytest.raises(RuntimeError, match=r"stream\.txt") as raised:
        collect(monkeypatch, tmp_path, line.format(wheel=wheel(tmp_path)))
    assert why in str(raised.value)
    assert not list((tmp_path / "cache").iterdir())


def test_the_wheel_of_the_lock_is_in_the_asset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = wheel(tmp_path)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    assert (collect(monkeypatch, tmp_path, f"{made} --hash=sha256:{digest}") / "tiny.py").exists()


@pytest.mark.parametrize("asset", ASSETS)
def test_a_lock_says_what_requirements_and_constraints_say(asset: str) -> None:
    """After a change of either: `make pin`."""
    locked = pinned(python_code.lock_of(asset))
    asked, constrained = pinned(python_code.requirements_of(asset)), pinned(python_code.CONSTRAINTS)
    assert asked.items() <= locked.items()
    assert {name: constrained[name] for name in locked} == locked


@pytest.mark.parametrize("asset", ASSETS)
def test_a_lock_has_hashes_and_no_address(asset: str) -> None:
    text = python_code.lock_of(asset).read_text()
    blocks = [block for block in re.split(r"\n(?=\S)", text) if "==" in block]
    assert len(blocks) == len(pinned(python_code.lock_of(asset)))
    assert [block for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)] == []
    assert "://" not in text and "index" not in text


def pinned(file: Path) -> dict[str, str]:
    """Name, as an index spells it, to version."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", file.read_text(), re.MULTILINE)
    return {re.sub(r"[._-]+", "-", name).lower(): version for name, version in found}

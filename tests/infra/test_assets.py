"""The built assets: small enough, for the right machine, with what their functions import and nothing else."""

import hashlib
import re
import struct
import zipfile
from pathlib import Path

import pytest

from functions import names
from infra.constructs import python_code

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


def test_every_module_of_ours_is_in_the_asset_once(stream: Path) -> None:
    ours = {path.relative_to(python_code.REPOSITORY) for path in python_code.SOURCES.rglob("*.py")}
    assert {path.relative_to(stream) for path in (stream / "functions").rglob("*.py")} == ours


def test_nothing_compiled_or_left_over_is_in_the_asset(stream: Path) -> None:
    assert [path for path in stream.rglob("*") if path.suffix == ".pyc" or path.name in ("RECORD", "tests")] == []


def test_no_page_is_in_an_asset_or_changes_its_hash(
    stream: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert (python_code.SOURCES / "pages").is_dir()
    assert not (stream / "functions" / "pages").exists()
    for name in ("pages/guide/security.md", "pages/guide/style.css", "pages/new.py", "domain/pages.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(python_code, "SOURCES", tmp_path)
    assert list(python_code._sources()) == [tmp_path / "domain" / "pages.py"]


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
